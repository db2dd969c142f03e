package infra_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// object is a mapping of the template. Short forms of functions are stored in their long form: !Ref X is {"Ref": "X"},
// !GetAtt A.B is {"Fn::GetAtt": ["A", "B"]}, !Sub s is {"Fn::Sub": s}.
type object = map[string]any

// loadTemplate reads template.yaml anew, so that a test may change what it gets.
func loadTemplate(t *testing.T) object {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(readFile(t, "template.yaml")), &doc); err != nil {
		t.Fatal(err)
	}
	v, err := plain(doc.Content[0])
	if err != nil {
		t.Fatal(err)
	}
	return v.(object)
}

// readFile returns a file of the repository.
func readFile(t *testing.T, path string) string {
	t.Helper()
	root, err := testtools.Root()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// plain turns a node into objects, []any and scalars. A repeated key or an unknown tag is an error.
func plain(n *yaml.Node) (any, error) {
	v, err := content(n)
	if err != nil || !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		return v, err
	}
	switch name := strings.TrimPrefix(n.Tag, "!"); name {
	case "Ref", "Condition":
		return object{name: v}, nil
	case "GetAtt":
		resource, attribute, ok := strings.Cut(fmt.Sprint(v), ".")
		if !ok {
			return nil, fmt.Errorf("line %d: !GetAtt without a dot", n.Line)
		}
		return object{"Fn::GetAtt": []any{resource, attribute}}, nil
	case "And", "Equals", "If", "Join", "Not", "Or", "Select", "Split", "Sub":
		return object{"Fn::" + name: v}, nil
	default:
		return nil, fmt.Errorf("line %d: unknown function !%s", n.Line, name)
	}
}

// content is the value of a node without regard to its tag, if that is a function's.
func content(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := object{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: %s is there twice", n.Content[i].Line, key)
			}
			v, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[key] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, err := plain(c)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.ScalarNode:
		if !strings.HasPrefix(n.Tag, "!!") {
			return n.Value, nil
		}
		var v any
		err := n.Decode(&v)
		return v, err
	default:
		return nil, fmt.Errorf("line %d: aliases are not supported by CloudFormation", n.Line)
	}
}

// resources returns the resources of the given types, by logical id.
func resources(tmpl object, types ...string) map[string]object {
	found := map[string]object{}
	for id, r := range tmpl["Resources"].(object) {
		if slices.Contains(types, fmt.Sprint(at(r, "Type"))) {
			found[id] = r.(object)
		}
	}
	return found
}

// at follows keys through objects; nil where one is missing.
func at(v any, path ...string) any {
	for _, key := range path {
		m, ok := v.(object)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// resource is at for a path that begins at a resource's logical id.
func resource(tmpl object, path ...string) any {
	return at(tmpl["Resources"], path...)
}

// list makes a list of what may be one value or several, as CloudFormation does.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}
