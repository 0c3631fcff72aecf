package lint

// words are a rule's words in another language.
type words struct{ say, remedy string }

var chinese = map[string]words{}
