package sqldb

import "context"

type indexUsageRow struct {
	Table     string  `json:"table"`
	SeqScans  int64   `json:"seq_scans"`
	IndexScan int64   `json:"index_scans"`
	IndexPct  float64 `json:"index_usage_pct"`
	Rows      int64   `json:"rows"`
	SeqRows   int64   `json:"rows_read_without_index"`
}

type indexUsageOut struct {
	Tables []indexUsageRow `json:"tables"`
}

func (p *postgres) indexUsage(ctx context.Context, in limitIn) (indexUsageOut, error) {
	rows, err := query[indexUsageRow](ctx, p.db, "index_usage", in.Limit)
	return indexUsageOut{rows}, err
}

type unusedRow struct {
	Table string `json:"table"`
	Index string `json:"index"`
	Bytes int64  `json:"bytes"`
	Scans int64  `json:"scans"`
}

type unusedOut struct {
	Indexes []unusedRow `json:"indexes"`
}

func (p *postgres) unusedIndexes(ctx context.Context, in limitIn) (unusedOut, error) {
	rows, err := query[unusedRow](ctx, p.db, "unused_indexes", in.Limit)
	return unusedOut{rows}, err
}

type tableSize struct {
	Table   string  `json:"table"`
	MB      float64 `json:"table_mb"`
	IndexMB float64 `json:"indexes_mb"`
	Rows    int64   `json:"rows"`
}

type tableSizesOut struct {
	Tables []tableSize `json:"tables"`
}

func (p *postgres) tableSizes(ctx context.Context, in limitIn) (tableSizesOut, error) {
	rows, err := query[struct {
		Table                string
		Bytes, Indexes, Rows int64
	}](ctx, p.db, "table_sizes", in.Limit)
	out := tableSizesOut{Tables: []tableSize{}}
	for _, r := range rows {
		out.Tables = append(out.Tables, tableSize{r.Table, mb(r.Bytes), mb(r.Indexes), r.Rows})
	}
	return out, err
}

func mb(bytes int64) float64 { return round(float64(bytes) / (1 << 20)) }

type cacheHitOut struct {
	Table *float64 `json:"table_hit_pct"` // null: nothing was read yet
	Index *float64 `json:"index_hit_pct"`
}

func (p *postgres) cacheHit(ctx context.Context, _ none) (cacheHitOut, error) {
	rows, err := query[struct{ HeapHit, HeapRead, IndexHit, IndexRead int64 }](ctx, p.db, "cache_hit")
	if err != nil {
		return cacheHitOut{}, err
	}
	r := rows[0]
	return cacheHitOut{share(r.HeapHit, r.HeapRead), share(r.IndexHit, r.IndexRead)}, nil
}

func share(hit, read int64) *float64 {
	if hit+read == 0 {
		return nil
	}
	pct := round(100 * float64(hit) / float64(hit+read))
	return &pct
}

type bloatRow struct {
	Table   string  `json:"table"`
	Rows    int64   `json:"rows"`
	Dead    int64   `json:"dead_rows"`
	DeadPct float64 `json:"dead_pct"`
	VacuumS float64 `json:"since_vacuum_s"` // -1: never
}

type bloatOut struct {
	Tables []bloatRow `json:"tables"`
}

func (p *postgres) bloat(ctx context.Context, in limitIn) (bloatOut, error) {
	rows, err := query[bloatRow](ctx, p.db, "bloat", in.Limit)
	for i := range rows {
		rows[i].VacuumS = round(rows[i].VacuumS)
	}
	return bloatOut{rows}, err
}
