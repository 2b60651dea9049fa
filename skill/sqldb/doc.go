// Package sqldb has skills for databases, through database/sql and what the database says of itself.
//
// [Postgres] reads PostgreSQL's statistics: who waits for whom, what runs long, what is slow, who holds the connections. It needs a role that
// may read them (pg_monitor), and tells what is missing with less. It only reads, a few rows at a time. Texts of statements leave here as
// fingerprints: without literals, comments and parameters.
//
// # Ownership
//
// The *sql.DB belongs to the caller, who also chooses the driver and closes it. It should be one of its own with one or two
// connections, read-only and with a short statement timeout; package ext/postgres makes such a one.
package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"reflect"

	"github.com/beamlens/beamlens-go/skill"
)

//go:embed sql/*.sql prompt/*.md playbook/*.lua
var files embed.FS

func text(name string) string {
	raw, err := files.ReadFile(name)
	if err != nil {
		panic(err) // unreachable: the file is embedded
	}
	return string(raw)
}

func playbook(id, doc string, metrics ...string) skill.Playbook {
	return skill.Playbook{ID: id, Metrics: metrics, Doc: doc, Lua: text("playbook/" + id + ".lua")}
}

// maxRows bounds every answer.
const maxRows = 200

// query runs a statement of sql/ and scans its rows into structs, column by field.
func query[Row any](ctx context.Context, db *sql.DB, name string, args ...any) ([]Row, error) {
	rows, err := db.QueryContext(ctx, text("sql/"+name+".sql"), args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer rows.Close()
	var out []Row
	for rows.Next() && len(out) < maxRows {
		var row Row
		v := reflect.ValueOf(&row).Elem()
		into := make([]any, v.NumField())
		for i := range into {
			into[i] = v.Field(i).Addr().Interface()
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}
