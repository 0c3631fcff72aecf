package g711

import "testing"

func TestSamples(t *testing.T) {
	for _, c := range []struct{ size, channels, want int }{{160, 1, 160}, {320, 2, 160}, {160, 0, 160}, {0, 1, 0}} {
		if got := Samples(c.size, c.channels); got != c.want {
			t.Errorf("Samples(%d, %d) = %d, want %d", c.size, c.channels, got, c.want)
		}
	}
}
