package lint

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/ref anew")

// The reference of the rules is written out of the table; go test ./internal/lint -run Reference -update writes it.
func TestReferenceOfTheRules(t *testing.T) {
	clean := strings.NewReplacer("%%", "%", "|", `\|`)
	for lang, head := range map[string]string{"en": "| rule | severity | what is wrong | what to do | clause |\n|---|---|---|---|---|\n", "zh": "| 规则 | 级别 | 问题 | 处理 | 条款 |\n|---|---|---|---|---|\n"} {
		var b strings.Builder
		b.WriteString("\n" + head)
		for _, r := range Rules(map[string]string{"en": "en", "zh": "zh-CN"}[lang]) {
			say := clean.Replace(verbForm.ReplaceAllString(r.Say, "…"))
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.ID, r.Severity, say, clean.Replace(r.Remedy), r.Clause)
		}
		const mark = "<!-- generated below this line -->\n"
		file := "../../docs/ref/lint." + lang + ".md"
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		above, have, ok := strings.Cut(string(text), mark)
		if !ok {
			t.Fatalf("%s lacks %s", file, mark)
		}
		if *update {
			if err := os.WriteFile(file, []byte(above+mark+b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if d := cmp.Diff(b.String(), have); d != "" {
			t.Errorf("%s is not what the table says; go test ./internal/lint -run Reference -update writes it anew:\n%s", file, d)
		}
	}
}
