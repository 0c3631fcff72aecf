package webrtc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"weir/internal/codec/h264"
	"weir/internal/codec/vp9"
	"weir/internal/fault"
	"weir/internal/media"
)

// offered is what a viewer's session description says.
type offered struct {
	ufrag        string
	fingerprints []string // SHA-256: of any the peer's certificate may be
	bundled      bool     // it has a group
	media        []offeredMedia
}

// offeredMedia is one media section.
type offeredMedia struct {
	kind     string // "video", "audio", …
	mid      string
	protocol string
	formats  []string
	codecs   []offeredCodec
	usable   bool  // it asks to receive and can be bundled
	delay    uint8 // the ID of the header extension for the playout delay; 0: not offered
}

// offeredCodec is one payload type.
type offeredCodec struct {
	payload uint8
	label   string // as offered, "opus/48000/2"
	name    string // the same in upper case
	fmtp    string
}

func errOffer(message string) error {
	return fault.New(fault.Invalid, "offer_malformed", message, "Send the offer as the browser made it.")
}

// readMedia reads an offer. Attributes of the session hold for each section that has none of its own.
func readMedia(text string) (offered, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return offered{}, fault.Wrap(err, fault.Invalid, "offer_malformed", "The SDP offer cannot be read.", "Send the offer as the browser made it.")
	}
	first := func(m *sdp.MediaDescription, key string) string {
		if v, ok := m.Attribute(key); ok {
			return v
		}
		v, _ := d.Attribute(key)
		return v
	}
	var o offered
	bundle, _ := d.Attribute("group")
	o.bundled = strings.HasPrefix(bundle, "BUNDLE")
	for i, m := range d.MediaDescriptions {
		s := offeredMedia{kind: m.MediaName.Media, protocol: strings.Join(m.MediaName.Protos, "/"), formats: m.MediaName.Formats}
		s.mid, _ = m.Attribute("mid")
		s.codecs, s.delay = readCodecs(m), readExtension(m, playoutDelayURI)
		bundled := i == 0 || s.mid != "" && o.bundled && contains(strings.Fields(bundle), s.mid)
		_, muxed := m.Attribute("rtcp-mux")
		s.usable = bundled && muxed && receives(&d, m) && (i == 0 || m.MediaName.Port.Value != 0 || has(m, "bundle-only"))
		o.media = append(o.media, s)
		if !s.usable || o.ufrag != "" {
			continue
		}
		o.ufrag = first(m, "ice-ufrag")
		if o.fingerprints = readFingerprints(m.Attributes); !has(m, "fingerprint") {
			o.fingerprints = readFingerprints(d.Attributes)
		}
		if len(o.fingerprints) == 0 || o.ufrag == "" {
			return offered{}, errOffer("The SDP offer has no ICE user or no SHA-256 fingerprint.")
		}
		o.ufrag = strings.Clone(o.ufrag) // kept for the session, and the offer is not
		if first(m, "setup") == "passive" {
			return offered{}, errOffer("The SDP offer leaves the active part of DTLS to the server.")
		}
	}
	if o.ufrag == "" {
		return offered{}, errOffer("The SDP offer asks to receive nothing.")
	}
	return o, nil
}

// receives tells whether a section asks to receive. Its direction may stand for all in the session, and is both ways where there is
// none (RFC 8866 section 6.7).
func receives(d *sdp.SessionDescription, m *sdp.MediaDescription) bool {
	for _, attributes := range [][]sdp.Attribute{m.Attributes, d.Attributes} {
		for _, a := range attributes {
			if isDirection("a=" + a.Key) {
				return a.Key == "recvonly" || a.Key == "sendrecv"
			}
		}
	}
	return true
}

// readFingerprints lists those of SHA-256, in upper case. There may be several, of more certificates than one or of one by other
// hashes (RFC 8122 section 5).
func readFingerprints(attributes []sdp.Attribute) (prints []string) {
	const most = 8
	for _, a := range attributes {
		hash, value, _ := strings.Cut(a.Value, " ")
		if a.Key == "fingerprint" && strings.EqualFold(hash, "sha-256") && len(prints) < most {
			prints = append(prints, strings.Clone(strings.ToUpper(strings.TrimSpace(value)))) // kept for the session, and the offer is not
		}
	}
	return prints
}

