// Package faketime lets the time of a test go by. What belongs here: the waiting inside a bubble of testing/synctest. What does not: clocks for code
// that ships, and anything that waits in real time.
package faketime

import (
	"testing/synctest"
	"time"
)

// Pass lets d go by in the bubble that it is called in, and then everything happen that is due by then. Outside a bubble it panics before it waits, so no
// test can come to depend on how fast a machine is. One goroutine of a bubble may be in it at a time, as with synctest.Wait.
func Pass(d time.Duration) {
	synctest.Wait()
	<-time.After(d)
	synctest.Wait()
}
