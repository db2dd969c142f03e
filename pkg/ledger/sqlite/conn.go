package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// rawConn is what is used of the driver's connection.
type rawConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

// conn is one connection, without the pool of database/sql: a row written through that costs
// twice as much. It is for one goroutine at a time.
type conn struct {
	Conn  rawConn
	stmts map[string]rawStmt // :: query -> prepared
}

type rawStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// prepare returns the query's statement, which the connection keeps.
func (c *conn) prepare(query string) (rawStmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.Conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	stmt, ok := s.(rawStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's statements are of an unknown kind, %T", s), s.Close())
	}
	if c.stmts == nil {
		c.stmts = map[string]rawStmt{}
	}
	c.stmts[query] = stmt
	return stmt, nil
}

// exec runs a statement and returns the number of rows that it changed.
func (c *conn) exec(query string, args ...driver.Value) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(context.Background(), named(args))
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// script runs statements that need not be kept.
func (c *conn) script(text string) error {
	_, err := c.Conn.ExecContext(context.Background(), text, nil)
	return err
}

// query calls each with every row; the row is valid until it returns.
func (c *conn) query(query string, args []driver.Value, each func(row []driver.Value) error) (err error) {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), named(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(row)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// one returns the only column of the only row; ok is false when there is none.
func (c *conn) one(query string, args ...driver.Value) (value driver.Value, ok bool, err error) {
	err = c.query(query, args, func(row []driver.Value) error {
		value, ok = row[0], true
		return nil
	})
	return value, ok, err
}

// release lets go of the prepared statements. Until then SQLite does not really close the
// connection.
func (c *conn) release() error {
	var err error
	for _, s := range c.stmts {
		err = errors.Join(err, s.Close())
	}
	c.stmts = nil
	return err
}

func (c *conn) close() error { return errors.Join(c.release(), c.Conn.Close()) }

func named(args []driver.Value) []driver.NamedValue {
	values := make([]driver.NamedValue, len(args))
	for i, a := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return values
}
