package primitive

// maxName bounds a resource name, so that deep trees still fit in an index entry.
const maxName = 128

// ValidName reports whether s may be the name of a resource: unreserved characters of RFC 3986, and none of the names the
// standard gives to virtual resources.
func ValidName(s string) bool {
	switch s {
	case "-", ".", "..", "la", "ol", "fopt", "pcu", "ntsr", "sfop", "smv":
		return false
	}
	return len(s) <= maxName && validSegment(s)
}
