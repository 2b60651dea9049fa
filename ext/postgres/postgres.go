// Package postgres opens PostgreSQL for skill/sqldb: few connections, read-only, and every statement limited. It is a module of its own, so
// that a program which embeds the engine does not compile the driver.
package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// The limits of what we ask of a database.
const (
	connections      = 2
	statementTimeout = 2 * time.Second
	lockTimeout      = 200 * time.Millisecond
	dialTimeout      = 5 * time.Second
)

// Open returns a handle for reading statistics, from a connection string as psql takes it: postgres://user@host/database, or key=value
// pairs. It does not connect yet. Sessions are named beamlens, cannot write, and give up after two seconds.
func Open(url string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// The text of the error may hold the password.
		return nil, fmt.Errorf("the connection string cannot be read; it is like postgres://user@host:5432/database")
	}
	config.ConnectTimeout = dialTimeout
	// Poolers do not know prepared statements, and ours are few.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	for name, value := range map[string]string{
		"application_name":              "beamlens",
		"default_transaction_read_only": "on",
		"statement_timeout":             milliseconds(statementTimeout),
		"lock_timeout":                  milliseconds(lockTimeout),
	} {
		config.RuntimeParams[name] = value
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// Check connects and says what is wrong, if something is.
func Check(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("PostgreSQL cannot be reached: %w", err)
	}
	return nil
}
