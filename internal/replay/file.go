package replay

import (
	"bufio"
	"context"
	"errors"
	"io"

	"weir/internal/fault"
	"weir/internal/format/box"
	"weir/internal/format/cmaf"
	"weir/internal/media"
)

const maxBox = 64 << 20

// file is the reel of a fragmented MP4.
type file struct {
	from  io.ReadCloser
	r     *bufio.Reader
	head  *cmaf.Header
	shown bool // its tracks
}

func newFile(open func() (io.ReadCloser, error)) (*file, error) {
	from, err := open()
	if err != nil {
		return nil, err
	}
	f := &file{from: from, r: bufio.NewReaderSize(from, 1<<16)}
	if err := f.header(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *file) close() { _ = f.from.Close() }

func unreadable(why string) error {
	return fault.New(fault.Invalid, "file_unreadable", "The file cannot be played: "+why+".",
		"Make it with ffmpeg -i FILE -c copy -movflags empty_moov+default_base_moof+frag_keyframe OUT.mp4.")
}

// header reads up to the end of the moov box.
func (f *file) header() error {
	var init []byte
	for {
		x, err := f.box()
		switch {
		case errors.Is(err, io.EOF):
			return unreadable("it is no MP4 file")
		case err != nil:
			return err
		case x.Kind == "mdat" || x.Kind == "moof":
			return unreadable("it is no fragmented MP4 file")
		}
		if x.Kind != "ftyp" && x.Kind != "moov" {
			continue
		}
		init = append(init, x.Whole...)
		if x.Kind == "moov" {
			break
		}
	}
	var err error
	f.head, err = cmaf.ParseInit(init)
	return err
}

// box returns the next top-level box. What is cut off is no more: what came before is played.
func (f *file) box() (box.Box, error) {
	x, err := box.Read(f.r, maxBox)
	if errors.Is(err, box.ErrSize) {
		err = unreadable(box.ErrSize.Error())
	}
	return x, err
}

func (f *file) next(context.Context) (p piece, err error) {
	if !f.shown {
		f.shown = true
		p.tracks = f.known()
		if len(p.tracks) == 0 {
			return p, unreadable("it has no picture and no sound that is known here")
		}
		return p, nil
	}
	var moof []byte
	for {
		x, err := f.box()
		if err != nil {
			return p, err
		}
		switch {
		case x.Kind == "moof":
			moof = x.Whole
		case x.Kind == "mdat" && moof != nil:
			if p.frames, err = f.head.Frames(nil, append(moof, x.Whole...)); err != nil {
				return p, err
			}
			inOrder(p.frames, f.head.Tracks)
			return p, nil
		}
	}
}

// known are the tracks of known codecs.
func (f *file) known() (tracks []media.Track) {
	for i := range f.head.Tracks {
		if t := f.head.Tracks[i]; t.Codec != media.UnknownCodec {
			tracks = append(tracks, t)
		}
	}
	return tracks
}
