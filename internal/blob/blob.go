// Package blob is where immutable objects lie: sealed footage now, whatever else is written
// once later. What belongs here: the few methods that every place offers, and the rule for
// keys. What does not: what the objects hold, and when they go. The places are children:
// blob/file (a folder), blob/mem (tests); blob/blobtest is what each of them has to pass.
package blob

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"time"

	"weir/internal/fault"
)

// Store keeps objects by key. It may be used by many goroutines at once. What Put and Delete
// have done when they return outlives a crash and a power loss, as far as the place can.
//
// A key is 1 to 512 bytes of letters, digits, '.', '_', '-', '%' with two upper-case
// hexadecimal digits, and '/' between its parts, which are at most 255 bytes and neither empty
// nor "." nor have ".." in them. No key is also the folder of another: with "a/b", there is no "a".
type Store interface {
	// Put stores size bytes of r: all of them or, with an error, nothing. An object that is
	// there already stays, and the error is ErrExists.
	Put(ctx context.Context, key string, r io.Reader, size int64) error
	// Open opens an object for reading; ErrUnknown if there is none.
	Open(ctx context.Context, key string) (Object, error)
	// Delete removes an object. One that is not there is no error.
	Delete(ctx context.Context, key string) error
	// List visits the objects whose keys begin with prefix, by key in ascending order of bytes,
	// until visit returns an error, which it returns. Objects that come or go meanwhile may be missed.
	List(ctx context.Context, prefix string, visit func(Info) error) error
	// Stat describes an object; ErrUnknown if there is none.
	Stat(ctx context.Context, key string) (Info, error)
}

// Object is an open object. One that lies in a local file may also have the method
// File() *os.File: a descriptor of its own, valid until Close, so that sendfile may move its offset.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Adopter is a Store that can take over a local file without copying it.
type Adopter interface {
	// Adopt makes the file at path the object key; the file is gone from path then. With an
	// error it is still there, unless the error is of the last sync.
	Adopt(ctx context.Context, key, path string) error
}

// Info describes an object.
type Info struct {
	Key      string
	Size     int64
	Modified time.Time
}

// Faults of all stores.
var (
	ErrUnknown = fault.New(fault.NotFound, "object_unknown", "There is no such object in the store.", "")
	ErrExists  = fault.New(fault.Conflict, "object_exists", "An object of this key is in the store already.", "")
	ErrFolder  = fault.New(fault.Conflict, "object_folder", "The key is the folder of another object, or another object is its folder.", "")
	ErrSize    = fault.New(fault.Invalid, "object_size", "The object is not as long as was said.", "")
)

const (
	maxKey  = 512
	maxPart = 255 // what file systems allow for a name

	maxEscaped = 120 // so that four parts and more fit a key
	hashed     = 3 + 32
)

// CheckKey says whether a key is legal, with an error that names what is wrong.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > maxKey {
		return badKey(key, "it needs 1 to 512 bytes")
	}
	for part := range strings.SplitSeq(key, "/") {
		if why := checkPart(part); why != "" {
			return badKey(key, why)
		}
	}
	return nil
}

func checkPart(part string) string {
	switch {
	case part == "" || part == "." || strings.Contains(part, ".."):
		return "a part of it is empty, '.' or has '..' in it"
	case len(part) > maxPart:
		return "a part of it is longer than 255 bytes"
	}
	for i := 0; i < len(part); i++ {
		switch c := part[i]; {
		case plain(c):
		case c == '%' && i+2 < len(part) && hexDigit(part[i+1]) && hexDigit(part[i+2]):
			i += 2
		default:
			return "it has characters that have to be escaped"
		}
	}
	return ""
}

func badKey(key, why string) error {
	return fault.New(fault.Invalid, "object_key", fmt.Sprintf("The object key %.80q cannot be used: %s.", key, why), "")
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

func hexDigit(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

// Escape makes one part of a key out of any text, different texts giving different parts. A
// slash is escaped too. What would get too long is cut, and told apart by its hash: behind
// an escaped NUL, which no other name has.
func Escape(s string) string {
	var b strings.Builder
	cut := 0
	for i := range len(s) {
		c := s[i]
		// A dot at the beginning would hide a file, and two are the way out of a folder.
		if plain(c) && (c != '.' || i > 0 && s[i-1] != '.') {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
		if b.Len() <= maxEscaped-hashed {
			cut = b.Len()
		}
	}
	if b.Len() <= maxEscaped {
		return b.String()
	}
	sum := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%s%%00%X", b.String()[:cut], sum[:16])
}
