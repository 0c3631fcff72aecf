package lint

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"
)

// sealed is a fragmented file in Common Encryption: its init segment and its fragments.
func sealed(t *testing.T) (init, seg []byte) {
	t.Helper()
	s := ffmpeg(t, "sealed", "-an -encryption_scheme cenc-aes-ctr -encryption_key 00112233445566778899aabbccddeeff -encryption_kid 0123456789abcdef0123456789abcdef "+
		"-movflags frag_keyframe+empty_moov+default_base_moof -f mp4 sealed.mp4")["/sealed.mp4"]
	list, _ := boxes(s, 0)
	i := slices.IndexFunc(list, func(b box) bool { return b.kind == "moof" })
	from, to := list[i].from, list[i+1].from+list[i+1].size
	return s[:from], withSecrets(t, s[:from], s[from:to])
}

// withSecrets adds what FFmpeg leaves out of fragments: senc, saiz and saio, with one subsample for each sample.
func withSecrets(t *testing.T, head, seg []byte) []byte {
	t.Helper()
	list, _ := boxes(seg, 0)
	f := &fragments{media: &media{}, init: parseInit(head), data: seg}
	f.pair(list[0], list[1])
	var entries []byte
	for i, size := range f.sizes {
		entries = binary.BigEndian.AppendUint64(entries, uint64(i)) //nolint:gosec // a test's counter
		entries = append(entries, 0, 1, 0, 5)
		entries = binary.BigEndian.AppendUint32(entries, size-5)
	}
	n := uint32(len(f.sizes)) //nolint:gosec // a few samples
	end := list[0].size       // traf is the last box of moof
	made := func(kind string, fields ...[]byte) []byte {
		b := slices.Concat(append([][]byte{{0, 0, 0, 0}, []byte(kind)}, fields...)...)
		binary.BigEndian.PutUint32(b, uint32(len(b))) //nolint:gosec // a small box
		return b
	}
	word := func(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
	more := slices.Concat(made("senc", word(2), word(n), entries), made("saiz", word(0), []byte{16}, word(n)), made("saio", word(0), word(1), word(uint32(end+16)))) //nolint:gosec // as above
	out := slices.Concat(seg[:end], more, seg[end:])
	for _, kind := range []string{"moof", "traf"} {
		add32(out, findBox(t, out, kind, 0), int32(len(more))) //nolint:gosec // as above
	}
	add32(out, findBox(t, out, "trun", 0)+16, int32(len(more))) //nolint:gosec // as above
	return out
}

func TestEncryptedInitFaults(t *testing.T) {
	init, _ := sealed(t)
	if got := rules(parseInit(init).problems); len(got) > 0 {
		t.Fatalf("the good init segment has %v", got)
	}
	pssh := func(size byte) []byte {
		return append([]byte("\x00\x00\x00\x22pssh\x00\x00\x00\x00"+strings.Repeat("\x11", 16)), 0, 0, 0, size, 1, 2)
	}
	with := func(size byte) func([]byte) []byte {
		return func(b []byte) []byte {
			add32(b, findBox(t, b, "moov", 0), 34)
			return append(b, pssh(size)...)
		}
	}
	if got := rules(parseInit(with(2)(slices.Clone(init))).problems); len(got) > 0 {
		t.Fatalf("a good pssh has %v", got)
	}
	for _, p := range []patch{
		{"mp4.protection_incomplete", rename(t, "tenc", "free"), nil},
		{"mp4.protection_incomplete", rename(t, "schm", "free"), nil},
		{"mp4.iv_size", func(b []byte) []byte { b[findBox(t, b, "tenc", 0)+15] = 5; return b }, nil},
		{"mp4.iv_size", func(b []byte) []byte { copy(b[findBox(t, b, "schm", 0)+12:], "cbcs"); return b }, nil},
		{"mp4.pssh_wrong", with(9), nil},
		{"mp4.config_missing", rename(t, "avcC", "free"), nil},
		{"mp4.track_size", func(b []byte) []byte {
			at := findBox(t, b, "tkhd", 0)
			add32(b, at+8+76, 64<<16)
			add32(b, at+8+80, 64<<16)
			return b
		}, nil},
		{"mp4.init_order", func(b []byte) []byte { return append(b, b[findBox(t, b, "moov", 0):]...) }, nil},
	} {
		t.Run(p.rule, func(t *testing.T) {
			exactly(t, rules(parseInit(p.do(slices.Clone(init))).problems), nil, p.rule, p.also...)
		})
	}
}

func TestEncryptedFragmentFaults(t *testing.T) {
	head, seg := sealed(t)
	init := parseInit(head)
	if got := rules(parseFragments(seg, init).problems); len(got) > 0 {
		t.Fatalf("the good fragment has %v", got)
	}
	for _, p := range []patch{
		{"mp4.senc_missing", rename(t, "senc", "free"), nil},
		{"mp4.senc_wrong", func(b []byte) []byte { add32(b, findBox(t, b, "senc", 0)+12, 1); return b }, nil},
		{"mp4.senc_wrong", func(b []byte) []byte { b[findBox(t, b, "senc", 0)+16+8+2+1]++; return b }, nil},
		{"mp4.senc_wrong", func(b []byte) []byte { add32(b, findBox(t, b, "saiz", 0)+13, 1); return b }, nil},
		{"mp4.saio_wrong", func(b []byte) []byte { add32(b, findBox(t, b, "saio", 0)+16, 7); return b }, nil},
	} {
		t.Run(p.rule, func(t *testing.T) {
			exactly(t, rules(parseFragments(p.do(slices.Clone(seg)), init).problems), nil, p.rule, p.also...)
		})
	}
	// what is told to be in the clear needs none of it
	grouped := rename(t, "saiz", "sbgp")(rename(t, "senc", "free")(slices.Clone(seg)))
	copy(grouped[findBox(t, grouped, "sbgp", 0)+12:], "seig")
	if got := rules(parseFragments(grouped, init).problems); len(got) > 0 {
		t.Errorf("a clear fragment has %v", got)
	}
}

func TestHandlerFaults(t *testing.T) {
	init := hlsFMP4(t)["/init.mp4"]
	for _, p := range []patch{
		{"mp4.handler", rename(t, "vide", "soun"), nil},
		{"mp4.config_missing", rename(t, "esds", "free"), nil},
	} {
		exactly(t, rules(parseInit(p.do(slices.Clone(init))).problems), nil, p.rule, "mp4.entry_wrong", "mp4.box_missing")
	}
}

func TestKeysOfPlaylists(t *testing.T) {
	head, seg := sealed(t)
	init := parseInit(head)
	clear := parseInit(hlsFMP4(t)["/init.mp4"])
	check := func(method string, init *initSegment) []string {
		d := &loaded{media: *parseFragments(seg, init), init: init}
		return found(t, func(s scope) { keyed(s, &segment{lock: lock{method: method}}, d) })
	}
	if got := append(check("SAMPLE-AES-CTR", init), check("", clear)...); len(got) > 0 {
		t.Fatalf("the good ones have %v", got)
	}
	exactly(t, check("", init), nil, "hls.key_missing")
	exactly(t, check("SAMPLE-AES", init), nil, "hls.key_scheme")
	exactly(t, check("SAMPLE-AES", clear), nil, "hls.key_plain")
}

func TestProtectionInManifests(t *testing.T) {
	head, _ := sealed(t)
	video := parseInit(head).tracks[0]
	const uuid = "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
	pssh := []byte("\x00\x00\x00\x22pssh\x00\x00\x00\x00\xed\xef\x8b\xa9\x79\xd6\x4a\xce\xa3\xc8\x27\xdc\xd5\x1d\x21\xed\x00\x00\x00\x02\x01\x02")
	text := func(generic, system, box string) string {
		return edit(t, goodStatic, `<MPD xmlns`, `<MPD xmlns:cenc="urn:mpeg:cenc:2013" xmlns`, `startWithSAP="1" maxWidth="640">`,
			`startWithSAP="1" maxWidth="640">`+generic+`<ContentProtection schemeIdUri="`+system+`"><cenc:pssh>`+box+`</cenc:pssh></ContentProtection>`)
	}
	generic := func(value, kid string) string {
		return `<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="` + value + `" cenc:default_KID="` + kid + `"/>`
	}
	const kid = "01234567-89ab-cdef-0123-456789abcdef"
	good := base64.StdEncoding.EncodeToString(pssh)
	check := func(text string) []string {
		return found(t, func(s scope) {
			m := manifestOf(t, text)
			checkManifest(s, m)
			checkProtection(s, m.reps[0], video)
		})
	}
	if got := check(text(generic("cenc", kid), uuid, good)); len(got) > 0 {
		t.Fatalf("the good manifest has %v", got)
	}
	short := slices.Clone(pssh)
	binary.BigEndian.PutUint32(short[28:], 9)
	for _, p := range []struct{ rule, text string }{
		{"dash.scheme_wrong", text(generic("cbcs", kid), uuid, good)},
		{"dash.kid_form", text(generic("cenc", "0123"), uuid, good)},
		{"dash.protection_generic", text("", uuid, good)},
		{"dash.pssh_wrong", text(generic("cenc", kid), uuid, "!"+good)},
		{"dash.pssh_wrong", text(generic("cenc", kid), uuid, base64.StdEncoding.EncodeToString(short))},
		{"dash.pssh_wrong", text(generic("cenc", kid), uuid, base64.StdEncoding.EncodeToString(pssh[:20]))},
		{"dash.pssh_wrong", text(generic("cenc", kid), "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95", good)},
	} {
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(p.text), nil, p.rule, "dash.kid_wrong") })
	}
}

