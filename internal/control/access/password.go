package access

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"weir/internal/fault"
)

// Argon2id with 19 MiB and two passes: OWASP's setting for servers that hash while
// they do something else. Stored hashes carry their own setting (PHC string format).
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16

	minPassword = 10  // characters
	maxPassword = 256 // bytes
)

func checkPassword(password string) error {
	if utf8.RuneCountInString(password) < minPassword {
		return fault.New(fault.Invalid, "password_short", fmt.Sprintf("The password has fewer than %d characters.", minPassword), "Take a longer one: a few words are easy to remember.")
	}
	if len(password) > maxPassword {
		return fault.New(fault.Invalid, "password_long", fmt.Sprintf("The password has more than %d bytes.", maxPassword), "Take a shorter one.")
	}
	return nil
}

func (a *Access) hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // crypto/rand never fails: it crashes the program instead
	key, err := a.argon(ctx, password, salt, argonTime, argonMemory, argonThreads)
	if err != nil {
		return "", err
	}
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, encode(salt), encode(key)), nil
}

// verifyPassword takes as long for an unknown user (no hash) as for a known one.
func (a *Access) verifyPassword(ctx context.Context, hash, password string) (bool, error) {
	if hash == "" {
		_, err := a.argon(ctx, password, make([]byte, argonSalt), argonTime, argonMemory, argonThreads)
		return false, err
	}
	var version int
	var memory, passes uint32
	var threads uint8
	fields := strings.Split(hash, "$")
	if len(fields) != 6 || fields[1] != "argon2id" {
		return false, fault.New(fault.Internal, "password_unreadable", "The stored password hash is damaged.", "Run `weir user reset-password`.")
	}
	_, err1 := fmt.Sscanf(fields[2], "v=%d", &version)
	_, err2 := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads)
	salt, err3 := base64.RawStdEncoding.DecodeString(fields[4])
	want, err4 := base64.RawStdEncoding.DecodeString(fields[5])
	broken := err1 != nil || err2 != nil || err3 != nil || err4 != nil
	if broken || version != argon2.Version || memory > 1<<20 || passes == 0 || passes > 64 || threads == 0 || len(want) != argonKey {
		return false, fault.New(fault.Internal, "password_unreadable", "The stored password hash is damaged.", "Run `weir user reset-password`.")
	}
	have, err := a.argon(ctx, password, salt, passes, memory, threads)
	return err == nil && equal(string(have), string(want)), err
}

func (a *Access) argon(ctx context.Context, password string, salt []byte, passes, memory uint32, threads uint8) ([]byte, error) {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return argon2.IDKey([]byte(password), salt, passes, memory, threads, argonKey), nil
}
