package httpbinding

import (
	"mime"
	"strconv"
	"strings"

	"github.com/viot-project/viot/cse/serialisation"
)

// longMedia is the prefix of the media types for representations of resources, TS-0009 clause 6.4.3.
const longMedia = "application/vnd.onem2m-res+"

// maxAccept bounds how many media types of an Accept header are looked at.
const maxAccept = 32

// negotiate chooses how to answer: the format that accept, the lines of the Accept header, likes best, and of equals that of the
// request, then JSON, CBOR, XML. The media type is long if that is what was asked for. Without Accept, the answer is in the
// format of the request. It reports false if no format is accepted.
func negotiate(accept []string, request serialisation.Format) (media string, f serialisation.Format, ok bool) {
	if len(accept) == 0 {
		return request.MediaType(), request, true
	}
	if len(accept) == 1 && accept[0] == serialisation.JSON.MediaType() {
		return accept[0], serialisation.JSON, true
	}
	var offers [3]offer // by format
	count := 0
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			if count++; count <= maxAccept {
				weigh(&offers, item)
			}
		}
	}
	best, quality := serialisation.JSON, 0.0
	for _, f := range []serialisation.Format{request, serialisation.JSON, serialisation.CBOR, serialisation.XML} {
		if o := offers[f]; o.quality > quality {
			best, quality = f, o.quality
		}
	}
	if quality == 0 {
		return serialisation.JSON.MediaType(), serialisation.JSON, false
	}
	if offers[best].long {
		return longMedia + best.String(), best, true
	}
	return best.MediaType(), best, true
}

// offer is how much a format is wanted.
type offer struct {
	quality     float64 // from 0, not at all, to 1
	specificity int     // of the range that said so: 1 */*, 2 application/*, 3 a media type
	long        bool    // asked for as media type of oneM2M
}

// weigh enters one media range of an Accept header; the most specific one counts (RFC 9110 clause 12.5.1).
func weigh(offers *[3]offer, item string) {
	media, params, err := mime.ParseMediaType(item)
	if err != nil {
		return
	}
	o := offer{quality: 1, specificity: 3, long: strings.HasPrefix(media, longMedia)}
	if q, given := params["q"]; given {
		if o.quality, err = strconv.ParseFloat(q, 64); err != nil || !(o.quality >= 0 && o.quality <= 1) {
			return
		}
	}
	if f, known := serialisation.FormatOf(media); known && strings.Contains(media, "/") {
		if had := offers[f]; had.specificity < 3 || had.quality < o.quality {
			offers[f] = o
		}
		return
	}
	switch media {
	case "*/*":
		o.specificity = 1
	case "application/*":
		o.specificity = 2
	default:
		return
	}
	for f := range offers {
		if o.specificity > offers[f].specificity {
			offers[f] = o
		}
	}
}
