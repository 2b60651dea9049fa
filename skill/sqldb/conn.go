package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"time"
)

// conn is a connection that is counted. It has every optional part that a connection can have, and says that it has not where the one inside does not.
type conn struct {
	inner   driver.Conn
	queries *Queries

	mu   sync.Mutex // guards what follows
	held held
}

// held is who has a connection, and what it does.
type held struct {
	since       time.Time // zero: it is in the pool
	from        caller
	transaction bool
	running     fingerprinted
	began       time.Time
	last        string
}

var (
	_ driver.Conn               = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

// Unwrap is the driver's connection.
func (c *conn) Unwrap() driver.Conn { return c.inner }

func (c *conn) state() held {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

func (c *conn) took(from caller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = held{since: time.Now(), from: from, last: c.held.last}
}

// run counts a statement.
func (c *conn) run(statement string, f func() error) error {
	fp, from, began := c.queries.fingerprint(statement), callerOf(), time.Now()
	c.mu.Lock()
	c.held.running, c.held.began, c.held.last, c.held.from = fp, began, fp.text, from
	c.mu.Unlock()
	err := f()
	c.mu.Lock()
	c.held.running = fingerprinted{}
	c.mu.Unlock()
	if errors.Is(err, driver.ErrSkip) {
		return err // database/sql asks in another way
	}
	c.queries.ended(fp, from, time.Since(began), err)
	return err
}

func (c *conn) Close() error {
	c.queries.mu.Lock()
	delete(c.queries.conns, c)
	c.queries.mu.Unlock()
	return c.inner.Close()
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	s, err := c.inner.Prepare(query)
	return c.statement(query, s, err)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if p, ok := c.inner.(driver.ConnPrepareContext); ok {
		s, err := p.PrepareContext(ctx, query)
		return c.statement(query, s, err)
	}
	s, err := c.inner.Prepare(query)
	return c.statement(query, s, err)
}

func (c *conn) statement(query string, s driver.Stmt, err error) (driver.Stmt, error) {
	if err != nil {
		return nil, err
	}
	w := &stmt{Stmt: s, conn: c, query: query}
	//lint:ignore SA1019 old drivers have it, and database/sql asks for it
	if _, ok := s.(driver.ColumnConverter); ok {
		return &convertingStmt{w}, nil
	}
	return w, nil
}

func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	var t driver.Tx
	var err error
	if b, ok := c.inner.(driver.ConnBeginTx); ok {
		t, err = b.BeginTx(ctx, opts)
	} else if opts != (driver.TxOptions{}) {
		return nil, errors.New("sqldb: the driver has no isolation levels and no read-only transactions")
	} else {
		//lint:ignore SA1019 the driver has nothing else
		t, err = c.inner.Begin()
	}
	if err != nil {
		return nil, err
	}
	from := callerOf()
	c.mu.Lock()
	c.held.transaction, c.held.from = true, from
	c.mu.Unlock()
	return &tx{t, c}, nil
}

type tx struct {
	driver.Tx
	conn *conn
}

func (t *tx) done() {
	t.conn.mu.Lock()
	t.conn.held.transaction = false
	t.conn.mu.Unlock()
}

func (t *tx) Commit() error {
	defer t.done()
	return t.Tx.Commit()
}

func (t *tx) Rollback() error {
	defer t.done()
	return t.Tx.Rollback()
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	q, ok := c.inner.(driver.QueryerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	err = c.run(query, func() error {
		rows, err = q.QueryContext(ctx, query, args)
		return err
	})
	return rows, err
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	e, ok := c.inner.(driver.ExecerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	err = c.run(query, func() error {
		r, err = e.ExecContext(ctx, query, args)
		return err
	})
	return r, err
}

func (c *conn) Ping(ctx context.Context) error {
	if p, ok := c.inner.(driver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

// ResetSession is called when a connection is taken out of the pool, by the one who takes it.
func (c *conn) ResetSession(ctx context.Context) error {
	c.took(callerOf())
	if r, ok := c.inner.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

// IsValid is called when it is given back.
func (c *conn) IsValid() bool {
	c.mu.Lock()
	c.held = held{last: c.held.last}
	c.mu.Unlock()
	if v, ok := c.inner.(driver.Validator); ok {
		return v.IsValid()
	}
	return true
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.inner.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// stmt is a prepared statement that is counted.
type stmt struct {
	driver.Stmt
	conn  *conn
	query string
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = s.conn.run(s.query, func() error {
		if q, ok := s.Stmt.(driver.StmtQueryContext); ok {
			rows, err = q.QueryContext(ctx, args)
			return err
		}
		values, err2 := plain(args)
		if err2 != nil {
			return err2
		}
		//lint:ignore SA1019 the driver has nothing else
		rows, err = s.Stmt.Query(values)
		return err
	})
	return rows, err
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	err = s.conn.run(s.query, func() error {
		if e, ok := s.Stmt.(driver.StmtExecContext); ok {
			r, err = e.ExecContext(ctx, args)
			return err
		}
		values, err2 := plain(args)
		if err2 != nil {
			return err2
		}
		//lint:ignore SA1019 the driver has nothing else
		r, err = s.Stmt.Exec(values)
		return err
	})
	return r, err
}

func (s *stmt) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}

// plain are arguments for drivers that know no names.
func plain(args []driver.NamedValue) ([]driver.Value, error) {
	out := make([]driver.Value, len(args))
	for i, a := range args {
		if a.Name != "" {
			return nil, errors.New("sqldb: the driver knows no named parameters")
		}
		out[i] = a.Value
	}
	return out, nil
}

// convertingStmt is one of an old driver.
type convertingStmt struct{ *stmt }

// ColumnConverter is the driver's.
func (s *convertingStmt) ColumnConverter(i int) driver.ValueConverter {
	//lint:ignore SA1019 see statement
	return s.Stmt.(driver.ColumnConverter).ColumnConverter(i)
}
