defmodule Real.Repo do
  use Ecto.Repo, otp_app: :real, adapter: Ecto.Adapters.Postgres
end

defmodule Real.EctoSkill do
  use Beamlens.Skill.Ecto, repo: Real.Repo
end

defmodule Real do
  @moduledoc false
  # What real.sh runs: the package with the real libraries.
  use Application

  def start(_, _) do
    children = [
      Real.Repo,
      {Registry, keys: :unique, name: Beamlens.Skill.Ecto.Registry},
      {Beamlens.Skill.Ecto.TelemetryStore, repo: Real.Repo},
      {Beamlens, operators: [:beam, :exception, [name: :ecto, skill: Real.EctoSkill]]}
    ]

    Supervisor.start_link(children, strategy: :one_for_one)
  end

  def check do
    me = self()

    for event <- [:alert_fired, :state_change],
        do: :telemetry.attach({me, event}, [:beamlens, :operator, event], &__MODULE__.heard/4, me)

    await(fn -> Enum.all?(Beamlens.list_operators(), & &1.running) end)
    IO.puts("telemetry #{Application.spec(:telemetry, :vsn)}, ecto and tower from their sources")

    # Queries of a real pool.
    for _ <- 1..50, do: Real.Repo.query!("select 1")
    Real.Repo.query!("select pg_sleep(0.15)")
    {:error, _} = Real.Repo.query("select nonsense")
    %{query_count: n, slow_query_count: 1, error_count: 1} = stats = Beamlens.Skill.Ecto.TelemetryStore.query_stats(Real.Repo)
    true = n >= 52
    IO.puts("ecto: #{inspect(stats)}")
    IO.puts("slow: #{inspect(Beamlens.Skill.Ecto.TelemetryStore.slow_queries(Real.Repo, 5))}")

    # PostgreSQL's own statistics, of a table with an index that nobody uses, a transaction that lasts, and what was slow.
    callbacks = Real.EctoSkill.callbacks()
    Real.Repo.query!("create extension pg_stat_statements")
    Real.Repo.query!("create table beds as select n as id, repeat('x', 100) as plant from generate_series(1, 50000) n")
    Real.Repo.query!("create index beds_plant on beds (plant)")
    Real.Repo.query!("select pg_sleep(0.2)")
    Real.Repo.query!("analyze beds")
    %{"ecto_table_sizes" => 1, "ecto_unused_indexes" => 1, "ecto_db_slow_queries" => 1} = rows(callbacks)

    for name <- ~w(ecto_index_usage ecto_unused_indexes ecto_cache_hit ecto_locks ecto_long_running ecto_connections) do
      rows = callbacks[name].()
      true = is_list(rows)
      IO.puts("#{name}: #{rows |> Beamlens.Safe.value() |> Enum.take(2) |> inspect()}")
    end

    for name <- ~w(ecto_table_sizes ecto_bloat), do: true = is_list(callbacks[name].(5))

    # What a query costs with our handler, and without.
    {with_us, _} = :timer.tc(fn -> for(_ <- 1..100_000, do: execute()) end)
    [%{id: id}] = :telemetry.list_handlers([:real, :repo, :query])
    :telemetry.detach(id)
    {without, _} = :timer.tc(fn -> for(_ <- 1..100_000, do: execute()) end)
    IO.puts("our handler takes #{(with_us - without) / 100_000} us a query")

    # Tower passes on what is reported.
    for _ <- 1..200 do
      try do
        raise ArgumentError, "the cart is full"
      rescue
        e -> Tower.report_exception(e, __STACKTRACE__)
      end

      Process.sleep(25)
    end

    alert =
      receive do
        {:alert_fired, %{alert: %Beamlens.Alert{operator: :exception} = alert}} -> alert
      after
        30_000 -> raise "no alert"
      end

    IO.puts("tower: #{alert.summary}")

    # What was fired, as JSON and back.
    text = Jason.encode!(alert)
    decoded = Jason.decode!(text)
    true = Enum.sort(Map.keys(decoded)) == alert |> Map.from_struct() |> Map.keys() |> Enum.map(&to_string/1) |> Enum.sort()
    true = decoded["summary"] == alert.summary and decoded["operator"] == "exception"
    {:ok, at, 0} = DateTime.from_iso8601(decoded["detected_at"])
    true = at == alert.detected_at
    true = hd(decoded["snapshots"])["data"] == hd(alert.snapshots).data
    {:ok, _} = Jason.encode(Beamlens.Insight.new(%{"id" => "1", "alert_ids" => [alert.id], "confidence" => "high"}))

    IO.puts(
      "jason: #{byte_size(text)} bytes, through #{inspect(Jason.Encoder.impl_for(alert))}, consolidated: #{Protocol.consolidated?(Jason.Encoder)}"
    )

    IO.puts("ALL IS WELL")
  end

  # How many there are of what was made above.
  defp rows(callbacks) do
    ours = [
      {"ecto_table_sizes", [5], &(inspect(&1) =~ "beds")},
      {"ecto_unused_indexes", [], &(inspect(&1) =~ "beds_plant")},
      {"ecto_db_slow_queries", [10], &match?(%{"query" => "select pg_sleep($1)", "exec_time_ms" => ms} when ms > 300, &1)}
    ]

    for {name, args, fun} <- ours, into: %{} do
      rows = name |> then(&apply(callbacks[&1], args)) |> Beamlens.Safe.value()
      IO.puts("#{name}: #{inspect(Enum.filter(rows, fun))}")
      {name, rows |> Enum.filter(fun) |> length() |> min(1)}
    end
  end

  defp execute,
    do:
      :telemetry.execute([:real, :repo, :query], %{total_time: 5_000, query_time: 4_000, queue_time: 100}, %{
        source: "x",
        result: {:ok, nil}
      })

  def heard([_, _, event], _, meta, me), do: send(me, {event, meta})

  defp await(fun, n \\ 500) do
    cond do
      fun.() -> :ok
      n == 0 -> raise "not in time"
      true -> Process.sleep(20) && await(fun, n - 1)
    end
  end
end
