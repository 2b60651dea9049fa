defmodule Beamlens.Skill.Ecto.TelemetryStore do
  @moduledoc """
  Counts the queries of one repository, from its telemetry: `{Beamlens.Skill.Ecto.TelemetryStore, repo: MyApp.Repo}`.

  A query adds to a few counters, and one of 100 ms or more writes one row of a fixed table: always the same work, in the process of the
  query, with no message and no copy. Kept are five minutes, one by one; times are in classes that double, so a percentile is right to
  within a factor of √2.

  | option | default | |
  |---|---|---|
  | `:repo` | required | the repository |
  | `:telemetry_prefix` | what `repo.config()` says, else from its name | of its events |
  """
  use GenServer

  @compile {:no_warn_undefined, :telemetry}

  @minutes 6
  # Of one minute: count, errors, slow, contention, sums of total and queue time, their greatest, and two histograms (microseconds).
  @count 1
  @errors 2
  @slow 3
  @contention 4
  @sum 5
  @queue_sum 6
  @max 7
  @queue_max 8
  @histogram 8
  @classes 32
  @queue_histogram @histogram + @classes
  @size @queue_histogram + @classes
  # Of the whole: which row comes next.
  @next @minutes * @size + 1

  @slow_us 100_000
  @contention_us 50_000
  @rows 200

  def child_spec(opts), do: %{id: {__MODULE__, opts[:repo]}, start: {__MODULE__, :start_link, [opts]}}

  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: via(Keyword.fetch!(opts, :repo)))

  defp via(repo), do: {:via, Registry, {Beamlens.Skill.Ecto.Registry, repo}}

  @impl true
  def init(opts) do
    repo = opts[:repo]
    Process.flag(:trap_exit, true)
    counters = :counters.new(@next, [:write_concurrency])
    rows = :ets.new(__MODULE__, [:public, write_concurrency: true])
    state = %{counters: counters, rows: rows, handler: {__MODULE__, repo, self()}, clean: minute()}
    # Readers find it without asking this process.
    Registry.update_value(Beamlens.Skill.Ecto.Registry, repo, fn _ -> Map.take(state, [:counters, :rows]) end)
    event = prefix(repo, opts) ++ [:query]

    if Code.ensure_loaded?(:telemetry),
      do: :telemetry.attach(state.handler, event, &__MODULE__.handle_event/4, Map.take(state, [:counters, :rows]))

    :timer.send_interval(1_000, :clean)
    {:ok, state}
  end

  defp prefix(repo, opts) do
    config = if function_exported?(repo, :config, 0), do: repo.config(), else: []

    opts[:telemetry_prefix] || config[:telemetry_prefix] ||
      for(part <- Module.split(repo), do: part |> Macro.underscore() |> String.to_atom())
  end

  @doc false
  # In the process of the query.
  def handle_event(_, times, meta, %{counters: c, rows: rows}) do
    base = rem(minute(), @minutes) * @size
    queue = us(times[:queue_time])
    total = us(times[:total_time] || 0)
    :counters.add(c, base + @count, 1)
    :counters.add(c, base + @sum, total)
    :counters.add(c, base + @queue_sum, queue)
    :counters.add(c, base + @histogram + class(total), 1)
    :counters.add(c, base + @queue_histogram + class(queue), 1)
    # Two at once may lose the greater of them: it is in the histogram.
    if total > :counters.get(c, base + @max), do: :counters.put(c, base + @max, total)
    if queue > :counters.get(c, base + @queue_max), do: :counters.put(c, base + @queue_max, queue)
    if queue >= @contention_us, do: :counters.add(c, base + @contention, 1)
    if match?({:error, _}, meta[:result]), do: :counters.add(c, base + @errors, 1)

    if total >= @slow_us do
      :counters.add(c, base + @slow, 1)
      :counters.add(c, @next, 1)
      n = :counters.get(c, @next)

      row =
        {n, System.system_time(:millisecond), source(meta[:source]), total, us(times[:query_time]), queue, result(meta[:result])}

      :ets.insert(rows, {rem(n, @rows), row})
    end

    :ok
  end

  defp us(nil), do: 0
  defp us(t), do: System.convert_time_unit(t, :native, :microsecond)

  # 1 for less than a microsecond, 2 for one, 3 for two and three, … up to half an hour.
  defp class(us) when us < 1, do: 1
  defp class(us), do: min(@classes, 2 + log2(us, 0))

  defp log2(1, n), do: n
  defp log2(us, n), do: log2(Bitwise.bsr(us, 1), n + 1)

  defp source(s) when is_binary(s), do: :binary.copy(s)
  defp source(_), do: nil

  defp result({:ok, _}), do: "ok"
  defp result({:error, %{__struct__: module}}), do: "error: " <> inspect(module)
  defp result(_), do: "error"

  defp minute, do: System.monotonic_time(:second) |> Integer.floor_div(60) |> Kernel.+(1_000_000_000)

  # The minute to come is emptied before it comes.
  @impl true
  def handle_info(:clean, %{counters: c} = state) do
    next = minute() + 1

    if next != state.clean do
      base = rem(next, @minutes) * @size
      for i <- 1..@size, do: :counters.put(c, base + i, 0)
    end

    {:noreply, %{state | clean: next}}
  end

  def handle_info(_, state), do: {:noreply, state}

  @impl true
  def terminate(_, state) do
    if Code.ensure_loaded?(:telemetry), do: :telemetry.detach(state.handler)
  end

  ## Reading

  @doc "Counts and times of the last five minutes."
  def query_stats(repo) do
    %{counters: c} = of(repo)
    slots = slots()
    count = total(c, slots, @count)

    %{
      window_s: 300,
      query_count: count,
      query_count_1m: total(c, Enum.take(slots, 2), @count),
      avg_query_time_ms: ms(div(total(c, slots, @sum), max(count, 1))),
      max_query_time_ms: ms(greatest(c, slots, @max)),
      p95_query_time_ms: ms(p95(c, slots, @histogram, count) |> min(greatest(c, slots, @max))),
      slow_query_count: total(c, slots, @slow),
      error_count: total(c, slots, @errors)
    }
  end

  @doc "How long queries waited for a connection, in the last five minutes."
  def pool_stats(repo) do
    %{counters: c} = of(repo)
    slots = slots()
    count = total(c, slots, @count)

    %{
      avg_queue_time_ms: ms(div(total(c, slots, @queue_sum), max(count, 1))),
      max_queue_time_ms: ms(greatest(c, slots, @queue_max)),
      p95_queue_time_ms: ms(p95(c, slots, @queue_histogram, count) |> min(greatest(c, slots, @queue_max))),
      high_contention_count: total(c, slots, @contention)
    }
  end

  @doc "The last queries that took 100 ms or more, newest first."
  def slow_queries(repo, limit \\ 10) do
    for {_, {_, at, source, total, query, queue, result}} <-
          of(repo).rows |> :ets.tab2list() |> Enum.sort(&(elem(&1, 1) >= elem(&2, 1))) |> Enum.take(limit) do
      %{
        at: DateTime.from_unix!(at, :millisecond),
        source: source,
        total_time_ms: ms(total),
        query_time_ms: ms(query),
        queue_time_ms: ms(queue),
        result: result
      }
    end
  end

  @doc "Does nothing: a query is counted when its process goes on. In the original, what was in a mailbox had to be waited for."
  def flush(_repo), do: :ok

  defp of(repo) do
    case Registry.lookup(Beamlens.Skill.Ecto.Registry, repo) do
      [{_, %{} = found}] -> found
      _ -> raise "there is no {Beamlens.Skill.Ecto.TelemetryStore, repo: #{inspect(repo)}} in the supervision tree"
    end
  end

  # The last five minutes, newest first.
  defp slots, do: for(back <- 0..4, do: rem(minute() - back, @minutes) * @size)

  defp total(c, slots, i), do: slots |> Enum.map(&:counters.get(c, &1 + i)) |> Enum.sum()
  defp greatest(c, slots, i), do: slots |> Enum.map(&:counters.get(c, &1 + i)) |> Enum.max()

  # The middle of the class that the 95th percentile is in.
  defp p95(_, _, _, 0), do: 0

  defp p95(c, slots, histogram, count) do
    {class, _} =
      Enum.reduce_while(1..@classes, {@classes, 0}, fn class, {_, seen} ->
        seen = seen + total(c, slots, histogram + class)
        if seen * 100 >= count * 95, do: {:halt, {class, seen}}, else: {:cont, {class, seen}}
      end)

    if class < 2, do: 0, else: round(:math.pow(2, class - 2) * 1.41)
  end

  defp ms(us), do: Float.round(us / 1000, 2)
end
