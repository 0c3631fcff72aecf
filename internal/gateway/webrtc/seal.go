package webrtc

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"

	"weir/internal/format/rtp"
)

// tagSize is the length of the authentication tag of AEAD_AES_128_GCM; the other profile's is shorter.
const tagSize = 16

// profiles are what viewers are offered, the cheap one first.
func profiles() []dtls.SRTPProtectionProfile {
	return []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80}
}

// sealer protects the packets of one viewer: its own AES-GCM (RFC 7714), because it can encrypt a shared packet
// straight into the buffer that is sent; pion's for the older profile and for RTCP.
type sealer struct {
	gcm   cipher.AEAD // nil: old profile
	salt  [12]byte
	nonce [12]byte
	out   *srtp.Context
	in    *srtp.Context
}

// newSealer takes the keys out of a finished DTLS handshake (RFC 5764 section 4.2); we are its server.
func newSealer(conn *dtls.Conn) (*sealer, error) {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, fmt.Errorf("webrtc: no SRTP profile was agreed on")
	}
	kind, saltLen := srtp.ProtectionProfileAes128CmHmacSha1_80, 14
	if profile == dtls.SRTP_AEAD_AES_128_GCM {
		kind, saltLen = srtp.ProtectionProfileAeadAes128Gcm, 12
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, fmt.Errorf("webrtc: the handshake has no state")
	}
	const keyLen = 16
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(keyLen+saltLen))
	if err != nil {
		return nil, err
	}
	clientKey, serverKey := material[:keyLen], material[keyLen:2*keyLen]
	clientSalt, serverSalt := material[2*keyLen:2*keyLen+saltLen], material[2*keyLen+saltLen:]
	s := &sealer{}
	if s.in, err = srtp.CreateContext(clientKey, clientSalt, kind, srtp.SRTCPReplayProtection(64)); err != nil {
		return nil, err
	}
	if s.out, err = srtp.CreateContext(serverKey, serverSalt, kind); err != nil {
		return nil, err
	}
	if kind != srtp.ProtectionProfileAeadAes128Gcm {
		return s, nil
	}
	return s, s.setGCM(serverKey, serverSalt)
}

func (s *sealer) setGCM(key, salt []byte) error {
	block, err := aes.NewCipher(derive(key, salt, 0x00, 16))
	if err != nil {
		return err
	}
	s.gcm, err = cipher.NewGCM(block)
	copy(s.salt[:], derive(key, salt, 0x02, 12))
	return err
}

// derive makes a session key (RFC 3711 section 4.3.3) with a key derivation rate of zero. A salt of 96 bits is
// filled up with zeros (RFC 7714 section 11).
func derive(key, salt []byte, label byte, n int) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is ours
	}
	var iv [16]byte
	copy(iv[:14], salt)
	iv[7] ^= label
	out := make([]byte, n)
	cipher.NewCTR(block, iv[:]).XORKeyStream(out, out)
	return out
}

// seal appends the protected form of a shared packet with a viewer's header, which extension, if there is one, belongs to. A
// packet that is sealed again must have the same one: GCM bears no second text under one nonce.
func (s *sealer) seal(dst, packet []byte, h rtp.Header, extension []byte, rollover uint32) []byte {
	at := len(dst)
	dst = append(dst, packet[:rtp.HeaderSize]...)
	h.Put(dst[at:])
	if len(extension) > 0 {
		dst[at] |= 0x10 // RFC 3550 section 5.1: X
		dst = append(dst, extension...)
	}
	if s.gcm == nil {
		return s.sealOld(dst, at, packet, h)
	}
	// RFC 7714 section 8.1: 0, SSRC, rollover counter, sequence number, XORed with the salt.
	binary.BigEndian.PutUint32(s.nonce[2:], h.SSRC)
	binary.BigEndian.PutUint32(s.nonce[6:], rollover)
	binary.BigEndian.PutUint16(s.nonce[10:], h.Sequence)
	s.nonce[0], s.nonce[1] = 0, 0
	for i := range s.nonce {
		s.nonce[i] ^= s.salt[i]
	}
	return s.gcm.Seal(dst, s.nonce[:], packet[rtp.HeaderSize:], dst[at:])
}

// sealOld is AES_CM_128_HMAC_SHA1_80. pion derives the rollover counter itself, also for packets sent again.
func (s *sealer) sealOld(dst []byte, at int, packet []byte, h rtp.Header) []byte {
	plain := append(dst, packet[rtp.HeaderSize:]...)[at:]
	sealed, err := s.out.EncryptRTP(nil, plain, nil)
	if err != nil {
		return dst[:at]
	}
	return append(dst[:at], sealed...)
}
