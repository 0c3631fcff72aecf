package deliver

import (
	"strconv"
	"strings"
)

// Kind is what an address below a stream names.
type Kind uint8

// The kinds of address.
const (
	Nothing    Kind = iota
	Master          // index.m3u8
	Manifest        // index.mpd
	Playlist        // <rendition>.m3u8
	Init            // init-<run>-<rendition>.mp4
	Segment         // seg-<run>-<rendition>-<N>.m4s
	Part            // part-<run>-<rendition>-<N>-<index>.m4s
	IFrames         // <rendition>.iframes.m3u8
	TSPlaylist      // ts.m3u8
	TSSegment       // seg-<run>-<N>.ts
	Picture         // key-<run>-<rendition>-<N>.m4s
)

// Address is the last path segment of a playback address.
type Address struct {
	Kind      Kind
	Rendition string
	Run       uint64
	N         int64
	Index     int
}

const (
	masterName   = "index.m3u8"
	manifestName = "index.mpd"
	tsName       = "ts.m3u8"
	iframesEnd   = ".iframes.m3u8"
	segmentStart = "seg-"
	partStart    = "part-"
	pictureStart = "key-"
)

// ParseAddress reads the last path segment; Kind is Nothing for any other name. Each
// thing has exactly one spelling, so that caches hold it once.
func ParseAddress(file string) Address {
	switch file {
	case masterName:
		return Address{Kind: Master}
	case manifestName:
		return Address{Kind: Manifest}
	case tsName:
		return Address{Kind: TSPlaylist}
	}
	a := parseAddress(file)
	if a.Kind != Nothing && a.String() != file {
		return Address{}
	}
	return a
}

func parseAddress(file string) Address {
	if name, ok := strings.CutSuffix(file, iframesEnd); ok {
		return Address{Kind: IFrames, Rendition: name}.check()
	}
	if name, ok := strings.CutSuffix(file, ".m3u8"); ok {
		return Address{Kind: Playlist, Rendition: name}.check()
	}
	if rest, ok := strings.CutPrefix(file, "init-"); ok {
		rest, ok = strings.CutSuffix(rest, ".mp4")
		run, name, _ := strings.Cut(rest, "-")
		return Address{Kind: Init, Run: number(run, &ok), Rendition: name}.checked(ok)
	}
	if rest, ok := strings.CutSuffix(file, ".ts"); ok {
		rest, ok = strings.CutPrefix(rest, "seg-")
		run, n, _ := strings.Cut(rest, "-")
		a := Address{Kind: TSSegment, Run: number(run, &ok), N: int64(number(n, &ok))}
		if !ok {
			return Address{}
		}
		return a
	}
	rest, ok := strings.CutSuffix(file, ".m4s")
	if !ok {
		return Address{}
	}
	prefix, rest, _ := strings.Cut(rest, "-")
	a := Address{}
	switch prefix + "-" {
	case segmentStart:
		a.Kind = Segment
	case pictureStart:
		a.Kind = Picture
	case partStart:
		a.Kind = Part
		a.Index = int(number(cutLast(&rest), &ok))
	default:
		return Address{}
	}
	a.N = int64(number(cutLast(&rest), &ok))
	run, name, _ := strings.Cut(rest, "-")
	a.Run, a.Rendition = number(run, &ok), name
	return a.checked(ok)
}

// cutLast takes what follows the last "-" off s.
func cutLast(s *string) string {
	i := strings.LastIndexByte(*s, '-')
	if i < 0 {
		return ""
	}
	last := (*s)[i+1:]
	*s = (*s)[:i]
	return last
}

func number(s string, ok *bool) uint64 {
	n, err := strconv.ParseUint(s, 10, 62)
	if err != nil {
		*ok = false
	}
	return n
}

func (a Address) checked(ok bool) Address {
	if !ok || a.Index < 0 || a.Index > 1<<20 {
		return Address{}
	}
	return a.check()
}

func (a Address) check() Address {
	if a.Rendition == "" || len(a.Rendition) > 64 {
		return Address{}
	}
	for _, c := range []byte(a.Rendition) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return Address{}
		}
	}
	return a
}

// String is the file name of the address.
func (a Address) String() string { return string(a.Append(nil)) }

// Append appends the file name of the address.
func (a Address) Append(dst []byte) []byte {
	switch a.Kind {
	case Master:
		return append(dst, masterName...)
	case Manifest:
		return append(dst, manifestName...)
	case TSPlaylist:
		return append(dst, tsName...)
	case Playlist:
		return append(append(dst, a.Rendition...), ".m3u8"...)
	case IFrames:
		return append(append(dst, a.Rendition...), iframesEnd...)
	case TSSegment:
		dst = strconv.AppendUint(append(dst, "seg-"...), a.Run, 10)
		dst = strconv.AppendInt(append(dst, '-'), a.N, 10)
		return append(dst, ".ts"...)
	case Init:
		dst = strconv.AppendUint(append(dst, "init-"...), a.Run, 10)
		dst = append(append(dst, '-'), a.Rendition...)
		return append(dst, ".mp4"...)
	case Segment, Part, Picture:
		prefix := segmentStart
		switch a.Kind {
		case Part:
			prefix = partStart
		case Picture:
			prefix = pictureStart
		}
		dst = strconv.AppendUint(append(dst, prefix...), a.Run, 10)
		dst = append(append(append(dst, '-'), a.Rendition...), '-')
		dst = strconv.AppendInt(dst, a.N, 10)
		if a.Kind == Part {
			dst = strconv.AppendInt(append(dst, '-'), int64(a.Index), 10)
		}
		return append(dst, ".m4s"...)
	}
	return dst
}
