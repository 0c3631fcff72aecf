// Package docs holds the guides and the reference inside the binary, so that they can be read without a network.
package docs

import "embed"

// Files are the Markdown pages and their pictures.
//
//go:embed *.md guide/*.md ref/*.md images/*.png
var Files embed.FS
