package access

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"weir/internal/fault"
)

// KeyFile is the name of the key file in the data folder.
const KeyFile = "secret.key"

const (
	keyFilePrefix = "weir-secret-1:"
	rootSize      = 32
	sealVersion   = "1."
)

// Vault seals what must be shown again and hashes what must only be recognised, with
// keys drawn from the one key file of the data folder (HKDF-SHA256, RFC 5869).
type Vault struct {
	root []byte
	aead cipher.AEAD
	hash []byte
}

// OpenVault reads the key file in dir, and makes one of mode 0600 when there is none.
// Processes that race to make it all end up with the same one. created tells whether
// this call made it.
func OpenVault(dir string) (v *Vault, created bool, err error) {
	path := filepath.Join(dir, KeyFile)
	text, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, false, fmt.Errorf("access: %w", err)
		}
		if created, err = makeKeyFile(dir, path); err != nil {
			return nil, false, fmt.Errorf("access: make %s: %w", path, err)
		}
		text, err = readKeyFile(path)
	}
	if fault.Code(err) == "secret_key_exposed" {
		return nil, false, err
	}
	if err != nil {
		return nil, false, fault.Wrap(err, fault.Unavailable, "secret_key_unreadable", fmt.Sprintf("The key file %s cannot be read.", path),
			"Give the data folder, with all that is in it, to the user that Weir runs as.")
	}
	root, err := parseKeyFile(text)
	if err != nil {
		return nil, false, fault.New(fault.Internal, "secret_key_broken", fmt.Sprintf("The key file %s is damaged.", path),
			"Restore it from a backup; without it the stored stream keys cannot be read.")
	}
	v, err = newVault(root)
	return v, created, err
}

// readKeyFile takes away the rights that others have on the file before it is used.
func readKeyFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "secret_key_exposed",
				fmt.Sprintf("Others can read the key file %s.", path), "Give it to the server's user and run chmod 600 on it.")
		}
	}
	return os.ReadFile(path)
}

// makeKeyFile writes the whole file under another name and links it, so that nobody
// ever reads half a file and only one of several makers wins.
func makeKeyFile(dir, path string) (created bool, err error) {
	root := make([]byte, rootSize)
	_, _ = rand.Read(root)                         // crypto/rand never fails: it crashes the program instead
	f, err := os.CreateTemp(dir, "."+KeyFile+"-*") // mode 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintf(f, "%s%s\n", keyFilePrefix, base64.StdEncoding.EncodeToString(root))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, err
	}
	err = os.Link(f.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without links: the name is taken first, then replaced by the whole file.
		var taken *os.File
		if taken, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			err = errors.Join(taken.Close(), os.Rename(f.Name(), path))
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

func parseKeyFile(text []byte) ([]byte, error) {
	encoded, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte(keyFilePrefix))
	if !ok {
		return nil, errors.New("no prefix")
	}
	root, err := base64.StdEncoding.DecodeString(string(encoded))
	if err == nil && len(root) != rootSize {
		err = errors.New("wrong size")
	}
	return root, err
}

func newVault(root []byte) (*Vault, error) {
	v := &Vault{root: root}
	sealing, err := v.Derive("seal")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, err
	}
	if v.aead, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	v.hash, err = v.Derive("look-up")
	return v, err
}

// Derive returns a 32-byte key for one purpose, the same as long as the key file lives.
func (v *Vault) Derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, v.root, nil, "weir "+purpose, 32)
}

// Seal encrypts a secret (AES-256-GCM). place says where the result is stored: it
// opens nowhere else, so that rows of the database cannot be swapped.
func (v *Vault) Seal(place, secret string) string {
	nonce := make([]byte, v.aead.NonceSize())
	_, _ = rand.Read(nonce)
	sealed := v.aead.Seal(nonce, nonce, []byte(secret), []byte(place))
	return sealVersion + base64.RawStdEncoding.EncodeToString(sealed)
}

// Open decrypts what Seal made for the same place.
func (v *Vault) Open(place, sealed string) (string, error) {
	encoded, ok := strings.CutPrefix(sealed, sealVersion)
	raw, err := base64.RawStdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) < v.aead.NonceSize() {
		return "", fault.New(fault.Internal, "secret_unreadable", "A stored secret is damaged.", "Rotate the key, or restore the data folder from a backup.")
	}
	nonce, body := raw[:v.aead.NonceSize()], raw[v.aead.NonceSize():]
	plain, err := v.aead.Open(nil, nonce, body, []byte(place))
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "secret_unreadable", "A stored secret does not fit this key file.",
			"Rotate the key, or restore secret.key together with the data folder.")
	}
	return string(plain), nil
}

// Lookup is the keyed hash (HMAC-SHA256) under which a secret of some kind is found.
func (v *Vault) Lookup(kind, secret string) string {
	mac := hmac.New(sha256.New, v.hash)
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write([]byte(secret))
	return hex.EncodeToString(mac.Sum(nil))
}
