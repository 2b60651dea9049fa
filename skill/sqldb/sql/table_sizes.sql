select s.schemaname || '.' || s.relname, pg_table_size(s.relid), pg_indexes_size(s.relid), s.n_live_tup
from pg_stat_user_tables s join pg_class c on c.oid = s.relid
order by c.relpages desc limit $1
