package rtmp

import (
	"context"
	"strings"

	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/media"
)

// connectInfo is what a client says of itself.
type connectInfo struct {
	app, tcURL, pageURL, swfURL, flashver string

	enhanced   bool            // it declared fourccs
	anyCodec   bool            // "*"
	fourCC     map[string]bool // the ones it can decode
	multitrack bool

	relay bool   // another Weir
	via   string // the servers that what it publishes came through
}

// viaKey is where servers of our kind tell each other of the servers that a stream came through: in connect who publishes it,
// and, to who sent the key in connect, in the status that playing begins with.
const viaKey = "weirVia"

const maxVia = 1024 // bytes: some forty servers

func clipVia(s string) string { return s[:min(len(s), maxVia)] }

// Capabilities of Enhanced RTMP v2 in connect: capsEx flags, and the flags of one fourcc.
const (
	capsMultitrack  = 0x02
	capsModEx       = 0x04
	capsNanoseconds = 0x08
	fourDecode      = 0x01
	fourEncode      = 0x02
	fourForward     = 0x04
)

func parseConnect(c rtmpmsg.Command) connectInfo {
	o := rtmpmsg.AsObject(c.Object)
	i := connectInfo{
		app: o.String("app"), tcURL: o.String("tcUrl"), pageURL: o.String("pageUrl"), swfURL: o.String("swfUrl"),
		flashver: limitText(o.String("flashVer")), fourCC: map[string]bool{},
	}
	if i.flashver == "" {
		i.flashver = limitText(o.String("flashver"))
	}
	if list, ok := o.Get("fourCcList"); ok {
		switch list := list.(type) {
		case []any:
			for _, v := range list {
				if s, ok := v.(string); ok {
					i.declare(s)
				}
			}
		case rtmpmsg.Array: // a list that a clumsy writer numbered
			for _, p := range list {
				if s, ok := p.Value.(string); ok {
					i.declare(s)
				}
			}
		}
	}
	for _, key := range [...]string{"videoFourCcInfoMap", "audioFourCcInfoMap"} {
		v, _ := o.Get(key)
		for _, p := range rtmpmsg.AsObject(v) {
			// A client that can only encode does not read what we send.
			if flags, ok := p.Value.(float64); !ok || int(flags)&(fourDecode|fourForward) != 0 {
				i.declare(p.Key)
			} else {
				i.enhanced = true
			}
		}
	}
	_, i.relay = o.Get(viaKey)
	i.via = clipVia(o.String(viaKey))
	i.multitrack = i.enhanced && int(o.Number("capsEx"))&capsMultitrack != 0
	return i
}

func (i *connectInfo) declare(four string) {
	i.enhanced = true
	if four == "*" {
		i.anyCodec = true
		return
	}
	if len(four) == 4 {
		i.fourCC[four] = true
	}
}

func limitText(s string) string { return s[:min(len(s), 256)] }

// reads reports whether the client declared that it reads the codec in its Enhanced form.
func (i *connectInfo) reads(c media.Codec) bool {
	return i.anyCodec || i.fourCC[flv.FourCC(c)]
}

// dialect is the form in which this client gets media.
func (i *connectInfo) dialect(legacyHEVC bool) flv.Dialect {
	switch {
	case i.multitrack:
		return flv.Multitrack
	case i.enhanced:
		return flv.Enhanced
	case legacyHEVC:
		return flv.LegacyHEVC
	}
	return flv.Legacy
}

// check refuses a codec that an Enhanced client did not declare. The codecs that Flash had need no declaration.
func (i *connectInfo) check(d flv.Dialect, tracks []media.Track) error {
	if d < flv.Enhanced {
		return d.Check(tracks)
	}
	for n := range tracks {
		if c := tracks[n].Codec; !flv.Legacy.Accepts(c) && !i.reads(c) {
			return flv.Legacy.Check(tracks[n : n+1])
		}
	}
	return nil
}

// flash reports a player of the Flash era, which waits for permission to sample.
func (i *connectInfo) flash() bool {
	return i.swfURL != "" || strings.HasPrefix(i.flashver, "WIN ") || strings.HasPrefix(i.flashver, "MAC ")
}

// onConnect answers connect: windows, chunk size, and what this server can do.
func (p *peer) onConnect(ctx context.Context, c rtmpmsg.Command) error {
	if p.begun {
		return fault.New(fault.Invalid, "rtmp_order", "The client connected twice over one connection.", "Restart it.")
	}
	p.connect = parseConnect(c)
	if err := p.server.door.Connect(ctx, p.request("", address{})); err != nil {
		p.rejectConnect(c, err)
		return err
	}
	b := rtmpmsg.AppendControl(nil, rtmpmsg.TypeWindowAckSize, ackWindow)
	b = rtmpmsg.AppendPeerBandwidth(b, ackWindow)
	b = rtmpmsg.AppendControl(b, rtmpmsg.TypeSetChunkSize, laneChunk)
	p.link.chunk = laneChunk
	encoding := rtmpmsg.AsObject(c.Object).Number("objectEncoding")
	info := rtmpmsg.Object{
		{Key: "level", Value: "status"}, {Key: "code", Value: "NetConnection.Connect.Success"},
		{Key: "description", Value: "Connection succeeded."}, {Key: "objectEncoding", Value: encoding},
	}
	properties := rtmpmsg.Object{{Key: "fmsVer", Value: "FMS/3,5,7,7009"}, {Key: "capabilities", Value: 31}, {Key: "mode", Value: 1}}
	if p.connect.enhanced {
		properties = append(properties, capabilities(fourDecode|fourEncode|fourForward)...)
	}
	b = result(c, properties, info).Append(b, rtmpmsg.CSIDCommand, 0, laneChunk)
	p.begun = true
	p.half.progress.Store(2)
	return p.link.send(b)
}

// capabilities declares Enhanced RTMP v1 (the list) and v2 (the maps).
func capabilities(flags int) rtmpmsg.Object {
	var list []any
	video, audio := rtmpmsg.Object{}, rtmpmsg.Object{}
	for c := media.H264; c <= media.FLAC; c++ {
		four := flv.FourCC(c)
		list = append(list, four)
		p := rtmpmsg.Pair{Key: four, Value: flags}
		if c.Kind() == media.Video {
			video = append(video, p)
		} else {
			audio = append(audio, p)
		}
	}
	return rtmpmsg.Object{
		{Key: "capsEx", Value: capsMultitrack | capsModEx | capsNanoseconds},
		{Key: "fourCcList", Value: list}, {Key: "videoFourCcInfoMap", Value: video}, {Key: "audioFourCcInfoMap", Value: audio},
	}
}

func (p *peer) rejectConnect(c rtmpmsg.Command, err error) {
	code := "NetConnection.Connect.Rejected"
	if fault.Of(err).Kind == fault.NotFound {
		code = "NetConnection.Connect.InvalidApp"
	}
	_ = p.link.command(rtmpmsg.Command{Name: "_error", Transaction: c.Transaction, Args: []any{rtmpmsg.Object{
		{Key: "level", Value: "error"}, {Key: "code", Value: code}, {Key: "description", Value: sentence(err)},
	}}}, rtmpmsg.CSIDCommand, 0) // the connection ends anyway
}
