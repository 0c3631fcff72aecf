package access

import "sync/atomic"

// Stats counts questions and answers since the start.
type Stats struct {
	KeysAccepted, KeysRefused     int64
	TokensAccepted, TokensRefused int64
	LoginsAccepted, LoginsRefused int64
}

type counts struct{ keys, badKeys, tokens, badTokens, logins, badLogins atomic.Int64 }

func (c *counts) key(err error)   { count(&c.keys, &c.badKeys, err) }
func (c *counts) token(err error) { count(&c.tokens, &c.badTokens, err) }
func (c *counts) login(err error) { count(&c.logins, &c.badLogins, err) }

func count(good, bad *atomic.Int64, err error) {
	if err != nil {
		good = bad
	}
	good.Add(1)
}

// Stats returns the counts.
func (a *Access) Stats() Stats {
	c := &a.counts
	return Stats{
		KeysAccepted: c.keys.Load(), KeysRefused: c.badKeys.Load(), TokensAccepted: c.tokens.Load(), TokensRefused: c.badTokens.Load(),
		LoginsAccepted: c.logins.Load(), LoginsRefused: c.badLogins.Load(),
	}
}
