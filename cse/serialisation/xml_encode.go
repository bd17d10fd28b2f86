package serialisation

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/resource"
)

// member is one member of an object. Objects are read as []member, in their order, which schemas care for.
type member struct {
	name  string
	value any // nil, bool, json.Number, string, []any or []member
}

// encodeXML writes JSON as an XML document. It refuses what XML, or a list in it, cannot say.
func encodeXML(content json.RawMessage) ([]byte, error) {
	if len(content) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err != nil {
		return nil, err
	}
	outer, ok := v.([]member)
	if !ok || len(outer) != 1 {
		return nil, errors.New("a document of XML is one element, but the content is none")
	}
	w := xmlWriter{prefixes: map[string]bool{}}
	if err := w.element(outer[0], kindOf("", outer[0].name), true); err != nil {
		return nil, err
	}
	var doc bytes.Buffer
	doc.Grow(w.Len() + 200)
	doc.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	tag, rest, _ := bytes.Cut(w.Bytes(), []byte(rootMark))
	doc.Write(tag)
	for _, prefix := range slices.Sorted(maps.Keys(w.prefixes)) {
		ns := namespace(prefix)
		switch prefix {
		case "xsi":
			ns = instanceNamespace
		case "xs":
			ns = schemaNamespace
		}
		fmt.Fprintf(&doc, ` xmlns:%s="%s"`, prefix, ns)
	}
	doc.Write(rest)
	return doc.Bytes(), nil
}

// rootMark is where the namespaces go, which are known at the end only. It is no XML.
const rootMark = "\x00"

// readValue reads one value of JSON.
func readValue(d *json.Decoder, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		object := []member{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			object = append(object, member{name.(string), v}) // in an object, the grammar has nothing but a string here
		}
		_, err = d.Token()
		return object, err
	}
	return token, nil
}

// xmlWriter writes elements and notes which prefixes they use.
type xmlWriter struct {
	bytes.Buffer
	prefixes map[string]bool
}

// element writes m, which is of kind k, as one element, or as one for each item.
func (w *xmlWriter) element(m member, k resource.Kind, root bool) error {
	if err := checkName(m.name); err != nil {
		return err
	}
	list, isList := m.value.([]any)
	switch simple := k == resource.Strings || k == resource.Integers || k == resource.Floats; {
	case !isList:
		return w.one(m.name, m.value, k, root)
	case simple && !structured(list) && !elementwise(m.name):
		return w.simpleList(m.name, list, root)
	case root:
		return fmt.Errorf("%s is a list, which needs more than one element", m.name)
	case len(list) == 0 || len(list) == 1 && k != resource.Objects && !simple:
		return fmt.Errorf("%s is a list of %d, which only JSON can tell from no list", m.name, len(list))
	}
	for _, item := range list {
		if _, nested := item.([]any); nested {
			return fmt.Errorf("%s is a list of lists", m.name)
		}
		if err := w.one(m.name, item, itemKind(k), false); err != nil {
			return err
		}
	}
	return nil
}

// itemKind is the kind of the items of a list of kind k.
func itemKind(k resource.Kind) resource.Kind {
	switch k {
	case resource.Objects:
		return resource.Object
	case resource.Strings:
		return resource.String
	}
	return resource.Any
}

func structured(list []any) bool {
	return slices.ContainsFunc(list, func(v any) bool {
		switch v.(type) {
		case []any, []member, nil:
			return true
		}
		return false
	})
}

// open writes the start of a tag, without its end.
func (w *xmlWriter) open(name string, root bool) {
	if prefix, _, ok := strings.Cut(name, ":"); ok {
		w.prefixes[prefix] = true
	}
	w.WriteString("<" + name)
	if root {
		w.WriteString(rootMark)
	}
}

// simpleList writes an xs:list.
func (w *xmlWriter) simpleList(name string, list []any, root bool) error {
	w.open(name, root)
	w.WriteByte('>')
	for i, item := range list {
		if i > 0 {
			w.WriteByte(' ')
		}
		text := scalar(item)
		if text == "" || len(strings.Fields(text)) != 1 || strings.TrimSpace(text) != text {
			return fmt.Errorf("%s has an item with white space, which a list in XML cannot have", name)
		}
		if err := w.text(text); err != nil {
			return err
		}
	}
	w.WriteString("</" + name + ">")
	return nil
}

// one writes one element with the value v of kind k.
func (w *xmlWriter) one(name string, v any, k resource.Kind, root bool) error {
	w.open(name, root)
	object, isObject := v.([]member)
	switch {
	case v == nil:
		w.prefixes["xsi"] = true
		w.WriteString(` xsi:nil="true"/>`)
		return nil
	case isObject:
		return w.object(name, object)
	case k == resource.Any:
		w.hint(v)
	}
	w.WriteByte('>')
	if err := w.text(scalar(v)); err != nil {
		return err
	}
	w.WriteString("</" + name + ">")
	return nil
}

// hint says of a value that nobody else knows the kind of that it is no string.
func (w *xmlWriter) hint(v any) {
	schema := ""
	switch v := v.(type) {
	case bool:
		schema = "boolean"
	case json.Number:
		schema = "integer"
		if strings.ContainsAny(string(v), ".eE") {
			schema = "double"
		}
	default:
		return
	}
	w.prefixes["xsi"], w.prefixes["xs"] = true, true
	w.WriteString(` xsi:type="xs:` + schema + `"`)
}

// referenceKinds are the members of a reference to a child (m2m:childResourceRef): XML attributes, and its text.
var referenceKinds = map[string]resource.Kind{
	"nm": resource.String, "typ": resource.Integer, "spid": resource.String, "val": resource.String,
}

// isReference reports whether elements called name are references to children.
func isReference(name string) bool { return name == "rrf" || name == "ch" }

// object writes the members of an element whose tag is open: rn of a resource and what is said of a reference as XML attributes.
func (w *xmlWriter) object(name string, object []member) error {
	var rest []member
	text := ""
	for _, m := range object {
		_, ofReference := referenceKinds[m.name]
		ofReference = ofReference && isReference(name)
		switch simple := m.value; {
		case ofReference && m.name == "val":
			text = scalar(simple)
		case ofReference, m.name == "rn" && qualified(name) && scalar(simple) != "":
			w.WriteString(" " + m.name + `="`)
			if err := w.text(scalar(simple)); err != nil {
				return err
			}
			w.WriteByte('"')
		default:
			rest = append(rest, m)
		}
	}
	w.WriteByte('>')
	if text != "" && len(rest) > 0 {
		return errMixed
	}
	if err := w.text(text); err != nil {
		return err
	}
	for _, m := range rest {
		if err := w.element(m, kindOf(name, m.name), false); err != nil {
			return err
		}
	}
	w.WriteString("</" + name + ">")
	return nil
}

// scalar is the text of a simple value; that of any other is empty.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return ""
}

// text writes s as character data, and refuses characters that XML does not have.
func (w *xmlWriter) text(s string) error {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return fmt.Errorf("it has the character %U, which XML has not", r)
		}
	}
	return xml.EscapeText(&w.Buffer, []byte(s))
}