func TestCaptionFaults(t *testing.T) {
	const good = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:90000\n\n1\n00:01.000 --> 00:02.500 line:0\nhello\n\n00:00:03.000 --> 00:00:04.000\nworld\n"
	check := func(text string) []string { return rules(parseSegment([]byte(text), nil).problems) }
	if got := check(good); len(got) > 0 {
		t.Fatalf("good subtitles have %v", got)
	}
	for _, p := range []struct{ rule, old, new string }{
		{"vtt.encoding", "hello", "hell\xff"},
		{"vtt.cue", "00:02.500", "00:02,500"},
		{"vtt.cue", "00:02.500", "00:00.500"},
		{"vtt.cue", "WEBVTT", "WEBVTT1"},
		{"vtt.order", "00:01.000 --> 00:02.500", "00:03.500 --> 00:03.600"},
		{"vtt.map_form", "MPEGTS:90000", "MPEGTS:now"},
		{"hls.vtt_map", "X-TIMESTAMP-MAP", "X-MAP"},
	} {
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(edit(t, good, p.old, p.new)), nil, p.rule) })
	}
	if got := parseVTT([]byte(good)).captions; got.offset != 1 || len(got.cues) != 2 {
		t.Errorf("the subtitles are read as %+v", got)
	}
}

// Subtitles are held against the picture's time line: cues are in the segments of their time, and the list goes to the end.
func TestCaptionsInPlaylists(t *testing.T) {
	s := hlsGroups(t)
	s["/m.m3u8"] = bandwidth.ReplaceAll(s["/m.m3u8"], []byte("BANDWIDTH=900000"))
	s["/m.m3u8"] = []byte(strings.Replace(strings.Replace(string(s["/m.m3u8"]), "#EXT-X-STREAM-INF", "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"English\",LANGUAGE=\"en\",URI=\"t.m3u8\"\n#EXT-X-STREAM-INF", 1),
		",AUDIO=", ",SUBTITLES=\"s\",AUDIO=", 1))
	target := strings.Split(strings.Split(string(s["/v.m3u8"]), "TARGETDURATION:")[1], "\n")[0]
	s["/t.m3u8"] = []byte("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:" + target + "\n#EXT-X-PLAYLIST-TYPE:VOD\n")
	for _, c := range "012345" {
		s["/t.m3u8"] = append(s["/t.m3u8"], "#EXTINF:1.000,\nt"+string(c)+".vtt\n"...)
		s["/t"+string(c)+".vtt"] = []byte("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:00:0" + string(c) + ".100 --> 00:00:0" + string(c) + ".900\nhello\n")
	}
	s["/t.m3u8"] = append(s["/t.m3u8"], "#EXT-X-ENDLIST\n"...)
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	if slices.Contains(base, "vtt.outside") || slices.Contains(base, "hls.subtitles_short") {
		t.Fatalf("the good stream has %v", base)
	}
	last := bytes.Index(s["/t.m3u8"], []byte("#EXTINF:1.000,\nt2"))
	try(t, s, "/m.m3u8", base, []planted{
		{"vtt.outside", on("/t2.vtt", "MPEGTS:0", "MPEGTS:1800000"), nil},
		{"hls.subtitles_short", on("/t.m3u8", string(s["/t.m3u8"][last:]), "#EXT-X-ENDLIST\n"), nil},
		{"hls.renditions_discontinuities", on("/a.m3u8", "\n#EXTINF:1.", "\n#EXT-X-VERSION:7\n#EXTINF:1.", "#EXT-X-ENDLIST", "#EXT-X-DISCONTINUITY\n#EXTINF:0.02,\na-1.m4s\n#EXT-X-ENDLIST"),
			[]string{"hls.tag_twice", "hls.extinf_wrong", "hls.tag_late", "mp4.sequence", "serve.missing"}},
		{"hls.start_outside", on("/m.m3u8", "#EXT-X-MEDIA:", "#EXT-X-START:TIME-OFFSET=100\n#EXT-X-MEDIA:"), nil},
	})
}

