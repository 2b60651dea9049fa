defmodule Beamlens.Skill.Ecto do
  @moduledoc """
  A skill that watches the queries of one Ecto repository, from Ecto's telemetry.

      defmodule MyApp.EctoSkill do
        use Beamlens.Skill.Ecto, repo: MyApp.Repo
      end

      children = [
        MyApp.Repo,
        {Registry, keys: :unique, name: Beamlens.Skill.Ecto.Registry},
        {Beamlens.Skill.Ecto.TelemetryStore, repo: MyApp.Repo},
        {Beamlens, operators: [[name: :ecto, skill: MyApp.EctoSkill]]}
      ]

  | callback | |
  |---|---|
  | `ecto_query_stats()` | counts, times and errors of the last five minutes |
  | `ecto_slow_queries(limit)` | queries of 100 ms and more, newest first: source and times, neither text nor parameters |
  | `ecto_pool_stats()` | how long queries waited for a connection |
  | `ecto_db_slow_queries(limit)`, `ecto_index_usage()`, `ecto_unused_indexes()`, `ecto_table_sizes(limit)`, `ecto_cache_hit()`, `ecto_locks()`, `ecto_long_running()`, `ecto_bloat(limit)`, `ecto_connections()` | PostgreSQL's own statistics, through `:ecto_psql_extras` if the application has it |

  It compiles with and without Ecto; whether `:ecto_psql_extras` is there is decided when it is asked.
  """

  alias Beamlens.Skill.Ecto.TelemetryStore

  @compile {:no_warn_undefined, EctoPSQLExtras}

  defmacro __using__(opts) do
    quote bind_quoted: [repo: opts[:repo]] do
      @behaviour Beamlens.Skill
      @beamlens_repo repo

      @impl true
      def id, do: :ecto
      @impl true
      def title, do: "queries of #{inspect(@beamlens_repo)}"
      @impl true
      def description, do: "query times, errors and the connection pool of #{inspect(@beamlens_repo)}"
      @impl true
      def system_prompt, do: Beamlens.Skill.Ecto.system_prompt()
      @impl true
      def snapshot, do: Beamlens.Skill.Ecto.snapshot(@beamlens_repo)
      @impl true
      def callbacks, do: Beamlens.Skill.Ecto.callbacks(@beamlens_repo)
      @impl true
      def callback_docs, do: Beamlens.Skill.Ecto.callback_docs()
      @impl true
      def rules, do: Beamlens.Skill.Ecto.rules()
    end
  end

  @doc false
  def system_prompt do
    """
    You watch the database queries of an application, as Ecto sees them. Look for: averages that rise, a 95th percentile far over the
    average, queries that wait for a connection (the pool is too small, or something holds connections), errors, unused indexes, a low
    cache hit rate, locks that block, and transactions that last. A query that is slow once is nothing.
    """
  end

  @doc false
  def rules do
    [
      %{metric: "error_count", above: 20, severity: :warning, for_s: 3, doc: "queries fail again and again"},
      %{
        metric: "p95_queue_time_ms",
        above: 500,
        severity: :warning,
        for_s: 10,
        doc: "queries wait for a connection: the pool is exhausted"
      }
    ]
  end

  @doc false
  def snapshot(repo) do
    stats = TelemetryStore.query_stats(repo)
    pool = TelemetryStore.pool_stats(repo)

    stats
    |> Map.take([:query_count_1m, :avg_query_time_ms, :max_query_time_ms, :p95_query_time_ms, :slow_query_count, :error_count])
    |> Map.put(:p95_queue_time_ms, pool.p95_queue_time_ms)
  end

  @doc false
  def callbacks(repo) do
    extras = fn name, args -> extras(repo, name, args) end

    %{
      "ecto_query_stats" => fn -> TelemetryStore.query_stats(repo) end,
      "ecto_slow_queries" => fn limit -> TelemetryStore.slow_queries(repo, limit(limit)) end,
      "ecto_pool_stats" => fn -> TelemetryStore.pool_stats(repo) end,
      "ecto_db_slow_queries" => fn limit -> extras.(:outliers, limit: limit(limit)) end,
      "ecto_index_usage" => fn -> extras.(:index_usage, []) end,
      "ecto_unused_indexes" => fn -> extras.(:unused_indexes, []) end,
      "ecto_table_sizes" => fn limit -> extras.(:table_size, []) |> first(limit(limit)) end,
      "ecto_cache_hit" => fn -> extras.(:cache_hit, []) end,
      "ecto_locks" => fn -> extras.(:locks, []) end,
      "ecto_long_running" => fn -> extras.(:long_running_queries, []) end,
      "ecto_bloat" => fn limit -> extras.(:bloat, []) |> first(limit(limit)) end,
      "ecto_connections" => fn -> extras.(:connections, []) end
    }
  end

  @doc false
  def callback_docs do
    """
    - `ecto_query_stats()` → {window_s, query_count, query_count_1m, avg_query_time_ms, max_query_time_ms, p95_query_time_ms, slow_query_count, error_count}
    - `ecto_slow_queries(limit = 10)` → [{at, source, total_time_ms, query_time_ms, queue_time_ms, result}], newest first
    - `ecto_pool_stats()` → {avg_queue_time_ms, max_queue_time_ms, p95_queue_time_ms, high_contention_count}
    - `ecto_db_slow_queries(limit = 10)` → [{query, exec_time_ms, prop_exec_time, calls, sync_io_time_ms}], most time in all first
    - `ecto_index_usage()`, `ecto_unused_indexes()`, `ecto_table_sizes(limit = 10)`, `ecto_cache_hit()`,
      `ecto_locks()`, `ecto_long_running()`, `ecto_bloat(limit = 10)`, `ecto_connections()` → rows of PostgreSQL's statistics, or
      {error = "not_available_for_this_database"}
    """
  end

  defp limit(n) when is_number(n), do: n |> trunc() |> max(1) |> min(50)
  defp limit(_), do: 10

  defp first(rows, n) when is_list(rows), do: Enum.take(rows, n)
  defp first(error, _), do: error

  defp extras(repo, name, args) do
    if postgres?(repo) and Code.ensure_loaded?(EctoPSQLExtras) do
      %{columns: columns, rows: rows} =
        EctoPSQLExtras.query(name, repo, [format: :raw] ++ if(args == [], do: [], else: [args: args]))

      # The text of a query that runs stays in the application: its parameters may be in it.
      shown = columns |> Enum.with_index() |> Enum.reject(fn {c, _} -> c in hidden(name) end)
      for row <- Enum.take(rows, 50), do: for({c, i} <- shown, into: %{}, do: shown(c, Enum.at(row, i)))
    else
      %{error: "not_available_for_this_database"}
    end
  end

  # pg_stat_statements has a place holder for each constant of these.
  defp hidden(:outliers), do: []
  defp hidden(_), do: ["query", "sql_snippet"]

  @normalized ~r/^\s*(select|insert|update|delete|with|merge)\b/i

  defp shown("query", text) when is_binary(text) do
    {"query", if(text =~ @normalized, do: String.slice(text, 0, 300), else: "another statement than a query")}
  end

  # An interval.
  defp shown(column, %{secs: s, days: d, months: 0, microsecs: us}), do: {column <> "_ms", (d * 86_400 + s) * 1_000 + us / 1_000}
  defp shown(column, value), do: {column, value}

  defp postgres?(repo), do: function_exported?(repo, :__adapter__, 0) and repo.__adapter__() == Ecto.Adapters.Postgres
end
