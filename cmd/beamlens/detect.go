package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/detect"
	"github.com/spf13/cobra"
)

func detectCommand() *cobra.Command {
	var counter bool
	var limit float64
	cmd := &cobra.Command{
		Use:   "detect FILE",
		Short: "Run the detectors over a series in a CSV file",
		Long: `Reads rows of timestamp and value, runs the detectors over them as they are shipped, and prints a row for each:
timestamp, value, score (0 to 1; at 1 there is an alert, or would be after the first day), finding, onset.

A timestamp is RFC 3339, "2006-01-02 15:04:05", or seconds since 1970. A header is skipped. FILE may be - for standard input.`,
		Example: "  beamlens detect memory.csv\n  beamlens detect --counter --limit 1000000 - < requests.csv",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return &exit{exitUnable, err}
				}
				defer f.Close()
				in = f
			}
			if err := detectSeries(in, cmd.OutOrStdout(), detect.Metric{Counter: counter, Limit: limit}); err != nil {
				return &exit{exitProblem, fmt.Errorf("%s: %w", args[0], err)}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&counter, "counter", false, "the values only grow; their rate is watched")
	cmd.Flags().Float64Var(&limit, "limit", 0, "a hard limit of the values")
	return cmd
}

func detectSeries(in io.Reader, out io.Writer, m detect.Metric) error {
	r := csv.NewReader(bufio.NewReaderSize(in, 1<<16))
	r.FieldsPerRecord, r.ReuseRecord, r.TrimLeadingSpace = -1, true, true
	w := csv.NewWriter(out)
	if err := w.Write([]string{"timestamp", "value", "score", "finding", "onset"}); err != nil {
		return err
	}
	d := detect.New(m)
	for row := 1; ; row++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(record) < 2 {
			return fmt.Errorf("row %d has %d columns; timestamp and value are needed", row, len(record))
		}
		at, err := timestamp(record[0])
		value, err2 := strconv.ParseFloat(strings.TrimSpace(record[1]), 64)
		if err != nil || err2 != nil {
			if row == 1 {
				continue // a header
			}
			return fmt.Errorf("row %d, %.40q, %.40q: %w", row, record[0], record[1], errors.Join(err, err2))
		}
		finding, onset := "", ""
		for _, c := range d.Step(at, value) {
			f := string(c.Kind)
			switch {
			case c.Cleared:
				f += " cleared"
			case c.Alert:
				f += " alert"
			}
			finding = strings.TrimPrefix(finding+"; "+f, "; ")
			onset = c.Onset.UTC().Format(time.RFC3339)
		}
		if err := w.Write([]string{record[0], record[1], strconv.FormatFloat(d.Score(), 'f', 4, 64), finding, onset}); err != nil {
			return err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return nil
}

func timestamp(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return time.Time{}, errors.New("the timestamp is neither RFC 3339 nor seconds")
	}
	return time.Unix(0, int64(seconds*1e9)).UTC(), nil
}
