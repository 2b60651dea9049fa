-- Everything that a snapshot has, in one round trip. Our own session is left out.
with a as (
  select state, wait_event_type, backend_type, usename,
         extract(epoch from clock_timestamp() - query_start) as query_s,
         extract(epoch from clock_timestamp() - xact_start) as xact_s,
         extract(epoch from clock_timestamp() - state_change) as state_s,
         query like 'autovacuum:%' or query ilike 'copy %' or query ilike 'vacuum%' or query ilike 'create index%' or query ilike 'reindex%'
           or query ilike 'analyze%' or query ilike 'refresh %' or query ilike 'cluster%' or query ilike '%pg_sleep%' as maintenance,
         query = '<insufficient privilege>' as hidden
  from pg_stat_activity
  where pid <> pg_backend_pid() and backend_type = 'client backend'
), d as (
  select sum(xact_commit) as commits, sum(xact_rollback) as rollbacks, sum(blks_hit) as hits, sum(blks_read) as reads,
         sum(deadlocks) as deadlocks, sum(temp_bytes) as temp_bytes
  from pg_stat_database
)
select
  current_setting('max_connections')::bigint,
  count(*),
  count(*) filter (where state = 'active'),
  count(*) filter (where state like 'idle in transaction%'),
  count(*) filter (where state = 'active' and wait_event_type = 'Lock'),
  count(*) filter (where state = 'active' and wait_event_type = 'Lock' and query_s > 5),
  count(*) filter (where state = 'active' and wait_event_type is distinct from 'Lock' and query_s > 5 and not maintenance),
  coalesce(max(query_s) filter (where state = 'active' and not maintenance), 0)::float8,
  coalesce(max(xact_s) filter (where not maintenance), 0)::float8,
  coalesce(max(state_s) filter (where state like 'idle in transaction%'), 0)::float8,
  coalesce(bool_or(hidden), false),
  (select coalesce(commits, 0)::bigint from d), (select coalesce(rollbacks, 0)::bigint from d),
  (select coalesce(hits, 0)::bigint from d), (select coalesce(reads, 0)::bigint from d),
  (select coalesce(deadlocks, 0)::bigint from d), (select coalesce(temp_bytes, 0)::bigint from d)
from a
