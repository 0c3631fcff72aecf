package file

import (
	"context"
	"errors"
	"io"

	"weir/internal/fault"
	"weir/internal/timeline"
)

const mostInMem = 64 << 20

var errSegment = fault.New(fault.Internal, "footage_damaged", "A segment of this range cannot be read.", "Run weir check; ask for a range without it.")

// errAgain says that damage was found which the snapshot did not tell of: a newer one does.
var errAgain = errors.New("file: the footage is not what it was")

// collect takes a segment that is not in a file: its bytes lie in memory already.
func collect(ctx context.Context, rd *timeline.Reader) ([]byte, error) {
	var all []byte
	for {
		b, err := rd.Next(ctx)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if len(all)+len(b) > mostInMem {
			return nil, errSegment
		}
		all = append(all, b...)
	}
}
