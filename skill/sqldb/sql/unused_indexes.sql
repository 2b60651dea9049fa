-- Indexes that were never used and keep nothing unique, the largest first.
select s.schemaname || '.' || s.relname, s.indexrelname, pg_relation_size(s.indexrelid), s.idx_scan
from pg_stat_user_indexes s join pg_index i on i.indexrelid = s.indexrelid
where s.idx_scan = 0 and not i.indisunique and not i.indisprimary
order by 3 desc limit $1
