package sqlstore

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/viot-project/viot/cse/resource"
)

// describePage is how many resources one transaction describes.
const describePage = 500

// describe fills in by what resources are found, and whether others must hear when they go, for those that were stored by a version that
// did not keep that. It is done in short transactions, beside instances that serve, and may be done by several at once.
func (s *Store) describe(ctx context.Context) error {
	for after := ""; ; {
		var page []resource.Resource
		err := s.write(ctx, func(t *tx) (err error) {
			// In the order of identifiers, as all lock. Instances need no lock for what nobody else changes.
			t.exec(`SELECT t.ri FROM tally t WHERE t.ri IN (SELECT ri FROM resource WHERE ri > $1 ORDER BY ri LIMIT $2)
				ORDER BY t.ri`+t.dialect.lock, after, describePage)
			page, err = ask(ctx, t, scanResource, `SELECT `+resourceColumns+` FROM resource r LEFT JOIN tally t ON t.ri = r.ri
				WHERE r.ri > $1 ORDER BY r.ri LIMIT $2`, after, describePage)
			if err != nil {
				return err
			}
			for _, r := range page {
				if err := t.describe(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].ID
	}
}

// describe queues what describes r, whose tally is locked if it has one.
func (t *tx) describe(r resource.Resource) error {
	found, err := searched(r)
	if err != nil {
		return err
	}
	if f := farewell(r); f != 0 || slices.ContainsFunc(found, func(v any) bool { return v != nil }) {
		set := `farewell = $2`
		for i, c := range strings.Fields(searchedColumns) {
			name, _, _ := strings.Cut(c, ":")
			set += `, ` + name + ` = $` + strconv.Itoa(i+3)
		}
		t.exec(`UPDATE resource SET `+set+` WHERE ri = $1`, append([]any{r.ID, f}, found...)...)
	}
	if r.Type.Instance() {
		return nil
	}
	t.exec(`DELETE FROM attribute WHERE ri = $1`, r.ID)
	return t.replaceTerms(resource.Resource{}, r)
}
