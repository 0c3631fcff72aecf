package access

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"weir/internal/fault"
)

// Rate is a token bucket: Burst at once, refilled at PerSecond.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Validate reports a rate that would let nobody through.
func (r Rate) Validate() error {
	if r.PerSecond <= 0 || r.Burst <= 0 {
		return fault.New(fault.Invalid, "rate_invalid", fmt.Sprintf("The rate of %g per second with a burst of %d lets nobody through.", r.PerSecond, r.Burst), "Both must be above 0.")
	}
	return nil
}

// maxBuckets bounds a limiter's memory to about 10 MiB.
const maxBuckets = 1 << 16

type bucketKey struct{ class, who string }

// Limiter counts requests by class and by who makes them: an IPv4 address, an IPv6
// network of 64 bits (which one subscriber has whole), or a name. Its memory is
// bounded: of two generations the older is dropped when the younger is full, so
// that a flood of addresses forgets the idle first.
type Limiter struct {
	classes map[string]Rate

	mu         sync.Mutex
	young, old map[bucketKey]*rate.Limiter
}

// NewLimiter returns a limiter with a rate for each class. Classes it does not know
// are not limited.
func NewLimiter(classes map[string]Rate) (*Limiter, error) {
	for class, r := range classes {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("rate %s: %w", class, err)
		}
	}
	return &Limiter{classes: classes, young: make(map[bucketKey]*rate.Limiter)}, nil
}

// Allow takes one token of the class for an address. When there is none it takes
// nothing and tells after how long there will be.
func (l *Limiter) Allow(addr netip.Addr, class string) (ok bool, retryAfter time.Duration) {
	return l.AllowName(network(addr), class)
}

// AllowName is Allow for who has a name instead of an address.
func (l *Limiter) AllowName(name, class string) (ok bool, retryAfter time.Duration) {
	r, limited := l.classes[class]
	if !limited {
		return true, 0
	}
	now := time.Now()
	reservation := l.bucket(bucketKey{class, name}, r).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait <= 0 {
		return true, 0
	}
	reservation.CancelAt(now)
	return false, wait
}

// Empty reports whether Allow would refuse, and takes nothing.
func (l *Limiter) Empty(addr netip.Addr, class string) (empty bool, retryAfter time.Duration) {
	r, limited := l.classes[class]
	if !limited {
		return false, 0
	}
	tokens := l.bucket(bucketKey{class, network(addr)}, r).Tokens()
	if tokens >= 1 {
		return false, 0
	}
	return true, time.Duration((1 - tokens) / r.PerSecond * float64(time.Second))
}

func (l *Limiter) bucket(key bucketKey, r Rate) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.young[key]
	if b != nil {
		return b
	}
	if b = l.old[key]; b == nil {
		b = rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)
	}
	if len(l.young) >= maxBuckets/2 {
		l.old, l.young = l.young, make(map[bucketKey]*rate.Limiter)
	}
	l.young[key] = b
	return b
}

// Buckets tells how many are in memory.
func (l *Limiter) Buckets() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.young) + len(l.old)
}

// network is what one subscriber has: an IPv4 address, or 64 bits of IPv6.
func network(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