func TestLinkFaults(t *testing.T) {
	check := func(text string) []string {
		return found(t, func(s scope) { checkManifest(s, manifestOf(t, text)) })
	}
	event := func(at string) []string {
		return []string{`duration="PT8S">`, `duration="PT8S"><EventStream schemeIdUri="urn:x" timescale="10"><Event presentationTime="` + at + `" id="1"/></EventStream>`}
	}
	if got := check(edit(t, goodStatic, event("79")...)); len(got) > 0 {
		t.Fatalf("an event within its Period has %v", got)
	}
	for _, p := range []plant{
		{"dash.link_unresolved", []string{`id="v0"`, `id="v0" dependencyId="v9"`}, nil},
		{"dash.end_number", []string{`startNumber="1"`, `startNumber="1" endNumber="9"`}, nil},
		{"dash.event_outside", event("81"), nil},
	} {
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(edit(t, goodStatic, p.edits...)), nil, p.rule, p.also...) })
	}
	exactly(t, check(edit(t, goodDynamic, `<Latency `, `<Latency referenceId="77" `)), nil, "dash.link_unresolved")
}

func TestTransportStreamContents(t *testing.T) {
	seg := hlsTS(t)["/v1.ts"]
	fix := func(p []byte) { // the CRC of a section of one packet
		b := p[5 : 5+3+int(p[7])]
		c := uint32(0xffffffff)
		for _, v := range b[:len(b)-4] {
			c ^= uint32(v) << 24
			for range 8 {
				if c&(1<<31) != 0 {
					c = c<<1 ^ 0x04c11db7
				} else {
					c <<= 1
				}
			}
		}
		binary.BigEndian.PutUint32(b[len(b)-4:], c)
	}
	kind := func(old, now byte) func([]byte) []byte {
		return func(b []byte) []byte {
			packets(b, 4096, func(p []byte) bool {
				for _, at := range []int{17, 22} {
					if p[at] == old {
						p[at] = now
					}
				}
				fix(p)
				return true
			})
			return b
		}
	}
	for _, p := range []patch{
		{"ts.type_wrong", kind(0x1b, 0x24), []string{"ts.delimiter_missing"}},
		{"ts.type_wrong", kind(0x0f, 0x1b), nil},
		{"ts.type_wrong", kind(0x1b, 0x0f), nil},
		{"ts.duplicate", func(b []byte) []byte {
			return slices.Concat(b[:188*12], b[188*11:188*12], b[188*11:188*12], b[188*12:])
		}, nil},
		{"ts.parameter_sets", func(b []byte) []byte { return bytes.Replace(b, []byte{0, 0, 1, 0x67}, []byte{0, 0, 1, 0x6c}, 1) }, nil},
	} {
		t.Run(p.rule, func(t *testing.T) {
			exactly(t, rules(parseTS(p.do(slices.Clone(seg))).problems), nil, p.rule, p.also...)
		})
	}
	// a packet may be sent twice
	if got := rules(parseTS(slices.Concat(seg[:188*12], seg[188*11:])).problems); len(got) > 0 {
		t.Errorf("a repeated packet has %v", got)
	}
}

