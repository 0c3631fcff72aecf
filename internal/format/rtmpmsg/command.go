package rtmpmsg

// Command is a remote call, section 7.2: a name, a number that the answer
// repeats (0 wants none), an object and arguments.
type Command struct {
	Name        string
	Transaction float64
	Object      any
	Args        []any
}

// ParseCommand reads a command message of either encoding. Arguments behind a
// broken value are left out; a command without a name is an error.
func ParseCommand(m Message) (Command, error) {
	values, err := decodeBody(m, TypeCommandAMF3)
	if len(values) == 0 {
		if err == nil {
			err = ErrNoCommand
		}
		return Command{}, err
	}
	name, ok := values[0].(string)
	if !ok {
		return Command{}, ErrNoCommand
	}
	c := Command{Name: name}
	if len(values) > 1 {
		c.Transaction, _ = values[1].(float64)
	}
	if len(values) > 2 {
		c.Object = values[2]
	}
	if len(values) > 3 {
		c.Args = values[3:]
	}
	if err == ErrAMFTooDeep || err == ErrAMFTooMany || err == ErrAMFTooLarge {
		return c, err // a bomb, not a clumsy sender
	}
	return c, nil
}

// ParseData reads a data message (onMetaData and others) of either encoding:
// the values that could be read. @setDataFrame is taken off.
func ParseData(m Message) ([]any, error) {
	values, err := decodeBody(m, TypeDataAMF3)
	if len(values) > 0 && values[0] == "@setDataFrame" {
		values = values[1:]
	}
	return values, err
}

// decodeBody: a message of the AMF3 type starts with a byte 0, then AMF0 whose
// values may switch to AMF3; some senders leave the byte out.
func decodeBody(m Message, amf3Type uint8) ([]any, error) {
	b := m.Payload
	if m.Type == amf3Type && len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return DecodeAMF0(b)
}

// StringArg returns an argument that is a string, or "".
func (c Command) StringArg(i int) string {
	if i >= len(c.Args) {
		return ""
	}
	s, _ := c.Args[i].(string)
	return s
}

// Append appends the command as an AMF0 message.
func (c Command) Append(dst []byte, csid uint8, streamID uint32, chunkSize int) []byte {
	p := AppendAMF0(nil, c.Name, c.Transaction, c.Object)
	p = AppendAMF0(p, c.Args...)
	return AppendMessage(dst, Header{CSID: csid, Type: TypeCommandAMF0, StreamID: streamID, ChunkSize: chunkSize}, p)
}

// Status makes the onStatus command of section 7.2.2: a level ("status" or
// "error"), a code and a sentence for people.
func Status(level, code, description string) Command {
	return Command{Name: "onStatus", Args: []any{Object{
		{"level", level}, {"code", code}, {"description", description},
	}}}
}
