package rtmpmsg

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// HandshakeSize is the size of C1, C2, S1 and S2; C0 and S0 are one byte.
const HandshakeSize = 1536

const digestSize = sha256.Size

// The keys of the digest handshake are public constants that every Flash
// player and media server carries: a sentence, and 32 bytes which only the
// answer's key adds.
const (
	playerSentence = "Genuine Adobe Flash Player 001"
	serverSentence = "Genuine Adobe Flash Media Server 001"
	keyTail        = "\xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57" +
		"\x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae"
)

// scheme is where the 4 bytes stand whose sum (mod 728) says where the digest
// is: in the second half (scheme 1 in players' counting) or the first (scheme 0).
var schemes = [2]int{772, 8}

func digestOffset(c1 []byte, base int) int {
	sum := int(c1[base]) + int(c1[base+1]) + int(c1[base+2]) + int(c1[base+3])
	return base + 4 + sum%728
}

func digestOf(b []byte, at int, key string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(b[:at])
	h.Write(b[at+digestSize:])
	return h.Sum(nil)
}

// findDigest gives the digest of a C1 or S1 and the base of its scheme, or nil
// when the peer shakes hands the simple way.
func findDigest(b []byte, key string) (digest []byte, base int) {
	for _, base := range schemes {
		at := digestOffset(b, base)
		if got := b[at : at+digestSize]; hmac.Equal(got, digestOf(b, at, key)) {
			return got, base
		}
	}
	return nil, 0
}

// ServerHello answers C0 and C1 with S0, S1 and S2 in one piece: clients exist
// that want them in one read, and none needs its C2 to be waited for. The
// digest handshake is tried in both schemes, then the plain one, whose S2
// echoes C1. random fills S1 and S2; uptime is the server's clock in ms.
func ServerHello(c0c1, random []byte, uptime uint32) ([]byte, error) {
	if len(c0c1) != 1+HandshakeSize || len(random) < 2*HandshakeSize {
		return nil, ErrBadHandshake
	}
	// 3 is RTMP, 6 and 8 its encrypted dialects (answered with 3, as section
	// 5.2.2 asks); from 32 on it is the text of another protocol.
	if c0c1[0] < 3 || c0c1[0] > 31 {
		return nil, ErrBadHandshake
	}
	c1 := c0c1[1:]
	out := make([]byte, 1+2*HandshakeSize)
	out[0] = 3
	s1, s2 := out[1:1+HandshakeSize], out[1+HandshakeSize:]
	copy(s1[8:], random)
	binary.BigEndian.PutUint32(s1, uptime)

	digest, base := []byte(nil), 0
	if !bytes.Equal(c1[4:8], make([]byte, 4)) { // a zero version announces the simple handshake
		digest, base = findDigest(c1, playerSentence)
	}
	if digest == nil {
		copy(s2, c1)
		binary.BigEndian.PutUint32(s2[4:], uptime)
		return out, nil
	}
	copy(s1[4:], []byte{4, 5, 0, 1}) // the version of a server that knows digests
	at := digestOffset(s1, base)
	copy(s1[at:], digestOf(s1, at, serverSentence))

	copy(s2, random[HandshakeSize:])
	signAnswer(s2, digest, serverSentence)
	return out, nil
}

// signAnswer fills the last 32 bytes of a C2 or S2 with the signature over the rest.
func signAnswer(b, peerDigest []byte, sentence string) {
	k := hmac.New(sha256.New, []byte(sentence+keyTail))
	k.Write(peerDigest)
	h := hmac.New(sha256.New, k.Sum(nil))
	h.Write(b[:HandshakeSize-digestSize])
	copy(b[HandshakeSize-digestSize:], h.Sum(nil))
}

// ClientHello makes C0 and C1 of the simple handshake, which every server takes.
func ClientHello(random []byte, uptime uint32) []byte {
	out := make([]byte, 1+HandshakeSize)
	out[0] = 3
	copy(out[9:], random)
	binary.BigEndian.PutUint32(out[1:], uptime)
	return out
}

// ClientAnswer makes C2 from S0 and S1: the echo of S1, section 5.2.4.
func ClientAnswer(s0s1 []byte, uptime uint32) ([]byte, error) {
	if len(s0s1) != 1+HandshakeSize || s0s1[0] != 3 {
		return nil, ErrBadHandshake
	}
	c2 := bytes.Clone(s0s1[1:])
	binary.BigEndian.PutUint32(c2[4:], uptime)
	return c2, nil
}
