package serialisation

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/viot-project/viot/cse/resource"
)

// node is one element.
type node struct {
	name     string // with its prefix, if it is a global element
	text     string
	children []*node
	members  []member // XML attributes
	null     bool     // xsi:nil
	schema   string   // xsi:type without prefix
}

// decodeXML writes one XML document as JSON. There are no entities but the five of XML itself, for there is no document type.
func decodeXML(content []byte) (json.RawMessage, error) {
	if bytes.IndexByte(content, 0) >= 0 {
		return nil, errNUL
	}
	root, err := parseXML(content)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(content))
	b, err = appendString(append(b, '{'), root.name)
	if err != nil {
		return nil, err
	}
	if b, err = root.appendJSON(append(b, ':'), kindOf("", root.name)); err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

// xmlParser is where parseXML is.
type xmlParser struct {
	d        *xml.Decoder
	prefixes map[string]string // by namespace, as the document binds them
	nodes    int
	// unprefixed is whether elements without a prefix are of the namespace of oneM2M as well.
	unprefixed bool
}

// parseXML reads the one element of a document.
func parseXML(content []byte) (*node, error) {
	p := xmlParser{d: xml.NewDecoder(bytes.NewReader(content)), prefixes: map[string]string{}}
	var root *node
	for {
		token, err := p.d.Token()
		if errors.Is(err, io.EOF) {
			if root == nil {
				return nil, errEarlyEnd
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if root != nil {
				return nil, errTrailing
			}
			if root, err = p.element(t, 1); err != nil {
				return nil, err
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("it has text outside of an element")
			}
		case xml.Directive:
			return nil, errors.New("it has a document type or another directive, which is not accepted")
		}
	}
}

// element reads the element that start starts.
func (p *xmlParser) element(start xml.StartElement, depth int) (*node, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	if p.nodes++; p.nodes > maxElements {
		return nil, fmt.Errorf("it has more than %d elements", maxElements)
	}
	n := &node{}
	if err := p.attributes(n, start.Attr); err != nil {
		return nil, err
	}
	n.name = p.name(start.Name)
	if err := checkName(n.name); err != nil {
		return nil, err
	}
	var text strings.Builder
	for {
		token, err := p.d.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			child, err := p.element(t, depth+1)
			if err != nil {
				return nil, err
			}
			n.children = append(n.children, child)
		case xml.CharData:
			text.Write(t)
		case xml.Directive:
			return nil, errors.New("it has a directive, which is not accepted")
		case xml.EndElement:
			n.text = text.String()
			if len(n.children) > 0 && strings.TrimSpace(n.text) != "" {
				return nil, errMixed
			}
			return n, nil
		}
	}
}

// maxXMLAttributes bounds the XML attributes of one element, which are compared with each other. Those of oneM2M have three at most.
const maxXMLAttributes = 64

// attributes reads the XML attributes of n and the prefixes that they bind.
func (p *xmlParser) attributes(n *node, list []xml.Attr) error {
	if len(list) > maxXMLAttributes {
		return fmt.Errorf("an element has more than %d XML attributes", maxXMLAttributes)
	}
	for _, a := range list {
		switch a.Name.Space {
		case "xmlns":
			p.prefixes[a.Value] = a.Name.Local
		case "":
			if a.Name.Local == "xmlns" {
				p.unprefixed = p.unprefixed || a.Value == protocolsNamespace
				continue
			}
			if err := checkName(a.Name.Local); err != nil {
				return err
			}
			for _, m := range n.members {
				if m.name == a.Name.Local {
					return fmt.Errorf("the XML attribute %s occurs twice", m.name)
				}
			}
			n.members = append(n.members, member{a.Name.Local, a.Value})
		case instanceNamespace, "xsi":
			switch a.Name.Local {
			case "nil":
				n.null = a.Value == "true" || a.Value == "1"
			case "type":
				_, n.schema, _ = strings.Cut(a.Value, ":")
			}
		case "xml":
		default:
			return fmt.Errorf("the XML attribute %s is of an unknown namespace", a.Name.Local)
		}
	}
	return nil
}

// name is the short name of an element. Documents that put everything into the namespace of oneM2M are understood too: what is no
// global element is then an attribute.
func (p *xmlParser) name(n xml.Name) string {
	switch prefix, bound := p.prefixes[n.Space]; {
	case n.Space == "":
		return n.Local
	case n.Space == protocolsNamespace || n.Space == "m2m":
		if full := "m2m:" + n.Local; !p.unprefixed || resource.KindOf("", full) != resource.Any {
			return full
		}
		return n.Local
	case bound:
		return prefix + ":" + n.Local
	default:
		return n.Space + ":" + n.Local
	}
}

