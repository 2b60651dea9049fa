-- Who waits for a lock, and for whom. Only the sessions that wait longest are looked at: pg_blocking_pids holds up the lock manager for a moment.
-- Who waits for a row waits for the transaction that has it; which table that is shows in the other locks of the waiter.
with w as (
  select pid, query, query_start from pg_stat_activity
  where wait_event_type = 'Lock' and pid <> pg_backend_pid()
  order by query_start limit 50
), l as (
  select distinct on (k.pid) k.pid, c.oid::regclass::text as relation
  from pg_locks k join pg_class c on c.oid = k.relation and c.relkind in ('r', 'p', 'm')
  where k.mode like '%Exclusive%' and k.pid in (select pid from w) and k.database = (select oid from pg_database where datname = current_database())
  order by k.pid, k.granted, k.locktype = 'tuple' desc
), m as (
  select distinct on (pid) pid, mode, locktype from pg_locks where not granted order by pid
)
select w.pid, extract(epoch from clock_timestamp() - w.query_start)::float8, w.query,
       coalesce(m.mode, ''), coalesce(l.relation, m.locktype, ''),
       b.pid, coalesce(b.usename, ''), coalesce(b.application_name, ''), coalesce(b.state, ''),
       coalesce(extract(epoch from clock_timestamp() - b.xact_start), 0)::float8,
       coalesce(extract(epoch from clock_timestamp() - b.state_change), 0)::float8, b.query,
       cardinality(pg_blocking_pids(b.pid)) > 0
from w
cross join lateral unnest(pg_blocking_pids(w.pid)) as u(blocker)
join pg_stat_activity b on b.pid = u.blocker
left join l on l.pid = w.pid
left join m on m.pid = w.pid
limit 200
