package file

import (
	"bytes"
	"context"
	"errors"
	"io"

	"weir/internal/fault"
	"weir/internal/timeline"
)

const mostInMem = 64 << 20

var errSegment = fault.New(fault.Invalid, "footage_damaged", "A segment of this range cannot be read.", "Run weir check; ask for a range without it.")

// content gives a segment's bytes at random, from its file or, where it is in none, from memory.
func content(ctx context.Context, rd *timeline.Reader) (io.ReaderAt, int64, error) {
	if f := rd.File(); f != nil {
		return io.NewSectionReader(f, rd.Offset(), rd.Size()), rd.Size(), nil
	}
	b, err := collect(ctx, rd)
	return bytes.NewReader(b), int64(len(b)), err
}

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
