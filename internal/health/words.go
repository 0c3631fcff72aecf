package health

import (
	"fmt"
	"strconv"

	"weir/internal/media"
)

// finding puts what a rule saw into words.
func (j *Judge) finding(r *rule, l *light) Finding {
	message, remedy, values := words(r.code, l.seen)
	if values == nil {
		values = map[string]any{}
	}
	return Finding{Code: r.code, Severity: l.level.String(), Message: message, Remedy: remedy, Values: values, Since: l.since.UTC()}
}

// number writes a figure with at most one digit after the point.
func number(v float64) string { return strconv.FormatFloat(round(v, 1), 'f', -1, 64) }

// words says what is wrong and why it matters, then what to do, then the figures for other languages.
func words(code string, s sight) (message, remedy string, values map[string]any) {
	switch code {
	case "key_frames_far_apart":
		n := number(s.a)
		return "Key frames every " + n + " s. Viewers wait up to " + n + " s for a picture.",
			"In OBS: Settings → Output → Keyframe Interval: 2 s.", map[string]any{"seconds": round(s.a, 1)}
	case "key_frames_irregular":
		return "Key frames come irregularly, " + number(s.a) + " to " + number(s.b) + " s apart. Segments differ in length, and players start and switch unevenly.",
			"In OBS: Settings → Output → Keyframe Interval: 2 s. With x264 add scenecut=0 to the options.",
			map[string]any{"min_seconds": round(s.a, 1), "max_seconds": round(s.b, 1)}
	case "idr_without_sps":
		return "Key frames come without the decoder's parameters (SPS and PPS). No player can show the picture.",
			"Restart the encoder; with ffmpeg add -bsf:v dump_extra, in a camera switch on repeated headers.", map[string]any{"frames": int(s.a)}
	case "frame_rate_low":
		return "Only " + number(s.a) + " pictures a second arrive. Movement looks jerky.",
			"In OBS: Settings → Video → Common FPS Values: 30. If the encoder is overloaded, choose a smaller output resolution.", map[string]any{"fps": round(s.a, 1)}
	case "bitrate_unsteady":
		return fmt.Sprintf("The bitrate swings between %s and %s Mbit/s. Viewers whose line is narrower than the peaks stall.", number(s.a/1e6), number(s.b/1e6)),
			"In OBS: Settings → Output → Rate Control: CBR.", map[string]any{"low_bps": int(s.a), "high_bps": int(s.b)}
	case "b_frames_for_webrtc":
		return fmt.Sprintf("The video has B-frames, and browsers cannot show them over WebRTC: pictures jump back and forth for %d of the viewers.", int(s.a)),
			"In OBS: Settings → Output → B-frames: 0 (x264: option bframes=0, or Tune: zerolatency).", map[string]any{"viewers": int(s.a)}
	case "av_drift":
		who := "ahead of"
		if s.a < 0 {
			who = "behind"
		}
		ms := number(max(s.a, -s.a))
		return "Audio has moved " + ms + " ms " + who + " the picture since the start. Lips and voice no longer match.",
			"Restart the stream in the encoder; in OBS set Settings → Audio → Sample Rate: 48 kHz and the same rate in the sound device.", map[string]any{"ms": round(s.a, 0)}
	}
	return moreWords(code, s)
}

func moreWords(code string, s sight) (message, remedy string, values map[string]any) {
	switch code {
	case "audio_missing":
		return "No audio arrives. Viewers hear nothing, and some players wait for it.",
			"In OBS: Settings → Audio → Desktop Audio or Mic/Auxiliary Audio: choose a device. With ffmpeg: add an audio input.", nil
	case "audio_silent":
		return "The audio has been silent for " + number(s.a) + " s. Viewers hear nothing.",
			"In OBS: look at the Audio Mixer; unmute the source, or choose its device in Settings → Audio.", map[string]any{"seconds": round(s.a, 0)}
	case "picture_black":
		return "The picture is black. Viewers see nothing.",
			"In OBS: check that the scene shows its sources, and the capture source's Properties → Device.", map[string]any{"luma": round(s.a, 0)}
	case "timestamps_backwards":
		return fmt.Sprintf("Timestamps from the encoder went back or jumped, %d in this spell. They were put right, but each jump can show as a stutter.", int(s.a)),
			"Update the encoder or restart it; with ffmpeg add -fflags +genpts before the input. In OBS: Settings → Output, choose another Video Encoder.", map[string]any{"count": int(s.a)}
	case "uplink_too_slow":
		return "Media arrives " + number(s.a) + " s later than it should, because the line from the encoder is too slow. Viewers stall or lose pictures.",
			"In OBS: Settings → Output → Video Bitrate: choose about two thirds of the upload speed, or use a cable instead of Wi-Fi.", map[string]any{"seconds": round(s.a, 1)}
	case "codec_not_everywhere":
		name := media.Codec(s.a).String()
		return name + " does not play everywhere. Some browsers and devices show nothing or are silent.",
			"In OBS: Settings → Output → Video Encoder: H.264, Audio Encoder: AAC.", map[string]any{"codec": name}
	case "replayed_at_speed":
		return "This is a replay at " + strconv.FormatFloat(s.a, 'f', -1, 64) + " times its speed. It has no sound, and its pictures come at that speed.",
			"For sound, replay it at speed 1.", map[string]any{"speed": s.a}
	case "sample_rate_unusual":
		return "The audio has " + number(s.a/1000) + " kHz. It plays; converting it for WebRTC costs a little quality.",
			"In OBS: Settings → Audio → Sample Rate: 48 kHz.", map[string]any{"hz": int(s.a)}
	}
	return code, "", nil
}

// describe names a track's format for an event.
func describe(t *media.Track) string {
	if t.Kind == media.Video {
		return fmt.Sprintf("%s %d×%d", t.Codec, t.Width, t.Height)
	}
	return fmt.Sprintf("%s %d Hz", t.Codec, t.SampleRate)
}