// appendJSON appends the value of n, which is of kind k.
func (n *node) appendJSON(b []byte, k resource.Kind) ([]byte, error) {
	if n.null || n.name == "cr" && n.text == "" && len(n.children) == 0 {
		return append(b, "null"...), nil
	}
	if k == resource.Any {
		k = n.guess()
	}
	switch k {
	case resource.Object, resource.Objects:
		return n.appendObject(b)
	case resource.Strings, resource.Integers, resource.Floats, resource.Anything:
		return appendNodes(b, []*node{n}, k)
	}
	if len(n.children) > 0 {
		return n.appendObject(b) // it is for the validation to say that this is wrong
	}
	return appendText(b, n.text, k)
}

// guess is the kind of an element about which only it itself says something.
func (n *node) guess() resource.Kind {
	if len(n.children) > 0 || len(n.members) > 0 || qualified(n.name) {
		return resource.Object
	}
	switch n.schema {
	case "integer", "int", "long", "short", "nonNegativeInteger", "positiveInteger", "unsignedInt", "unsignedLong":
		return resource.Integer
	case "decimal", "double", "float":
		return resource.Float
	case "boolean":
		return resource.Boolean
	}
	return resource.String
}

// appendText appends text as the value that it is for kind k. What is not of that kind stays text, which the validation refuses.
func appendText(b []byte, text string, k resource.Kind) ([]byte, error) {
	switch trimmed := strings.TrimSpace(text); {
	case k == resource.Boolean && (trimmed == "true" || trimmed == "1"):
		return append(b, "true"...), nil
	case k == resource.Boolean && (trimmed == "false" || trimmed == "0"):
		return append(b, "false"...), nil
	case k == resource.Integer || k == resource.Float:
		if number := strings.TrimPrefix(trimmed, "+"); isNumber(number) {
			return append(b, number...), nil
		}
	}
	return appendString(b, text)
}

// isNumber reports whether s is a number in JSON.
func isNumber(s string) bool {
	c := checker{text: []byte(s)}
	return s != "" && (s[0] == '-' || '0' <= s[0] && s[0] <= '9') && c.number() == nil && c.at == len(s)
}

// appendObject appends the members of n; elements of one name are one member.
func (n *node) appendObject(b []byte) ([]byte, error) {
	var names []string
	byName := map[string][]*node{}
	for _, m := range n.members {
		names, byName[m.name] = append(names, m.name), []*node{{name: m.name, text: m.value.(string)}}
	}
	for _, c := range n.children {
		if byName[c.name] == nil {
			names = append(names, c.name)
		}
		byName[c.name] = append(byName[c.name], c)
	}
	if len(n.children) == 0 && strings.TrimSpace(n.text) != "" {
		if len(n.members) == 0 {
			return appendString(b, n.text) // no object; it is for the validation to say so
		}
		names, byName["val"] = append(names, "val"), []*node{{name: "val", text: n.text}}
	}
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendString(b, name); err != nil {
			return nil, err
		}
		b = append(b, ':')
		k, same := n.kindOf(name), byName[name]
		switch {
		case k.List() && !(len(same) == 1 && same[0].null):
			b, err = appendNodes(b, same, k)
		case len(same) == 1:
			b, err = same[0].appendJSON(b, k)
		case k == resource.Any:
			b, err = appendNodes(b, same, resource.Anything)
		default:
			err = fmt.Errorf("the element %s occurs twice in %s", name, n.name)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// kindOf is the kind of the member name of n.
func (n *node) kindOf(name string) resource.Kind {
	if k, ok := referenceKinds[name]; ok && isReference(n.name) {
		return k
	}
	return kindOf(n.name, name)
}

// appendNodes appends a list of kind k that is written as the elements list.
func appendNodes(b []byte, list []*node, k resource.Kind) ([]byte, error) {
	b = append(b, '[')
	start := len(b)
	item := map[resource.Kind]resource.Kind{
		resource.Strings: resource.String, resource.Integers: resource.Integer, resource.Floats: resource.Float,
	}[k]
	var err error
	comma := func() {
		if len(b) > start {
			b = append(b, ',')
		}
	}
	for _, n := range list {
		if item == 0 || len(n.children) > 0 {
			comma()
			if k == resource.Objects {
				b, err = n.appendObject(b)
			} else {
				b, err = n.appendJSON(b, resource.Any)
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		if elementwise(n.name) && strings.TrimSpace(n.text) != "" {
			comma()
			if b, err = appendString(b, n.text); err != nil {
				return nil, err
			}
			continue
		}
		for text := range strings.FieldsSeq(n.text) {
			comma()
			if b, err = appendText(b, text, item); err != nil {
				return nil, err
			}
		}
	}
	return append(b, ']'), nil
}
