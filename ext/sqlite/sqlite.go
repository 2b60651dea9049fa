// Package sqlite keeps a BeamLens store in one SQLite file. It is pure Go: no C compiler is needed.
//
// What was acknowledged survives a kill and a power loss: the write-ahead log is synced with every transaction. The file can
// be read by sqlite3 while the engine runs.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/beamlens/beamlens-go/store"
	_ "modernc.org/sqlite" // the driver
)

// Open opens the store in the file, and makes both if they are not there. The file is readable by its owner only: it holds
// what was read from a live system.
func Open(ctx context.Context, path string) (*store.SQL, error) {
	if dir := filepath.Dir(path); dir != "." {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	// auto_vacuum must come before the first table.
	write, err := sql.Open("sqlite", dsn(path, "_pragma", "auto_vacuum(INCREMENTAL)", "_pragma", "journal_mode(WAL)", "_pragma", "synchronous(FULL)",
		"_pragma", "busy_timeout(5000)", "_txlock", "immediate"))
	if err != nil {
		return nil, err
	}
	read, err := sql.Open("sqlite", dsn(path, "mode", "ro", "_pragma", "busy_timeout(5000)"))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(4)
	s, err := store.NewSQL(ctx, store.Database{Write: write, Read: read, Size: func(ctx context.Context) (int64, error) { return size(ctx, write) }})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), read.Close(), write.Close())
	}
	return s, nil
}

func dsn(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

// size gives free pages back and tells the bytes that are left.
func size(ctx context.Context, db *sql.DB) (int64, error) {
	if _, err := db.ExecContext(ctx, "PRAGMA incremental_vacuum"); err != nil {
		return 0, err
	}
	var pages, bytes int64
	if err := db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return 0, err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA page_size").Scan(&bytes); err != nil {
		return 0, err
	}
	return pages * bytes, nil
}
