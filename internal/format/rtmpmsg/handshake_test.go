package rtmpmsg

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func noise(seed byte, n int) []byte {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(out)
	return out
}

// digestHello is a C0 and C1 as Flash players make them, in one of the two schemes.
func digestHello(base int) []byte {
	b := append([]byte{3}, noise(byte(base), HandshakeSize)...)
	copy(b[5:], []byte{9, 0, 124, 2})
	at := digestOffset(b[1:], base)
	copy(b[1+at:], digestOf(b[1:], at, playerSentence))
	return b
}

func TestDigestHandshake(t *testing.T) {
	for _, base := range schemes {
		hello := digestHello(base)
		out, err := ServerHello(hello, noise(1, 2*HandshakeSize), 9)
		if err != nil || len(out) != 1+2*HandshakeSize || out[0] != 3 {
			t.Fatalf("%v, %d bytes", err, len(out))
		}
		s1, s2 := out[1:1+HandshakeSize], out[1+HandshakeSize:]
		digest, at := findDigest(s1, serverSentence)
		if digest == nil || at != base {
			t.Fatalf("S1 has no digest in the client's scheme %d", base)
		}
		// What a player checks: S2 is signed with a key made of its own digest.
		mine, _ := findDigest(hello[1:], playerSentence)
		want := bytes.Clone(s2)
		signAnswer(want, mine, serverSentence)
		if !bytes.Equal(want, s2) {
			t.Error("S2 is not signed for this client")
		}
	}
}

func TestSimpleHandshake(t *testing.T) {
	hello := ClientHello(noise(2, HandshakeSize), 7)
	out, err := ServerHello(hello, noise(3, 2*HandshakeSize), 8)
	if err != nil {
		t.Fatal(err)
	}
	s2 := out[1+HandshakeSize:]
	if !bytes.Equal(s2[:4], hello[1:5]) || !bytes.Equal(s2[8:], hello[9:]) {
		t.Error("S2 does not echo C1")
	}
	c2, err := ClientAnswer(out[:1+HandshakeSize], 10)
	if err != nil || !bytes.Equal(c2[8:], out[9:1+HandshakeSize]) {
		t.Errorf("C2 does not echo S1: %v", err)
	}
	// A version but no digest: a client that only pretends.
	hello[5] = 9
	if out, err = ServerHello(hello, noise(3, 2*HandshakeSize), 8); err != nil || !bytes.Equal(out[1+HandshakeSize+8:], hello[9:]) {
		t.Errorf("a version without digest is not echoed: %v", err)
	}
}

func TestHandshakeRefusals(t *testing.T) {
	ok := ClientHello(noise(2, HandshakeSize), 7)
	random := noise(3, 2*HandshakeSize)
	for _, first := range []byte{0, 2, 'G', 0x16, 255} {
		hello := bytes.Clone(ok)
		hello[0] = first
		if _, err := ServerHello(hello, random, 0); (err == nil) != (first == 0x16) {
			t.Errorf("first byte %#x: %v", first, err)
		}
	}
	if _, err := ServerHello(ok[:100], random, 0); err == nil {
		t.Error("a short C1")
	}
	if _, err := ClientAnswer([]byte{3}, 0); err == nil {
		t.Error("a short S1")
	}
}
