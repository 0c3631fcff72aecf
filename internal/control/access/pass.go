package access

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"weir/internal/fault"
)

// A pass lets its bearer play one stream until a time, without a record anywhere: the
// console gives one to who is signed in, to look at streams that are played by key.
const (
	passPrefix = "wp_"
	passStamp  = 8 // bytes: seconds since the Unix epoch
	passLife   = 24 * time.Hour
)

// Pass makes a pass to play a stream, good for at most a day. It goes where a playback
// key goes. It cannot be revoked. Long ones end with an hour, so that addresses with a pass stay the same for a while.
func (a *Access) Pass(name string, life time.Duration) string {
	end := time.Now().Add(min(life, passLife))
	if life > 2*time.Hour {
		end = end.Truncate(time.Hour)
	}
	until := end.Unix()
	stamp := binary.BigEndian.AppendUint64(nil, uint64(until))
	return passPrefix + base32Lower.EncodeToString(stamp) + a.passMAC(name, until)
}

func (a *Access) passMAC(name string, until int64) string {
	return a.vault.Lookup("play pass", fmt.Sprintf("%d %s", until, name))[:40] // 160 bits
}

func (a *Access) checkPass(pass, name, action string) (Grant, error) {
	wrong := fault.New(fault.Unauthorized, "key_wrong", fmt.Sprintf("The pass given for %s is too old or for another stream.", name), "Load the page again.")
	body := strings.TrimPrefix(pass, passPrefix)
	at := base32Lower.EncodedLen(passStamp)
	if action != ActionPlay || len(body) != at+40 {
		return Grant{}, wrong
	}
	stamp, err := base32Lower.DecodeString(body[:at])
	if err != nil || len(stamp) != passStamp {
		return Grant{}, wrong
	}
	until := int64(binary.BigEndian.Uint64(stamp))
	if !equal(body[at:], a.passMAC(name, until)) || time.Now().Unix() > until {
		return Grant{}, wrong
	}
	return Grant{KeyName: "pass"}, nil
}
