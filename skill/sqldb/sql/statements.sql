-- The statements that took most time in all; pg_stat_statements of PostgreSQL 13 and later.
select coalesce(queryid, 0), calls, total_exec_time::float8, rows, (shared_blks_hit + shared_blks_read)::bigint, query
from pg_stat_statements
where query not like '%pg_stat_%' order by total_exec_time desc limit 200