func has(m *sdp.MediaDescription, key string) bool {
	_, ok := m.Attribute(key)
	return ok
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func readCodecs(m *sdp.MediaDescription) (codecs []offeredCodec) {
	names, fmtps := map[string]string{"0": "PCMU/8000", "8": "PCMA/8000"}, map[string]string{}
	for _, a := range m.Attributes {
		payload, value, _ := strings.Cut(a.Value, " ")
		switch a.Key {
		case "rtpmap":
			names[payload] = value
		case "fmtp":
			fmtps[payload] = value
		}
	}
	for _, f := range m.MediaName.Formats {
		if n, err := strconv.ParseUint(f, 10, 7); err == nil && names[f] != "" {
			codecs = append(codecs, offeredCodec{payload: uint8(n), label: names[f], name: strings.ToUpper(names[f]), fmtp: fmtps[f]})
		}
	}
	return codecs
}

// parameter reads one value of an fmtp line.
func parameter(fmtp, name string) string {
	for part := range strings.SplitSeq(fmtp, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(part), "="); strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// fit says how well an offered codec suits a track: 0 not at all, more is better.
func (c *offeredCodec) fit(codec media.Codec, config []byte) int {
	want := map[media.Codec]string{
		media.H264: "H264/90000", media.HEVC: "H265/90000", media.VP8: "VP8/90000", media.VP9: "VP9/90000", media.AV1: "AV1/90000",
		media.Opus: "OPUS/48000/2", media.PCMA: "PCMA/8000", media.PCMU: "PCMU/8000",
	}[codec]
	if want == "" || c.name != want && c.name != want+"/1" {
		return 0
	}
	switch codec {
	case media.H264:
		return c.fitH264(config)
	case media.VP9:
		profile := "0"
		if v, err := vp9.ParseConfig(config); err == nil {
			profile = strconv.Itoa(int(v.Profile))
		}
		if offered := parameter(c.fmtp, "profile-id"); offered != profile && (offered != "" || profile != "0") {
			return 0
		}
	}
	return 1
}

// The profiles that WebRTC knows (RFC 6184 table 5), as decoders stand above one another.
const (
	constrainedBaseline = iota + 1
	baseline
	main
	constrainedHigh
	high
	high444
)

func h264Profile(idc, constraints byte) int {
	switch {
	case idc == 66 && constraints&0x40 != 0, idc == 77 && constraints&0x80 != 0, idc == 88 && constraints&0xc0 == 0xc0:
		return constrainedBaseline
	case idc == 66:
		return baseline
	case idc == 77:
		return main
	case idc == 100 && constraints&0x0c == 0x0c:
		return constrainedHigh
	case idc == 100:
		return high
	case idc == 244:
		return high444
	default:
		return 0
	}
}

// fitH264 compares profiles. The level is left aside: decoders in browsers name one and take more. A profile that was
// not offered is tried all the same where none fits, because those decoders take more than they say there too.
func (c *offeredCodec) fitH264(config []byte) int {
	if parameter(c.fmtp, "packetization-mode") != "1" {
		return 0
	}
	avc, err := h264.ParseConfig(config)
	if err != nil || len(avc.SPS) == 0 || len(avc.SPS[0]) < 4 {
		return 1
	}
	stream := h264Profile(avc.SPS[0][1], avc.SPS[0][2])
	id, err := strconv.ParseUint(parameter(c.fmtp, "profile-level-id"), 16, 24)
	if err != nil {
		id = 0x42e01f // RFC 6184 section 8.1: baseline when it is not said; browsers mean constrained baseline
	}
	offered := h264Profile(byte(id>>16), byte(id>>8))
	switch {
	case stream == 0: // 4:2:2, 10 bit
		return 0
	case offered >= stream:
		return 20 - (offered - stream)
	case stream == high444:
		return 0
	default:
		return 1 + offered
	}
}

// chosen is one section of the answer that carries media.
type chosen struct {
	section int
	codec   offeredCodec
	ssrc    uint32
	delay   uint8 // as in offeredMedia
}

// wants reports whether the offer has a place for media of a kind.
func (o *offered) wants(kind string) bool {
	return slices.ContainsFunc(o.media, func(m offeredMedia) bool { return m.kind == kind && m.usable })
}

// choose finds the section and payload type for a track; ok is false when the offer has none.
func (o *offered) choose(kind string, codec media.Codec, config []byte) (c chosen, ok bool) {
	best := 0
	for i, m := range o.media {
		if m.kind != kind || !m.usable {
			continue
		}
		for _, oc := range m.codecs {
			if fit := oc.fit(codec, config); fit > best {
				best, c = fit, chosen{section: i, codec: oc, delay: m.delay}
			}
		}
		if best > 0 {
			return c, true
		}
	}
	return c, false
}

// answerParts is what the answer says beside the offer's own lines.
type answerParts struct {
	ufrag, pwd, fingerprint string
	candidates              []string
	video, audio            *chosen
}

// cname names the sender; one name for video and audio makes players keep them together.
const cname = "weir"

// answer writes the session description (RFC 9429 section 5.3).
func (o *offered) answer(p answerParts) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0\r\no=- %d 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite", p.session())
	// The first section has the transport that the others share (RFC 9143 section 7.2): without media it stays open and idle,
	// because browsers that bundle everything cannot move to another one.
	tag := slices.IndexFunc(o.media, func(m offeredMedia) bool { return m.usable })
	group := "a=group:BUNDLE"
	for i, m := range o.media {
		if (i == tag || p.at(i) != nil) && m.mid != "" {
			group += " " + m.mid
		}
	}
	if o.bundled {
		line("%s", group)
	}
	line("a=msid-semantic:WMS %s", cname)
	for i, m := range o.media {
		c := p.at(i)
		if c == nil {
			m.idle(line, i == tag)
		} else {
			line("m=%s 9 %s %d\r\nc=IN IP4 0.0.0.0\r\na=sendonly\r\na=msid:%s %s", m.kind, m.protocol, c.codec.payload, cname, m.kind)
			c.describe(line)
		}
		if m.mid != "" {
			line("a=mid:%s", m.mid)
		}
		if c == nil && i != tag {
			continue
		}
		line("a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\na=setup:passive\r\na=rtcp-mux\r\na=rtcp-rsize", p.ufrag, p.pwd, p.fingerprint)
		if i == tag {
			for _, candidate := range p.candidates {
				line("a=%s", candidate)
			}
			line("a=end-of-candidates")
		}
	}
	return b.String()
}

// idle answers a section that carries nothing, and refuses it unless it stays open. Its first payload type stands there for form's sake.
func (m *offeredMedia) idle(line func(string, ...any), open bool) {
	port, format := 0, "0"
	if open {
		port = 9
	}
	if len(m.formats) > 0 {
		format = m.formats[0]
	}
	line("m=%s %d %s %s\r\nc=IN IP4 0.0.0.0\r\na=inactive", m.kind, port, m.protocol, format)
	if len(m.codecs) > 0 && fmt.Sprint(m.codecs[0].payload) == format {
		line("a=rtpmap:%s %s", format, m.codecs[0].label)
	}
}

// describe writes the payload type and the SSRC.
func (c *chosen) describe(line func(string, ...any)) {
	line("a=rtpmap:%d %s", c.codec.payload, c.codec.label)
	fmtp := c.codec.fmtp
	switch {
	case strings.HasPrefix(c.codec.name, "OPUS/"):
		fmtp = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"
	case strings.HasSuffix(c.codec.name, "/90000"):
		line("a=rtcp-fb:%d nack\r\na=rtcp-fb:%d nack pli\r\na=rtcp-fb:%d ccm fir", c.codec.payload, c.codec.payload, c.codec.payload)
	}
	if fmtp != "" {
		line("a=fmtp:%d %s", c.codec.payload, fmtp)
	}
	if c.delay != 0 {
		line("a=extmap:%d %s", c.delay, playoutDelayURI)
	}
	line("a=ssrc:%d cname:%s", c.ssrc, cname)
}

func (p *answerParts) at(section int) *chosen {
	for _, c := range []*chosen{p.video, p.audio} {
		if c != nil && c.section == section {
			return c
		}
	}
	return nil
}

// session numbers the description; it only has to differ.
func (p *answerParts) session() uint32 {
	for _, c := range []*chosen{p.video, p.audio} {
		if c != nil {
			return c.ssrc
		}
	}
	return 1
}
