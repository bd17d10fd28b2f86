package admin

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

func (a *Admin) openAPI(w http.ResponseWriter, _ *http.Request) {
	a.answer(w, http.StatusOK, openAPI())
}

type object = map[string]any

// openAPI is the OpenAPI 3.1 document of routes, its schemas made from the Go types that are sent.
func openAPI() object {
	s := schemas{}
	paths := object{}
	refused := object{"description": "refused, with the reason", "content": object{"application/problem+json": object{"schema": s.of(reflect.TypeOf(api.Problem{}))}}}
	for _, r := range routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		path = strings.TrimSuffix(path, "{$}")
		params := []object{}
		for segment := range strings.SplitSeq(path, "/") {
			if name, ok := strings.CutPrefix(segment, "{"); ok {
				name = strings.TrimSuffix(name, "}")
				params = append(params, object{"name": name, "in": "path", "required": true, "schema": paramSchema(map[string]string{"number": "integer"}[name])})
			}
		}
		for _, p := range r.params {
			params = append(params, object{"name": p.name, "in": "query", "description": p.about, "schema": paramSchema(p.kind)})
		}
		for _, header := range []struct {
			name string
			on   bool
		}{{"If-Match", r.needs == scopeWrite}, {"Last-Event-ID", r.stream}} {
			if header.on {
				params = append(params, object{"name": header.name, "in": "header", "schema": object{"type": "string"}})
			}
		}
		op := object{"summary": r.about, "operationId": operationID(method, path)}
		if len(params) > 0 {
			op["parameters"] = params
		}
		if r.body != nil {
			op["requestBody"] = object{"required": true, "content": object{r.sends: object{"schema": s.of(reflect.TypeOf(r.body))}}}
		}
		success := object{"description": r.about}
		status := "200"
		switch {
		case r.answer != nil:
			success["content"] = object{"application/json": object{"schema": s.of(reflect.TypeOf(r.answer))}}
		case r.types != "":
			success["content"] = object{r.types: object{"schema": object{"type": "string"}}}
		default:
			status = strconv.Itoa(http.StatusNoContent)
		}
		if _, ok := r.answer.(spec.Override); ok {
			success["headers"] = object{"ETag": object{"schema": object{"type": "string"}}}
		}
		op["responses"] = object{status: success, "default": refused}
		if r.needs != scopeNone {
			op["security"] = []object{{}, {r.needs.String(): []string{}}}
		}
		at, _ := paths[path].(object)
		if at == nil {
			at = object{}
			paths[path] = at
		}
		at[strings.ToLower(method)] = op
	}
	bearer := func(about string) object { return object{"type": "http", "scheme": "bearer", "description": about} }
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "viot orchestrator", "version": "1",
			"description": "What the pools of a stack are doing and why, and what an operator wants of them. Any orchestrator of the stack answers; errors are problem details of RFC 9457.",
		},
		"paths": paths,
		"components": object{"schemas": s, "securitySchemes": object{
			"read": bearer("the read token, where one is set"), "write": bearer("the write token, which also reads"),
		}},
	}
}

func operationID(method, path string) string {
	id := strings.ToLower(method)
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return strings.ContainsRune("/{}.", r) }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

func paramSchema(kind string) object {
	switch kind {
	case "integer":
		return object{"type": "integer", "minimum": 1}
	case "duration":
		return durationSchema()
	}
	return object{"type": "string"}
}

func durationSchema() object {
	return object{"type": "string", "description": "a number with a unit, such as 500ms, 10s or 1h30m"}
}

// schemas collects the schemas of named structs.
type schemas map[string]any

// of returns the schema of what encoding/json makes of a type.
func (s schemas) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[spec.Duration]():
		return durationSchema()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()) {
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Interface {
			return object{"type": "object"}
		}
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		name := schemaName(t)
		if _, known := s[name]; !known {
			s[name] = nil // for types that contain themselves
			properties, required := object{}, []string{}
			s.fields(t, properties, &required)
			schema := object{"type": "object", "properties": properties, "additionalProperties": false}
			if len(required) > 0 {
				schema["required"] = required
			}
			s[name] = schema
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	panic("admin: no schema for " + t.String())
}

// schemaName is a type's name, with its package's where it is not of this interface.
func schemaName(t reflect.Type) string {
	pkg, name, _ := strings.Cut(t.String(), ".")
	if pkg == "api" {
		return name
	}
	return strings.ToUpper(pkg[:1]) + pkg[1:] + name
}

func (s schemas) fields(t reflect.Type, properties object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			s.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = s.of(f.Type)
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		if !optional {
			*required = append(*required, name)
		}
	}
}
