package resource

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestNotesAreNotShown(t *testing.T) {
	t.Parallel()
	a := Attributes{"con": json.RawMessage(`"_not a note"`)}
	a.SetNote("watch", map[string]int{"seen": 3})
	r := Resource{ID: "cin1", Type: TypeContentInstance, Path: "cse/cin1", Attributes: a.Encode()}
	shown := string(r.AppendJSON(nil))
	if strings.Contains(shown, "watch") || !strings.Contains(shown, `"con":"_not a note"`) {
		t.Errorf("shown is %s", shown)
	}
	kept, err := r.Decode()
	if err != nil {
		t.Fatal(err)
	}
	var note struct{ Seen int }
	if !kept.Note("watch", &note) || note.Seen != 3 {
		t.Errorf("the note is %+v", note)
	}
	kept.SetNote("watch", nil)
	if kept.Note("watch", &note) {
		t.Error("a note that was removed is still there")
	}
}
