// Package primitive holds the oneM2M request and response primitives (TS-0004 clause 6.4) without any binding: values only,
// no transport, no store. Content is carried as JSON whatever the serialisation on the wire was.
package primitive
