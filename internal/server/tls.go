package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/internal/fault"
)

// tlsConfig gives the certificate of the configuration, read anew when the file changes, or a self-signed one that is made in the data
// folder. Without any TLS listener it does nothing.
func (s *Server) tlsConfig() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if off(s.cfg.HTTP.TLSListen) && off(s.cfg.RTMP.TLSListen) {
		return conf, nil
	}
	c := &certificate{cert: s.cfg.HTTP.Certificate, key: s.cfg.HTTP.Key}
	if c.cert == "" {
		c.cert, c.key = filepath.Join(s.cfg.DataDir, "tls.crt"), filepath.Join(s.cfg.DataDir, "tls.key")
		if err := selfSigned(c.cert, c.key, time.Now()); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "certificate_unmade", "The self-signed certificate cannot be written into the data folder.",
				"Give the folder, with all that is in it, to the user that Weir runs as, or set http.certificate and http.key.")
		}
	}
	if _, err := c.get(nil); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "certificate_bad", "The TLS certificate cannot be read.", "Check http.certificate and http.key in weir.yaml.")
	}
	conf.GetCertificate = c.get
	return conf, nil
}

// certificate follows its file, so that a renewal needs no restart.
type certificate struct {
	cert, key string

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	info, err := os.Stat(c.cert)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || info.ModTime().Equal(c.changed) {
		if c.loaded != nil {
			return c.loaded, nil
		}
	}
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		if c.loaded != nil { // half written: the old one serves on
			return c.loaded, nil
		}
		return nil, err
	}
	c.loaded, c.changed = &pair, info.ModTime()
	return c.loaded, nil
}

// selfSigned makes a certificate for this machine's addresses unless there is one that is good now and for another month.
func selfSigned(certFile, keyFile string, now time.Time) error {
	if good(certFile, keyFile, now) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Weir"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(397 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"},
	}
	if host, err := os.Hostname(); err == nil {
		t.DNSNames = append(t.DNSNames, host)
	}
	for _, a := range localAddresses() {
		t.IPAddresses = append(t.IPAddresses, net.ParseIP(a.Host))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600),
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
	)
}

// good says no also of a pair that a power cut left half, and of one that was made while the clock was wrong.
func good(certFile, keyFile string, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	return err == nil && now.After(pair.Leaf.NotBefore) && now.Add(30*24*time.Hour).Before(pair.Leaf.NotAfter)
}
