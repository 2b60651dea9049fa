-- Who has how many connections.
select coalesce(nullif(application_name, ''), usename, '?'), coalesce(usename, '?'), coalesce(datname, '?'), count(*),
       count(*) filter (where state = 'active'), count(*) filter (where state = 'idle'), count(*) filter (where state like 'idle in transaction%'),
       coalesce(max(extract(epoch from clock_timestamp() - state_change)) filter (where state like 'idle%'), 0)::float8
from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid()
group by 1, 2, 3 order by 4 desc limit 50
