package lint

import (
	"regexp"
	"slices"
	"strings"
)

var (
	attrName  = regexp.MustCompile(`^[A-Z0-9-]+$`)
	decimal   = regexp.MustCompile(`^\d{1,20}$`)
	floating  = regexp.MustCompile(`^\d+(\.\d*)?$`)
	signed    = regexp.MustCompile(`^-?\d+(\.\d*)?$`)
	hexForm   = regexp.MustCompile(`^0[xX][0-9A-Fa-f]+$`)
	tokenForm = regexp.MustCompile(`^[A-Za-z0-9+/=._-]+$`)
	sizeForm  = regexp.MustCompile(`^\d+x\d+$`)
)

// attributes reads an attribute list (RFC 8216bis section 4.2) and holds it against the tag's form.
func (p *playlist) attributes(t *tag, forms []string) {
	rest := t.value
	for rest != "" {
		name, after, ok := strings.Cut(rest, "=")
		if !ok || !attrName.MatchString(name) {
			p.complain(t.line, "hls.attribute_syntax", t.name, clip(rest))
			break
		}
		a := attr{name: name}
		if strings.HasPrefix(after, `"`) {
			a.quoted = true
			var closed bool
			a.value, rest, closed = strings.Cut(after[1:], `"`)
			if !closed {
				p.complain(t.line, "hls.attribute_syntax", t.name, clip(after))
				break
			}
			if rest != "" && rest[0] != ',' {
				p.complain(t.line, "hls.attribute_syntax", t.name, clip(rest))
				break
			}
			rest = strings.TrimPrefix(rest, ",")
		} else {
			a.value, rest, _ = strings.Cut(after, ",")
		}
		if slices.ContainsFunc(t.attrs, func(b attr) bool { return b.name == name }) {
			p.complain(t.line, "hls.attribute_duplicate", t.name, name)
			continue
		}
		t.attrs = append(t.attrs, a)
	}
	if strings.HasSuffix(t.value, ",") || t.value == "" {
		p.complain(t.line, "hls.attribute_syntax", t.name, clip(t.value))
	}
	p.hold(t, forms)
}

func (p *playlist) hold(t *tag, forms []string) {
	for i := range t.attrs {
		a := &t.attrs[i]
		form, known := formOf(forms, a.name)
		switch {
		case !known && !strings.HasPrefix(a.name, "X-"):
			p.complain(t.line, "hls.attribute_unknown", t.name, a.name)
		case known:
			p.attribute(t, a, form)
		}
		if a.quoted {
			a.value = p.substitute(t.line, a.value)
		}
	}
	for _, f := range forms {
		name, form, _ := strings.Cut(f, " ")
		if strings.HasSuffix(form, "!") && !t.has(name) {
			p.complain(t.line, "hls.attribute_missing", t.name, name)
		}
	}
}

func formOf(forms []string, name string) (string, bool) {
	for _, f := range forms {
		if n, form, _ := strings.Cut(f, " "); n == name {
			return strings.TrimSuffix(form, "!"), true
		}
	}
	return "", false
}

func (p *playlist) attribute(t *tag, a *attr, form string) {
	if form == "any" {
		return
	}
	if (form == "str" || form == "token") != a.quoted {
		p.complain(t.line, "hls.attribute_quoting", t.name, a.name)
		return
	}
	ok := true
	switch form {
	case "str": // section 4.2: not empty, unless the tag allows it
		ok = a.value != "" || t.name == "EXT-X-DEFINE" && a.name == "VALUE" || a.name == "RECENTLY-REMOVED-DATERANGES"
	case "token": // STABLE-VARIANT-ID and its like
		ok = tokenForm.MatchString(a.value)
	case "int":
		ok = decimal.MatchString(a.value)
	case "dec":
		ok = floating.MatchString(a.value)
	case "float":
		ok = signed.MatchString(a.value)
	case "hex":
		ok = hexForm.MatchString(a.value)
	case "res":
		ok = sizeForm.MatchString(a.value)
	default:
		if !oneOf(a.value, form) {
			ok = false
		}
	}
	if !ok {
		p.complain(t.line, "hls.attribute_value", t.name, a.name, clip(a.value))
	}
}
