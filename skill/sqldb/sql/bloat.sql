-- Dead rows that no vacuum has taken away yet.
select schemaname || '.' || relname, n_live_tup, n_dead_tup,
       case when n_live_tup + n_dead_tup = 0 then 0 else round(100.0 * n_dead_tup / (n_live_tup + n_dead_tup), 1) end::float8,
       coalesce(extract(epoch from clock_timestamp() - greatest(last_vacuum, last_autovacuum)), -1)::float8
from pg_stat_user_tables where n_dead_tup > 0 order by n_dead_tup desc limit $1
