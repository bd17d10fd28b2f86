// Package serialisation turns the three serialisations of TS-0004 clause 8 into the JSON that primitives carry, and back: JSON itself,
// CBOR (clause 8.4) and XML (clause 8.2). What it returns is valid, bounded and has no duplicate members, whatever came in.
package serialisation

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Format is one serialisation. The zero Format is JSON.
type Format int

// The serialisations of TS-0004 clause 8.
const (
	JSON Format = iota
	CBOR
	XML
)

// MaxDepth is how deep objects and lists may be nested, in every serialisation.
const MaxDepth = 64

// formats are the structured syntax suffixes of the formats.
var formats = [...]string{JSON: "json", CBOR: "cbor", XML: "xml"}

// mediaTypes are what the formats are called in Content-Type.
var mediaTypes = [...]string{JSON: "application/json", CBOR: "application/cbor", XML: "application/xml"}

func (f Format) String() string { return formats[f] }

// MediaType is the generic media type of f, such as application/json.
func (f Format) MediaType() string { return mediaTypes[f] }

// MediaTypes are the generic media types of all formats, the preferred one first.
func MediaTypes() []string { return append([]string(nil), mediaTypes[:]...) }

// FormatOf is the format that media stands for: generic (application/json), of oneM2M by TS-0009 clause 6.4.3
// (application/vnd.onem2m-res+json) or a bare name (json). Parameters must have been taken off; case does not matter.
func FormatOf(media string) (Format, bool) {
	if media == "application/json" { // nearly always
		return JSON, true
	}
	media = strings.ToLower(media)
	name := media
	if rest, ok := strings.CutPrefix(media, "application/"); ok {
		name = rest
		if long, ok := strings.CutPrefix(rest, "vnd.onem2m-"); ok {
			kind, suffix, _ := strings.Cut(long, "+")
			switch kind {
			case "res", "ntfy", "preq", "prsp":
				name = suffix
			}
		}
	}
	for f, suffix := range formats {
		if name == suffix {
			return Format(f), true
		}
	}
	return JSON, false
}

// errNothing is the error of content that is empty.
var errNothing = errors.New("it is empty")

// Decode returns content, which is in the format f, as JSON. JSON is checked and returned as it is. The error says what is wrong
// with the content in words that continue "the content is not XML: ".
func Decode(f Format, content []byte) (json.RawMessage, error) {
	if len(content) == 0 {
		return nil, errNothing
	}
	switch f {
	case JSON:
		return content, CheckJSON(content)
	case CBOR:
		return decodeCBOR(content)
	case XML:
		return decodeXML(content)
	}
	return nil, fmt.Errorf("there is no format %d", int(f))
}

// Encode returns content, which is JSON, in the format f.
func Encode(f Format, content json.RawMessage) ([]byte, error) {
	switch f {
	case JSON:
		return content, nil
	case CBOR:
		return encodeCBOR(content)
	case XML:
		return encodeXML(content)
	}
	return nil, fmt.Errorf("there is no format %d", int(f))
}
