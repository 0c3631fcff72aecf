package server

import (
	"bytes"
	"html/template"
	"net/http"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"

	"weir/docs"
	"weir/internal/fault"
	"weir/internal/problem"
)

// docPage frames a page of the documentation. Its style stands in the page, so the policy names the hash of nothing else.
var docPage = template.Must(template.New("doc").Parse(`<!doctype html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} · Weir</title><link rel="stylesheet" href="/docs/style.css"></head>
<body><nav><a href="/console">Weir</a> · <a href="/docs/">{{if eq .Lang "zh"}}文档{{else}}Docs{{end}}</a></nav><main>{{.Body}}</main></body></html>
`))

const docStyle = `:root{color-scheme:light dark;--bg:#F5F7F8;--surface:#FFF;--text:#13212A;--muted:#4C5D67;--border:#C9D2D6;--accent:#0B6B80;--sunken:#E9EEF0}
@media(prefers-color-scheme:dark){:root{--bg:#0E161B;--surface:#162127;--text:#E8EEF1;--muted:#A3B3BC;--border:#2C3B43;--accent:#4CC3D9;--sunken:#0A1014}}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.6 "Inter Variable","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",system-ui,sans-serif}
nav{padding:12px 16px;border-bottom:1px solid var(--border)}main{max-width:760px;margin:0 auto;padding:16px}
a{color:var(--accent)}h1,h2,h3{line-height:1.3}code,pre{font-family:ui-monospace,"JetBrains Mono",monospace;font-size:14px;background:var(--sunken);border-radius:6px}
code{padding:1px 4px}pre{padding:12px;overflow-x:auto}pre code{padding:0}main>table{display:block;overflow-x:auto;border-collapse:collapse}
th,td{border:1px solid var(--border);padding:6px 8px;text-align:left;vertical-align:top}img{max-width:100%}`

// serveDocs shows a page of the documentation: /docs/guide/publish.en. /docs/ lists the guides in the reader's language.
func serveDocs(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(path.Clean("/"+r.PathValue("name")), ".md")[1:]
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'")
	h.Set("Cache-Control", "no-cache")
	switch {
	case name == "style.css":
		h.Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(docStyle)) // a failed write means that the peer has gone
		return
	case strings.HasSuffix(name, ".png"):
		http.ServeFileFS(w, r, docs.Files, name)
		return
	case name == "":
		name = "guide/publish.en"
		if strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "zh") {
			name = "guide/publish.zh"
		}
		http.Redirect(w, r, "/docs/"+name, http.StatusFound)
		return
	}
	text, err := docs.Files.ReadFile(name + ".md")
	if err != nil {
		problem.Write(w, r, fault.New(fault.NotFound, "page_unknown", "There is no such page.", "Begin at /docs/."))
		return
	}
	writeDoc(w, name, text)
}

func writeDoc(w http.ResponseWriter, name string, text []byte) {
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	var body bytes.Buffer
	if err := md.Convert(text, &body); err != nil { // writing to a buffer cannot fail
		panic(err)
	}
	title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
	lang := "en"
	if strings.HasSuffix(name, ".zh") {
		lang = "zh"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// The pages are our own, embedded at build time; goldmark leaves raw HTML out.
	_ = docPage.Execute(w, map[string]any{"Lang": lang, "Title": title, "Body": template.HTML(body.String())}) //nolint:gosec // see above
}
