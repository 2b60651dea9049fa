-- Tables by how seldom an index is used.
select schemaname || '.' || relname, seq_scan, coalesce(idx_scan, 0),
       case when seq_scan + coalesce(idx_scan, 0) = 0 then 100 else round(100.0 * coalesce(idx_scan, 0) / (seq_scan + coalesce(idx_scan, 0)), 1) end::float8,
       n_live_tup, seq_tup_read
from pg_stat_user_tables order by seq_tup_read desc limit $1