// AES-128 is decrypted, so that what is within counts, and a wrong key shows.
func TestPlantedInAES(t *testing.T) {
	s := maps.Clone(hlsTS(t))
	key := []byte("0123456789abcdef")
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(b []byte, n uint64) []byte {
		pad := 16 - len(b)%16
		b = append(slices.Clone(b), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, binary.BigEndian.AppendUint64(make([]byte, 8), n)).CryptBlocks(b, b)
		return b
	}
	clear := s["/v3.ts"]
	for i := range 6 {
		name := "/v" + string(rune('0'+i)) + ".ts"
		s[name] = seal(s[name], uint64(i)) //nolint:gosec // six segments
	}
	s["/key.bin"] = key
	s["/v.m3u8"] = []byte(edit(t, string(s["/v.m3u8"]), "#EXTINF:1.000000,\nv0", "#EXT-X-KEY:METHOD=AES-128,URI=\"key.bin\"\n#EXTINF:1.000000,\nv0"))
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	if list := musts(base); len(list) > 0 {
		t.Fatalf("the good stream has %v", list)
	}
	try(t, s, "/m.m3u8", base, []planted{
		{"hls.key_wrong", raw("/key.bin", func(b []byte) []byte { return []byte("fedcba9876543210") }), []string{"hls.codecs_extra", "hls.bandwidth_high"}},
		{"hls.key_wrong", on("/v.m3u8", "key.bin\"", "key.bin\",IV=0x47000000000000000000000000000009"), []string{"hls.codecs_extra", "hls.version_low", "hls.bandwidth_high"}},
		{"ts.continuity", raw("/v3.ts", func([]byte) []byte { return seal(slices.Concat(clear[:188*12], clear[188*13:]), 3) }), []string{"ts.pes"}},
	})
}
