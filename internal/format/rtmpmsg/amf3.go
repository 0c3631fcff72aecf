package rtmpmsg

// AMF3 markers, "AMF 3" specification section 3.1.
const (
	amf3Undefined = 0x00
	amf3Null      = 0x01
	amf3False     = 0x02
	amf3True      = 0x03
	amf3Integer   = 0x04
	amf3Double    = 0x05
	amf3String    = 0x06
	amf3XMLDoc    = 0x07
	amf3Date      = 0x08
	amf3Array     = 0x09
	amf3Object    = 0x0A
	amf3XML       = 0x0B
	amf3ByteArray = 0x0C
)

// traits is a class as AMF3 sends it once.
type traits struct {
	names   []string
	dynamic bool
}

// amf3Tables hold what later values may refer to. Strings and traits may be
// referred to; objects, arrays and dates may not, because those make cycles and
// bombs, and no publisher sends them.
type amf3Tables struct {
	strings []string
	traits  []traits
}

// value3 reads one AMF3 value. Lists become []any, objects and named lists Object.
func (d *decoder) value3() (any, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer func() { d.depth-- }()
	m, err := d.take(1)
	if err != nil {
		return nil, err
	}
	switch m[0] {
	case amf3Undefined, amf3Null:
		return nil, nil
	case amf3False:
		return false, nil
	case amf3True:
		return true, nil
	case amf3Integer:
		v, err := d.u29()
		return float64(int32(v<<3) >> 3), err // 29 bits, signed
	case amf3Double:
		return d.double()
	case amf3String:
		return d.string3()
	case amf3XMLDoc, amf3XML, amf3ByteArray:
		n, err := d.inline()
		if err != nil {
			return nil, err
		}
		b, err := d.take(n)
		return string(b), err
	case amf3Date:
		if _, err := d.inline(); err != nil {
			return nil, err
		}
		v, err := d.double()
		return Date(v), err
	case amf3Array:
		return d.array3()
	case amf3Object:
		return d.object3()
	}
	return nil, ErrAMFMarker
}

// u29 reads section 1.3.1's variable length integer.
func (d *decoder) u29() (uint32, error) {
	var v uint32
	for i := range 4 {
		b, err := d.take(1)
		if err != nil {
			return 0, err
		}
		if i == 3 {
			return v<<8 | uint32(b[0]), nil
		}
		v = v<<7 | uint32(b[0]&0x7F)
		if b[0] < 0x80 {
			break
		}
	}
	return v, nil
}

// inline reads a length whose lowest bit says that the value follows; a
// reference instead is refused.
func (d *decoder) inline() (int, error) {
	v, err := d.u29()
	if err == nil && v&1 == 0 {
		err = ErrAMFMarker
	}
	return int(v >> 1), err
}

func (d *decoder) string3() (string, error) {
	v, err := d.u29()
	if err != nil {
		return "", err
	}
	if v&1 == 0 {
		if i := int(v >> 1); i < len(d.amf3.strings) {
			return d.amf3.strings[i], nil
		}
		return "", ErrAMFMarker
	}
	b, err := d.take(int(v >> 1))
	if err != nil || len(b) == 0 { // the empty string is never sent by reference
		return "", err
	}
	s := string(b)
	d.amf3.strings = append(d.amf3.strings, s)
	return s, nil
}

// array3 reads section 3.11: named members up to an empty name, then a list.
func (d *decoder) array3() (any, error) {
	n, err := d.inline()
	if err != nil {
		return nil, err
	}
	if n > amfItems {
		return nil, ErrAMFTooMany
	}
	named, err := d.dynamic3(Object{})
	if err != nil {
		return named, err
	}
	list := []any{}
	for range n {
		v, err := d.value3()
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
	if len(named) > 0 {
		return named, nil
	}
	return list, nil
}

// object3 reads section 3.12.
func (d *decoder) object3() (any, error) {
	v, err := d.u29()
	if err != nil {
		return nil, err
	}
	t, err := d.traits3(v)
	if err != nil {
		return nil, err
	}
	o := Object{}
	for _, name := range t.names {
		v, err := d.value3()
		if err != nil {
			return o, err
		}
		o = append(o, Pair{name, v})
	}
	if !t.dynamic {
		return o, nil
	}
	return d.dynamic3(o)
}

func (d *decoder) traits3(v uint32) (traits, error) {
	switch {
	case v&1 == 0: // a reference to an object
		return traits{}, ErrAMFMarker
	case v&2 == 0:
		if i := int(v >> 2); i < len(d.amf3.traits) {
			return d.amf3.traits[i], nil
		}
		return traits{}, ErrAMFMarker
	case v&4 != 0: // externalizable: only its class knows its form
		return traits{}, ErrAMFMarker
	}
	if _, err := d.string3(); err != nil { // the class name
		return traits{}, err
	}
	t := traits{dynamic: v&8 != 0}
	n := int(v >> 4)
	if n > amfItems {
		return t, ErrAMFTooMany
	}
	for range n {
		name, err := d.string3()
		if err != nil {
			return t, err
		}
		t.names = append(t.names, name)
	}
	d.amf3.traits = append(d.amf3.traits, t)
	return t, nil
}

func (d *decoder) dynamic3(o Object) (Object, error) {
	for {
		key, err := d.string3()
		if err != nil || key == "" {
			return o, err
		}
		v, err := d.value3()
		if err != nil {
			return o, err
		}
		o = append(o, Pair{key, v})
	}
}
