package bits

import "iter"

// UserDataUnregistered is the SEI payload type that holds a UUID and free bytes.
const UserDataUnregistered = 5

// RecoveryPoint is the SEI payload type that marks where decoding may begin without an IDR picture.
const RecoveryPoint = 6

// SEI walks the messages of an SEI payload (ITU-T H.264 7.3.2.3.1, the same in
// H.265), given without NAL header and emulation prevention bytes. It stops at the
// trailing bits or at the first size that does not fit.
func SEI(payload []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for len(payload) > 2 || len(payload) == 2 && payload[0] != 0x80 {
			var kind, size int
			var ok bool
			if kind, payload, ok = seiNumber(payload); !ok {
				return
			}
			if size, payload, ok = seiNumber(payload); !ok || size > len(payload) {
				return
			}
			if !yield(kind, payload[:size]) {
				return
			}
			payload = payload[size:]
		}
	}
}

// seiNumber reads the run of 0xFF bytes and the last byte that make up a type or a size.
func seiNumber(b []byte) (n int, rest []byte, ok bool) {
	for i, c := range b {
		n += int(c)
		if c != 0xFF {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}

// BuildUserData builds an SEI NAL unit with one user_data_unregistered message.
// header is the NAL header (one byte for H.264, two for HEVC).
func BuildUserData(header []byte, uuid [16]byte, data []byte) []byte {
	payload := []byte{UserDataUnregistered}
	size := len(uuid) + len(data)
	for ; size >= 0xFF; size -= 0xFF {
		payload = append(payload, 0xFF)
	}
	payload = append(payload, byte(size))
	payload = append(payload, uuid[:]...)
	payload = append(payload, data...)
	payload = append(payload, 0x80)
	return AppendEscaped(append([]byte(nil), header...), payload)
}
