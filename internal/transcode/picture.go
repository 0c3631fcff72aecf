package transcode

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/hub"
	"weir/internal/media"
)

const (
	pictureAge     = 3 * time.Second // a picture younger than this is given again
	pictureTimeout = 10 * time.Second
	pictureLimit   = 4 << 20
)

// pictures remembers the last picture of each stream.
type pictures struct {
	mu    sync.Mutex
	shots map[*hub.Stream]*shot
}

func (p *pictures) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.shots)
}

// shot is the picture of one stream. Its lock is held while it is made: who asks meanwhile gets the same.
type shot struct {
	mu   chan struct{}
	at   time.Time
	of   int64 // DTS of the frame it shows
	jpeg []byte
}

// of finds the stream's shot and forgets those of streams that have ended.
func (p *pictures) of(s *hub.Stream) *shot {
	p.mu.Lock()
	defer p.mu.Unlock()
	for other := range p.shots {
		select {
		case <-other.Done():
			delete(p.shots, other)
		default:
		}
	}
	if p.shots[s] == nil {
		p.shots[s] = &shot{mu: make(chan struct{}, 1)}
	}
	return p.shots[s]
}

// Snapshot gives the stream's latest key frame as a JPEG, at most 640 wide, and when it was made. A new one is made
// only when asked for and at most every three seconds. Errors: ffmpeg_missing, no_video, no_picture.
func (e *Engine) Snapshot(ctx context.Context, s *hub.Stream) ([]byte, time.Time, error) {
	info, err := e.Probe(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	sh := e.pictures.of(s)
	select {
	case sh.mu <- struct{}{}:
		defer func() { <-sh.mu }()
	case <-ctx.Done():
		return nil, time.Time{}, context.Cause(ctx)
	}
	if sh.jpeg != nil && time.Since(sh.at) < pictureAge {
		return sh.jpeg, sh.at, nil
	}
	track, frame, err := lastKey(s)
	if err == nil && sh.jpeg != nil && frame.DTS == sh.of {
		sh.at = time.Now()
		return sh.jpeg, sh.at, nil
	}
	if err == nil {
		var jpeg []byte
		if jpeg, err = e.picture(ctx, info.Path, track, frame); err == nil {
			e.count.pictures.Add(1)
			sh.jpeg, sh.at, sh.of = jpeg, time.Now(), frame.DTS
		}
	}
	if sh.jpeg != nil { // an old picture says more than none
		return sh.jpeg, sh.at, nil
	}
	return nil, time.Time{}, err
}

// Picture decodes one key frame to a JPEG, at most 640 wide. Errors: ffmpeg_missing, no_picture.
func (e *Engine) Picture(ctx context.Context, track media.Track, key media.Frame) ([]byte, error) {
	info, err := e.Probe(ctx)
	if err != nil {
		return nil, err
	}
	return e.picture(ctx, info.Path, track, key)
}

// lastKey finds the latest key frame of the best video.
func lastKey(s *hub.Stream) (media.Track, media.Frame, error) {
	sub := s.Subscribe(hub.Want{Tracks: func(tracks []media.Track) []media.TrackID {
		if t := media.First(tracks, media.Video); t != nil {
			return []media.TrackID{t.ID}
		}
		return nil
	}})
	defer sub.Close()
	var track media.Track
	var key media.Frame
	for {
		item, ok, err := sub.TryNext()
		if err != nil || !ok {
			break
		}
		if item.Key {
			track, key = item.Tracks[0], item.Frame
		}
	}
	if key.Data == nil {
		return track, key, fault.New(fault.NotFound, "no_video", "The stream has no picture yet.", "")
	}
	return track, key, nil
}

// picture decodes one key frame. The child runs at the lowest priority: it must never disturb a live stream.
func (e *Engine) picture(ctx context.Context, path string, track media.Track, frame media.Frame) ([]byte, error) {
	select {
	case e.snaps <- struct{}{}:
		defer func() { <-e.snaps }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, pictureTimeout)
	defer cancel()
	input, err := cmaf.Init(track)
	if err != nil {
		return nil, err
	}
	frame.DTS, frame.PTS, frame.Duration = 0, 0, int64(track.TimeScale)
	input = cmaf.AppendChunk(slices.Clip(input), &cmaf.Chunk{Frames: []media.Frame{frame}})
	c, err := e.start(ctx, path, 19, "-threads", "1", "-filter_threads", "1", "-f", "mp4", "-i", "pipe:0", "-map", "0:v:0", "-frames:v", "1",
		"-vf", "scale='min(640,iw)':-2", "-pix_fmt", "yuvj420p", "-q:v", "5", "-c:v", "mjpeg", "-f", "image2pipe", "pipe:1")
	if err != nil {
		return nil, err
	}
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		_, _ = c.stdin.Write(input) // a child that reads no further says why in its exit
		_ = c.stdin.Close()
	}()
	jpeg, err := io.ReadAll(io.LimitReader(c.stdout, pictureLimit))
	_, _ = io.Copy(io.Discard, c.stdout)
	<-fed
	if waitErr := c.wait(); err == nil {
		err = waitErr
	}
	if len(jpeg) == 0 || err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "no_picture", "No picture could be made of this stream.", "The log has FFmpeg's messages.")
	}
	return jpeg, nil
}
