-- What runs longest now.
select pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, ''), coalesce(wait_event_type || '/' || wait_event, ''),
       extract(epoch from clock_timestamp() - query_start)::float8, coalesce(extract(epoch from clock_timestamp() - xact_start), 0)::float8, query
from pg_stat_activity
where pid <> pg_backend_pid() and backend_type = 'client backend' and state <> 'idle' and query_start is not null
order by case when $2 then xact_start else query_start end limit $1
