package deliver

import (
	"net/http"

	"weir/internal/problem"
)

// WriteFault answers with a problem document that pages of other sites can read.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	openToAll(w.Header())
	problem.Write(w, r, err)
}
