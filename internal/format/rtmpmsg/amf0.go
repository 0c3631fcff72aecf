package rtmpmsg

import (
	"encoding/binary"
	"math"
)

// AMF0 markers, "AMF 0" specification section 2.1.
const (
	amf0Number      = 0x00
	amf0Boolean     = 0x01
	amf0String      = 0x02
	amf0Object      = 0x03
	amf0Null        = 0x05
	amf0Undefined   = 0x06
	amf0Reference   = 0x07
	amf0ECMAArray   = 0x08
	amf0ObjectEnd   = 0x09
	amf0StrictArray = 0x0A
	amf0Date        = 0x0B
	amf0LongString  = 0x0C
	amf0Unsupported = 0x0D
	amf0XML         = 0x0F
	amf0TypedObject = 0x10
	amf0AVMPlus     = 0x11 // the next value is AMF3
)

// Limits on what a stranger's AMF may build.
const (
	amfDepth = 32
	amfItems = 1024
	amfBytes = 64 << 10
)

// Pair is one named value of an Object or Array.
type Pair struct {
	Key   string
	Value any
}

// Object is an AMF object in the order of the wire. Values are float64, bool,
// string, nil (null, undefined, unsupported), Object, Array, []any and Date.
type Object []Pair

// Array is an ECMA array: an object that announces how many members it has.
type Array Object

// Date is milliseconds since 1970.
type Date float64

// Get returns the value of the first member with this key.
func (o Object) Get(key string) (any, bool) {
	for _, p := range o {
		if p.Key == key {
			return p.Value, true
		}
	}
	return nil, false
}

// String returns a member that is a string, or "".
func (o Object) String(key string) string {
	v, _ := o.Get(key)
	s, _ := v.(string)
	return s
}

// Number returns a member that is a number, or 0.
func (o Object) Number(key string) float64 {
	v, _ := o.Get(key)
	n, _ := v.(float64)
	return n
}

// AsObject sees a value as an object, whichever of the two forms it came in.
func AsObject(v any) Object {
	switch v := v.(type) {
	case Object:
		return v
	case Array:
		return Object(v)
	}
	return nil
}

// decoder reads AMF0 and, after the avmplus marker, AMF3.
type decoder struct {
	b     []byte
	depth int
	items int
	amf3  amf3Tables
}

// DecodeAMF0 reads values until the end of b. What was read before an error is
// returned with it: senders append broken values to good ones.
func DecodeAMF0(b []byte) ([]any, error) {
	if len(b) > amfBytes {
		return nil, ErrAMFTooLarge
	}
	d := decoder{b: b}
	var out []any
	for len(d.b) > 0 {
		v, err := d.value0()
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *decoder) take(n int) ([]byte, error) {
	if n < 0 || n > len(d.b) {
		return nil, ErrAMFTruncated
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b, nil
}

// enter counts one value; leave must follow when it gave no error.
func (d *decoder) enter() error {
	d.depth++
	d.items++
	if d.depth > amfDepth {
		return ErrAMFTooDeep
	}
	if d.items > amfItems {
		return ErrAMFTooMany
	}
	return nil
}

func (d *decoder) value0() (any, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer func() { d.depth-- }()
	m, err := d.take(1)
	if err != nil {
		return nil, err
	}
	switch m[0] {
	case amf0Number:
		return d.double()
	case amf0Boolean:
		b, err := d.take(1)
		return err == nil && b[0] != 0, err
	case amf0String:
		return d.string16()
	case amf0LongString, amf0XML:
		return d.string32()
	case amf0Null, amf0Undefined, amf0Unsupported:
		return nil, nil
	case amf0Object:
		return d.members()
	case amf0TypedObject:
		if _, err := d.string16(); err != nil {
			return nil, err
		}
		return d.members()
	case amf0ECMAArray:
		if _, err := d.take(4); err != nil { // the count, which many writers get wrong
			return nil, err
		}
		o, err := d.members()
		return Array(o), err
	case amf0StrictArray:
		return d.strictArray()
	case amf0Date:
		v, err := d.double()
		if err == nil {
			_, err = d.take(2) // the time zone, always 0
		}
		return Date(v), err
	case amf0AVMPlus:
		return d.value3()
	}
	return nil, ErrAMFMarker // references (0x07) among them: they make cycles and bombs
}

func (d *decoder) double() (float64, error) {
	b, err := d.take(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

func (d *decoder) string16() (string, error) {
	b, err := d.take(2)
	if err != nil {
		return "", err
	}
	b, err = d.take(int(binary.BigEndian.Uint16(b)))
	return string(b), err
}

func (d *decoder) string32() (string, error) {
	b, err := d.take(4)
	if err != nil {
		return "", err
	}
	n := binary.BigEndian.Uint32(b)
	if n > amfBytes {
		return "", ErrAMFTooLarge
	}
	b, err = d.take(int(n))
	return string(b), err
}

// members reads name and value pairs up to the end marker, or to the end of the
// bytes: writers exist that leave the marker out.
func (d *decoder) members() (Object, error) {
	o := Object{}
	for {
		if len(d.b) == 0 {
			return o, nil
		}
		key, err := d.string16()
		if err != nil {
			return o, err
		}
		if key == "" && len(d.b) > 0 && d.b[0] == amf0ObjectEnd {
			d.b = d.b[1:]
			return o, nil
		}
		v, err := d.value0()
		if err != nil {
			return o, err
		}
		o = append(o, Pair{key, v})
	}
}

func (d *decoder) strictArray() ([]any, error) {
	b, err := d.take(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(b)
	if n > amfItems {
		return nil, ErrAMFTooMany
	}
	out := []any{}
	for range n {
		v, err := d.value0()
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// AppendAMF0 appends values in AMF0. It takes the types Object names, and int;
// anything else becomes null.
func AppendAMF0(dst []byte, values ...any) []byte {
	for _, v := range values {
		dst = appendValue0(dst, v)
	}
	return dst
}

func appendValue0(dst []byte, v any) []byte {
	switch v := v.(type) {
	case float64:
		return appendDouble(append(dst, amf0Number), v)
	case int:
		return appendDouble(append(dst, amf0Number), float64(v))
	case bool:
		b := byte(0)
		if v {
			b = 1
		}
		return append(dst, amf0Boolean, b)
	case string:
		if len(v) > math.MaxUint16 {
			dst = binary.BigEndian.AppendUint32(append(dst, amf0LongString), uint32(len(v)))
			return append(dst, v...)
		}
		return appendKey(append(dst, amf0String), v)
	case Object:
		return appendMembers(append(dst, amf0Object), v)
	case Array:
		dst = binary.BigEndian.AppendUint32(append(dst, amf0ECMAArray), uint32(len(v)))
		return appendMembers(dst, Object(v))
	case []any:
		dst = binary.BigEndian.AppendUint32(append(dst, amf0StrictArray), uint32(len(v)))
		return AppendAMF0(dst, v...)
	case Date:
		return append(appendDouble(append(dst, amf0Date), float64(v)), 0, 0)
	}
	return append(dst, amf0Null)
}

func appendMembers(dst []byte, o Object) []byte {
	for _, p := range o {
		dst = appendValue0(appendKey(dst, p.Key), p.Value)
	}
	return append(dst, 0, 0, amf0ObjectEnd)
}

func appendKey(dst []byte, s string) []byte {
	s = s[:min(len(s), math.MaxUint16)]
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

func appendDouble(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}
