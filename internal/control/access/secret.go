package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// The forms of secrets: a prefix that tells people and scanners what they found,
// random characters, and four check characters that catch a typing error or a cut
// paste without a look at the database.
const (
	keyPrefix   = "wk_"
	keySize     = 15 // bytes: 24 characters, 120 bits
	tokenPrefix = "weir_pat_"
	tokenSize   = 20 // bytes: 32 characters, 160 bits
	checkSize   = 4  // characters
)

// base32Lower has no padding and only characters that survive URLs and double clicks.
var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func newSecret(prefix string, size int) string {
	raw := make([]byte, size)
	_, _ = rand.Read(raw) // crypto/rand never fails: it crashes the program instead
	body := base32Lower.EncodeToString(raw)
	return prefix + body + check(prefix+body)
}

// wellFormed reports whether secret could have been made by newSecret.
func wellFormed(secret, prefix string, size int) bool {
	if len(secret) != len(prefix)+base32Lower.EncodedLen(size)+checkSize || !strings.HasPrefix(secret, prefix) {
		return false
	}
	at := len(secret) - checkSize
	return check(secret[:at]) == secret[at:]
}

func check(s string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(s)))
	return base32Lower.EncodeToString(sum[:])[:checkSize]
}

// Mask shows enough of a secret to tell it from others, and no more.
func Mask(secret string) string {
	prefix := ""
	for _, p := range []string{keyPrefix, tokenPrefix} {
		if strings.HasPrefix(secret, p) {
			prefix = p
		}
	}
	if len(secret) < len(prefix)+12 {
		return prefix + "••••"
	}
	return prefix + "••••" + secret[len(secret)-2:]
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
