package api

import (
	"encoding/base64"
	"slices"
	"strings"

	"weir/internal/fault"
)

// Page is one page of a list.
type Page[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Give it as cursor to get what follows; absent on the last page"`
}

// PageInput is what every list takes.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Most items in the answer"`
	Cursor string `query:"cursor" maxLength:"400" doc:"next_cursor of the page before"`
}

type pageOutput[T any] struct{ Body Page[T] }

// after opens the cursor: the place in the list behind which the page starts. It is
// opaque, so that a list's order may change.
func (p PageInput) after() (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return "", fault.New(fault.Invalid, "cursor_invalid", "The cursor is not one that this server gave.", "Start again without a cursor.")
	}
	return string(raw), nil
}

// paged makes a page of up to limit+1 items of a list in the order of their places.
func paged[T any](items []T, limit int, place func(T) string) *pageOutput[T] {
	page := Page[T]{Items: items}
	if len(items) > limit {
		page.Items = items[:limit]
		page.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(place(page.Items[limit-1])))
	}
	if page.Items == nil {
		page.Items = []T{}
	}
	return &pageOutput[T]{Body: page}
}

// pageOf cuts a page out of a whole list, which it sorts by place.
func pageOf[T any](all []T, in PageInput, place func(T) string) (*pageOutput[T], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(x, y T) int { return strings.Compare(place(x), place(y)) })
	from := 0
	if after != "" {
		for from < len(all) && place(all[from]) <= after {
			from++
		}
	}
	rest := all[from:]
	return paged(rest[:min(len(rest), in.Limit+1)], in.Limit, place), nil
}
