package webrtc

import (
	"fmt"
	"net/netip"
	"time"
)

// Config says where the gateway listens and how much it bears. Zero values get the defaults.
type Config struct {
	UDP       string       // address of the media port, "[::]:8189"; empty: no UDP
	TCP       string       // the same for those behind firewalls without UDP; empty: no TCP
	Addresses []netip.Addr // public addresses to offer beside the machine's own (NAT, containers)
	TakeOver  bool         // a new publisher with a valid key replaces the one that is there

	Wait        time.Duration // how long a viewer waits for a stream that must be pulled (default 5 s)
	AudioWait   time.Duration // how long a viewer waits for Opus to be made (default 3 s)
	Handshake   time.Duration // how long ICE and DTLS may take (default 15 s)
	Silence     time.Duration // a peer unheard of for so long is gone (default 20 s)
	KeyInterval time.Duration // a WHIP publisher whose last key frame is older is asked for one (default 2 s)
	Sessions    int           // sessions at once (default 4096)
	PerAddress  int           // sessions at once from one address, IPv6 by /64 (default 256)
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Wait, 5*time.Second)
	def(&c.AudioWait, 3*time.Second)
	def(&c.Handshake, 15*time.Second)
	def(&c.Silence, 20*time.Second)
	def(&c.KeyInterval, 2*time.Second)
	if c.Sessions == 0 {
		c.Sessions = 4096
	}
	if c.PerAddress == 0 {
		c.PerAddress = 256
	}
	return c
}

// Validate says what is wrong with the configuration, naming the key.
func (c Config) Validate() error {
	for key, address := range map[string]string{"UDP": c.UDP, "TCP": c.TCP} {
		if address == "" {
			continue
		}
		if _, err := netip.ParseAddrPort(listenAddress(address)); err != nil {
			return fmt.Errorf("webrtc.listen (%s): %w", key, err)
		}
	}
	return nil
}

// listenAddress completes ":8189" to an address that netip understands.
func listenAddress(address string) string {
	if len(address) > 0 && address[0] == ':' {
		return "[::]" + address
	}
	return address
}
