package thumb

import (
	"strconv"
	"testing"
)

// Each sprite has one name, and no other name is taken for one.
func FuzzStart(f *testing.F) {
	for _, s := range []string{"sprite-1750000200.jpg", "sprite-0.jpg", "sprite-00.jpg", "sprite-.jpg", "sprite--300.jpg", "sprite-300.jpg.jpg"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, file string) {
		at, ok := Start(file)
		if !ok {
			return
		}
		if back := spritePrefix + strconv.FormatInt(at.Unix(), 10) + spriteSuffix; back != file || !IsSprite(file) || at.Unix()%300 != 0 {
			t.Errorf("%q is %v, which is %q", file, at, back)
		}
	})
}
