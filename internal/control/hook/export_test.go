package hook

// FormOf is the form of a call, for the comparison with nginx-rtmp.
func FormOf(c Call) string { return c.form() }
