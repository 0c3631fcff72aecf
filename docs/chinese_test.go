package docs

import (
	"regexp"
	"strings"
	"testing"
)

var (
	// between Chinese words (or code, which stands for a word) marks are full-width
	halfWidth = regexp.MustCompile(`\p{Han}[,:;?!()]|[,;?!()]\p{Han}|[，。；：（）][,:;?!()]`)
	// what the glossary has another word for
	foreign = []string{"比特率", "串流", "您", "警报", "小编", "发布者", "分段", "推流者", "视频流端"}
	target  = regexp.MustCompile(`\]\([^)\s]*\)`)
	tag     = regexp.MustCompile(`<[^>]+>`)
)

func TestChineseIsWrittenAsChinese(t *testing.T) {
	read := 0
	for page, text := range pages(t) {
		if !strings.Contains(page, ".zh") {
			continue
		}
		read++
		text = spaced.ReplaceAllString(fenced.ReplaceAllString(text, ""), "码")
		text = tag.ReplaceAllString(target.ReplaceAllString(text, "]"), "")
		for line := range strings.Lines(text) {
			if m := halfWidth.FindString(strings.NewReplacer("![", "", "[", "", "]", "", "*", "").Replace(line)); m != "" {
				t.Errorf("%s has the half-width mark of %q: %s", page, m, line)
			}
			for _, word := range foreign {
				if strings.Contains(line, word) {
					t.Errorf("%s has %s, for which the glossary has another word: %s", page, word, line)
				}
			}
		}
	}
	if read < 20 {
		t.Errorf("only %d Chinese pages were read", read)
	}
}

// Code is the same in both languages, but for its comments and what people write in their own words.
func TestBothLanguagesShowTheSameCode(t *testing.T) {
	all := pages(t)
	own := regexp.MustCompile(`(?m)\s+#.*$|--title "[^"]*"|\s+$`)
	blocks := 0
	for page, text := range all {
		other, ok := strings.CutSuffix(page, ".en.md")
		chinese := all[other+".zh.md"]
		if page == "../README.md" {
			ok, chinese = true, all["../README.zh-CN.md"]
		}
		if !ok {
			continue
		}
		a, b := fenced.FindAllString(text, -1), fenced.FindAllString(chinese, -1)
		if len(a) != len(b) {
			t.Errorf("%s has %d blocks of code, in Chinese %d", page, len(a), len(b))
			continue
		}
		for i := range a {
			if strings.HasPrefix(a[i], "```text") {
				continue
			}
			blocks++
			if own.ReplaceAllString(a[i], "") != own.ReplaceAllString(b[i], "") {
				t.Errorf("%s differs in Chinese:\n%s\n%s", page, a[i], b[i])
			}
		}
	}
	if blocks < 40 {
		t.Errorf("only %d blocks of code were compared", blocks)
	}
}
