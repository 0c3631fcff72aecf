package lint

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// lock is how a segment or init segment is encrypted as a whole.
type lock struct {
	method string // of EXT-X-KEY; "" in the clear
	keyURL string
	iv     string // as written; "" where the media sequence number is it
}

// keyOf fetches a key once. nil: it is not to be had, or no key.
func (l *linter) keyOf(ctx context.Context, s scope, by lock) []byte {
	if by.keyURL == "" || strings.HasPrefix(by.keyURL, "data:") {
		return nil
	}
	l.mu.Lock()
	k, ok := l.keys[by.keyURL]
	l.mu.Unlock()
	if ok {
		return k
	}
	if k = l.bytesOf(ctx, s, "the key", by.keyURL, span{}); k != nil && len(k) != 16 && oneOf(by.method, "AES-128|SAMPLE-AES") {
		s.at(by.keyURL).add("hls.key_size", len(k))
		k = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[by.keyURL] = k
	return k
}

// unlocked decrypts what is in AES-128: CBC with PKCS7 padding (section 5.2 and RFC 5652 section 6.3).
func (by lock) unlocked(body, key []byte, msn int64) (clear []byte, ok bool) {
	if by.method != "AES-128" || len(key) != 16 || len(body) == 0 || len(body)%16 != 0 {
		return nil, false
	}
	iv := make([]byte, 16)
	if by.iv == "" {
		binary.BigEndian.PutUint64(iv[8:], uint64(max(msn, 0))) //nolint:gosec // not negative
	} else if b, err := hex.DecodeString(strings.Repeat("0", max(0, 34-len(by.iv))) + by.iv[min(2, len(by.iv)):]); err != nil || len(b) != 16 {
		return nil, false
	} else {
		copy(iv, b)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	clear = make([]byte, len(body))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(clear, body)
	pad := int(clear[len(clear)-1])
	if pad < 1 || pad > 16 {
		return nil, false
	}
	for _, b := range clear[len(clear)-pad:] {
		if int(b) != pad {
			return nil, false
		}
	}
	return clear[:len(clear)-pad], true
}

// open decrypts a media segment, and says where that gives no media. nil: it stays closed.
func (l *linter) open(ctx context.Context, s scope, g *segment, body []byte) []byte {
	key := l.keyOf(ctx, s, g.lock)
	if key == nil || g.method != "AES-128" || len(body)%16 != 0 || plain(body) != "" {
		return nil
	}
	clear, ok := g.unlocked(body, key, g.msn)
	if !ok {
		s.add("hls.key_wrong", g.msn, "the padding at its end is none")
		return nil
	}
	if m := parseSegment(clear, &initSegment{}); m.kind == "other" {
		s.add("hls.key_wrong", g.msn, "what comes out is no media")
		return nil
	}
	return clear
}

// openInit decrypts an init segment. What can neither be read nor decrypted is taken for empty: more is told of its segments.
func (l *linter) openInit(ctx context.Context, s scope, m *initRef, body []byte) *initSegment {
	if m.method != "AES-128" || len(body) > 8 && looksLikeMP4(body) {
		return parseInit(body)
	}
	if clear, ok := m.unlocked(body, l.keyOf(ctx, s, m.lock), 0); ok {
		return parseInit(clear)
	}
	return &initSegment{}
}
