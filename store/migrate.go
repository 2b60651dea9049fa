package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
)

// schema holds the steps, in order. A step that has been released is never changed.
//
//go:embed schema/*.sql
var schema embed.FS

func steps() ([]string, error) {
	files, err := schema.ReadDir("schema") // sorted by name
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range files {
		text, err := schema.ReadFile("schema/" + f.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, string(text))
	}
	return out, nil
}

// migrate brings a database to the newest schema, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB) error {
	all, err := steps()
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`); err != nil {
		return err
	}
	var version int
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&version); err != nil {
		return err
	}
	if version > len(all) {
		return fmt.Errorf("it was written by a newer BeamLens (schema %d, this one knows %d): upgrade, or name another file", version, len(all))
	}
	for i := version; i < len(all); i++ {
		if err := step(ctx, db, i+1, all[i]); err != nil {
			return fmt.Errorf("schema step %d: %w", i+1, err)
		}
	}
	return nil
}

func step(ctx context.Context, db *sql.DB, version int, text string) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range strings.Split(text, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := t.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, t.Rollback())
		}
	}
	if _, err := t.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES (?)`, version); err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.Commit()
}
