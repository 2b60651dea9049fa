defmodule Beamlens.Engine do
  @moduledoc """
  Owns the engine, a program of its own that runs as a port, and serves what it asks.

  The engine reads this VM through calls of the probe's functions and of your skills' callbacks; nothing else is served, whatever it asks.
  Each call has a process of its own (low priority, a heap limit, a time limit), and at most eight are worked on at a time.

  | when | then |
  |---|---|
  | the engine dies | it is started again after 0.2 s, and later with more patience: 0.4 s, 0.8 s … |
  | it dies again and again, or is missing, or is another program | one message says so, and it is tried again every five minutes |
  | it is silent for ten seconds | it is killed, and started again |
  | it says more than 20,000 things in a second | likewise: it says some ten |
  | an operator is started or stopped | the engine that runs is told, and every later one |
  | there are no operators | there is no engine: the first starts it |
  | it does not read | what it should be told is dropped; no process of yours ever waits for it |
  | this application stops | it is told, and killed if it has not ended after 2.5 seconds |
  | this VM dies | it sees its input end, writes what it knows into `<store>.last.json`, and ends |
  """
  use GenServer

  alias Beamlens.{Binary, Notifier, Safe, Skill, Status, Worker}

  @workers 8
  @call_time 15_000
  @skill_time 5_000
  @first_time 2_000
  @first_pause 300
  @greet_time 20_000
  @check 1_000
  # Messages between two checks.
  @most_said 20_000
  @min_delay 200
  @max_delay 10_000
  # Deaths in a row, each within @steady of its start, until we are patient.
  @patience 5
  @steady 60_000
  @rare 300_000
  @stop_time 2_500
  # Who starts an operator waits so long for it.
  @settle_time 15_000
  # What these functions of the probe do is not for the engine to ask.
  @not_served [:module_info, :loop, :start, :handle, :tick, :stop, :log, :filter, :behaviour_info]

  def start_link(config), do: GenServer.start_link(__MODULE__, config, name: __MODULE__)

  def child_spec(config), do: %{id: __MODULE__, start: {__MODULE__, :start_link, [config]}, shutdown: @stop_time + 2_000}

  @doc false
  def ask(kind, text, time) do
    GenServer.call(__MODULE__, {kind, text, time}, time + 500)
  catch
    :exit, {:timeout, _} -> {:error, :timeout}
    :exit, _ -> {:error, :not_running}
  end

  @doc false
  # An operator has come. It is in the table.
  def changed do
    if pid = Process.whereis(__MODULE__), do: send(pid, :operators)
    :ok
  end

  @doc false
  # Waits until the engine has an operator: :ok, {:error, text}, or :later, when there is no engine now.
  def await(name) do
    GenServer.call(__MODULE__, {:await, name}, @settle_time)
  catch
    :exit, _ -> :later
  end

  @doc false
  # Waits until the engine has ended an operator whose process has ended.
  def await_end(name) do
    GenServer.call(__MODULE__, {:await_end, name}, @settle_time)
  catch
    :exit, _ -> :ok
  end

  @doc false
  # For tests and for people: what the engine process knows of its engine.
  def facts, do: GenServer.call(__MODULE__, :facts)

  @impl true
  def init(config) do
    Process.flag(:trap_exit, true)
    Process.flag(:message_queue_data, :off_heap)

    state = %{
      config: config,
      served: served(),
      phase: :idle,
      port: nil,
      os_pid: nil,
      # By name: %{op, pid, ref, stage, described, waiting}. The stage is :new, :describing, :ready, :adding, :added or {:refused, text}.
      operators: %{},
      monitors: %{},
      describer: nil,
      began: nil,
      heard: nil,
      said: 0,
      workers: %{},
      refs: %{},
      asks: %{},
      last_ask: 0,
      calls: :counters.new(1, []),
      failures: 0,
      resting: false,
      dropped: 0
    }

    Process.send_after(self(), :check, @check)
    {:ok, state, {:continue, :start}}
  end

  # {module, function, arity}, as the engine names them => what is called. Nothing that the engine says becomes an atom.
  defp served do
    for module <- probe_modules(), {function, arity} <- module.module_info(:exports), function not in @not_served, into: %{} do
      {{Atom.to_string(module), Atom.to_string(function), arity}, {module, function}}
    end
  end

  defp probe_modules do
    _ = Application.load(:beamlens)
    modules = for m <- Application.spec(:beamlens, :modules), String.starts_with?(Atom.to_string(m), "beamlens_probe"), do: m
    Enum.each(modules, &Code.ensure_loaded/1)
    modules
  end

  ## Starting: the skills are asked what they are, then the port is opened, and the engine greets

  @impl true
  def handle_continue(:start, state), do: {:noreply, state |> look() |> begin()}

  defp begin(%{operators: none} = state) when none == %{}, do: %{state | phase: :idle}

  # Skills are asked anew each time: what they say may have changed.
  defp begin(state) do
    operators = Map.new(state.operators, fn {name, o} -> {name, %{o | stage: :new, described: nil}} end)
    describe(%{state | phase: :describing, operators: operators})
  end

  # In a process of its own: this is code of the application.
  defp describe(%{describer: nil} = state) do
    case for({name, %{stage: :new}} <- state.operators, do: name) do
      [] ->
        state

      names ->
        custom = for name <- names, %{op: %{module: module} = op} when module != nil <- [state.operators[name]], do: op
        {pid, ref} = spawn_monitor(fn -> exit({:described, Map.new(custom, &{&1.name, describe_one(&1)})}) end)
        %{stage(state, names, :describing) | describer: {pid, ref}}
    end
  end

  defp describe(state), do: state

  defp stage(state, names, stage) do
    operators = Enum.reduce(names, state.operators, fn name, all -> Map.update!(all, name, &%{&1 | stage: stage}) end)
    %{state | operators: operators}
  end

  defp describe_one(op) do
    with {:ok, %{} = told} <- Worker.run(fn -> op.module |> Skill.describe() |> Safe.value() end, @skill_time) do
      case first_snapshot(op, 3) do
        {:ok, metrics} ->
          {:ok, Map.put(told, "metrics", metrics)}

        {:error, text} ->
          {:ok, Map.put(told, "metrics", []),
           "its first snapshot failed, so no number of it is watched until the engine is started again: #{text}"}
      end
    end
  end

  # They have been asked; those that came meanwhile are asked next.
  defp described(state, answers) do
    names = for {name, %{stage: :describing}} <- state.operators, do: name

    state =
      Enum.reduce(names, %{state | describer: nil}, fn name, state ->
        case answers do
          %{^name => {:error, text}} ->
            refused(state, name, "operator #{inspect(name)} is left out: #{text}")

          %{^name => told} ->
            with {:ok, _, text} <- told, do: log(state, :warning, "operator #{inspect(name)}: #{text}")
            put_in(state.operators[name], %{state.operators[name] | stage: :ready, described: elem(told, 1)})

          _ ->
            stage(state, [name], :ready)
        end
      end)

    new? = Enum.any?(state.operators, fn {_, o} -> o.stage == :new end)

    case state.phase do
      :describing when state.operators == %{} -> %{state | phase: :idle}
      :describing when not new? -> open(state)
      :running -> state |> add() |> describe()
      _ -> describe(state)
    end
  end

  # Tells the engine of those that it does not have.
  defp add(state) do
    Enum.reduce(in_order(state, :ready), state, fn o, state ->
      id = state.last_ask + 1

      %{state | last_ask: id, asks: Map.put(state.asks, id, {:added, o.op.name})}
      |> stage([o.op.name], :adding)
      |> say({:add, id, wire(o)})
    end)
  end

  defp in_order(state, stage) do
    order = Status.entries() |> Enum.map(fn {op, _} -> op.name end) |> Enum.with_index() |> Map.new()
    for({_, %{stage: ^stage} = o} <- state.operators, do: o) |> Enum.sort_by(&order[&1.op.name])
  end

  defp refused(state, name, text) do
    log(state, :error, text)
    answer(state, name, {:refused, text}, {:error, text})
  end

  # Its stage from now on, and what those are told who wait for it.
  defp answer(state, name, stage, reply) do
    o = state.operators[name]
    for from <- o.waiting, do: GenServer.reply(from, reply)
    put_in(state.operators[name], %{o | stage: stage, waiting: []})
  end

  ## The operators that there are

  # Those that have come since.
  defp look(state) do
    Enum.reduce(Status.entries(), state, fn {op, pid}, state ->
      case state.operators[op.name] do
        _ when not op.loop -> state
        %{pid: ^pid} -> state
        %{} -> state |> gone(op.name) |> come(op, pid)
        nil -> come(state, op, pid)
      end
    end)
  end

  defp come(state, op, pid) do
    ref = Process.monitor(pid)
    operator = %{op: op, pid: pid, ref: ref, stage: :new, described: nil, waiting: []}
    %{state | operators: Map.put(state.operators, op.name, operator), monitors: Map.put(state.monitors, ref, op.name)}
  end

  defp gone(state, name) do
    {o, operators} = Map.pop(state.operators, name)
    Process.demonitor(o.ref, [:flush])
    Status.delete(o.op, o.pid)
    for from <- o.waiting, do: GenServer.reply(from, {:error, "it was stopped"})
    state = %{state | operators: operators, monitors: Map.delete(state.monitors, o.ref)}

    if state.phase == :running and o.stage in [:adding, :added] do
      id = state.last_ask + 1
      say(%{state | last_ask: id, asks: Map.put(state.asks, id, {:removed, name, []})}, {:remove, id, o.op.wire})
    else
      state
    end
  end

  # The first operators start an engine, and one that runs is told.
  defp looked(state) do
    state = look(state)
    if state.phase == :idle, do: begin(state), else: if(state.phase == :running, do: describe(state), else: state)
  end

  # What it reads may be started after us.
  defp first_snapshot(op, attempts) do
    case Worker.run(fn -> op.module.snapshot() |> Skill.metrics() end, @first_time) do
      {:error, _} when attempts > 1 ->
        Process.sleep(@first_pause)
        first_snapshot(op, attempts - 1)

      result ->
        result
    end
  end

  defp open(state) do
    with {:ok, path} <- Binary.find(state.config.path),
         {:ok, port} <- Binary.open(path) do
      os_pid = with {:os_pid, pid} <- Port.info(port, :os_pid), do: pid
      %{state | phase: :greeting, port: port, os_pid: os_pid, began: now(), heard: now()}
    else
      {:error, text} -> missing(state, text)
    end
  end

  # Without an engine the application runs on. It is said once, and tried again now and then: it may be installed meanwhile.
  defp missing(state, text) do
    unless state.resting, do: log(state, :error, "#{text} The application runs on without BeamLens.")
    later(%{state | resting: true}, @rare)
  end

  defp later(state, delay) do
    Process.send_after(self(), :start, delay)
    # Whoever waits does not wait for that.
    for {_, o} <- state.operators, from <- o.waiting, do: GenServer.reply(from, :later)
    operators = Map.new(state.operators, fn {name, o} -> {name, %{o | waiting: []}} end)
    %{state | phase: :waiting, port: nil, os_pid: nil, operators: operators}
  end

  defp greet(state) do
    c = state.config
    ready = in_order(state, :ready)

    hello = %{
      node: node(),
      app: c.app,
      otp: System.otp_release(),
      elixir: System.version(),
      version: to_string(Application.spec(:beamlens, :vsn)),
      store: Binary.store(c.store, c.app),
      operators: Enum.map(ready, &wire/1),
      coordinator: compaction(c.coordinator),
      client_registry: Safe.value(c.client_registry),
      interval_ms: c.interval,
      heartbeat_ms: c.heartbeat
    }

    state = say(%{state | phase: :running}, {:hello, 1, hello})
    state = Enum.reduce(ready, state, &answer(&2, &1.op.name, :added, :ok))
    describe(state)
  end

  defp wire(%{op: op, described: described}) do
    base = Map.merge(%{name: op.wire, skill: Atom.to_string(op.id)}, compaction(Map.to_list(Map.from_struct(op))))
    if described, do: Map.merge(base, %{module: op.key, custom: described}), else: base
  end

  defp compaction(options) do
    for key <- [:compaction_max_tokens, :compaction_keep_last], is_integer(options[key]), into: %{}, do: {key, options[key]}
  end

  ## What comes

  @impl true
  def handle_call({kind, text, time}, from, state) when kind in [:ask, :payload] do
    if state.phase == :running do
      id = state.last_ask + 1
      Process.send_after(self(), {:forget, id}, time)
      {:noreply, say(%{state | last_ask: id, asks: Map.put(state.asks, id, from)}, {kind, id, text})}
    else
      {:reply, {:error, :not_running}, state}
    end
  end

  def handle_call({:await, name}, from, state) do
    state = looked(state)

    case state.operators[name] do
      %{stage: :added} -> {:reply, :ok, state}
      %{stage: {:refused, text}} -> {:reply, {:error, text}, state}
      %{} = o when state.phase != :waiting -> {:noreply, put_in(state.operators[name], %{o | waiting: [from | o.waiting]})}
      _ -> {:reply, :later, state}
    end
  end

  def handle_call({:await_end, name}, from, state) do
    # That its process has ended may be heard of later.
    state = if o = state.operators[name], do: if(Process.alive?(o.pid), do: state, else: gone(state, name)), else: state

    case Enum.find(state.asks, &match?({_, {:removed, ^name, _}}, &1)) do
      {id, {_, _, waiting}} -> {:noreply, put_in(state.asks[id], {:removed, name, [from | waiting]})}
      nil -> {:reply, :ok, state}
    end
  end

  def handle_call(:facts, _, state) do
    {:reply,
     Map.take(state, [:phase, :os_pid, :failures, :resting, :dropped, :calls]) |> Map.put(:workers, map_size(state.workers)),
     state}
  end

  @impl true
  def handle_info({port, {:data, _}}, %{port: port, said: said} = state) when said >= @most_said do
    if said == @most_said do
      log(state, :warning, "the engine says more than #{@most_said} things in a second, and is killed")
      Binary.kill(state.os_pid)
    end

    {:noreply, %{state | said: said + 1, dropped: state.dropped + 1}}
  end

  def handle_info({port, {:data, data}}, %{port: port} = state) do
    state = %{state | heard: now(), said: state.said + 1}

    # An atom that nobody here knows, or a message of another shape: whatever the engine says, it does not bring this process down.
    try do
      {:noreply, data |> :erlang.binary_to_term([:safe]) |> handle(state)}
    catch
      _, _ -> {:noreply, %{state | dropped: state.dropped + 1}}
    end
  end

  def handle_info({port, {:exit_status, status}}, %{port: port} = state), do: {:noreply, died(state, status)}

  def handle_info({:DOWN, ref, _, _, why}, %{describer: {_, ref}} = state) do
    case why do
      {:described, answers} ->
        {:noreply, described(state, answers)}

      _ ->
        {:noreply,
         described(state, Map.new(state.operators, fn {name, _} -> {name, {:error, "asking it failed: #{inspect(why)}"}} end))}
    end
  end

  def handle_info({:DOWN, ref, _, _, _}, %{monitors: monitors} = state) when is_map_key(monitors, ref),
    do: {:noreply, gone(state, monitors[ref])}

  def handle_info({:DOWN, ref, _, _, why}, state) do
    case Map.pop(state.refs, ref) do
      {nil, _} -> {:noreply, state}
      {id, refs} -> {:noreply, finished(%{state | refs: refs}, id, why)}
    end
  end

  def handle_info({:expire, id, ref}, state) do
    case state.workers do
      %{^id => {_, ^ref, _}} -> {:noreply, state |> drop_worker(id) |> say({:error, id, :timeout, "its time is over", []})}
      _ -> {:noreply, state}
    end
  end

  def handle_info({:forget, id}, state), do: {:noreply, %{state | asks: Map.delete(state.asks, id)}}
  def handle_info(:operators, state), do: {:noreply, looked(state)}
  def handle_info(:start, %{phase: :waiting} = state), do: {:noreply, state |> look() |> begin()}

  def handle_info(:check, state) do
    Process.send_after(self(), :check, @check)
    {:noreply, check(%{state | said: 0})}
  end

  # How the engine ended is told by its exit status, except when there was something to be written to it.
  def handle_info({:EXIT, port, _}, %{port: port} = state) do
    Binary.kill(state.os_pid)
    {:noreply, died(state, "unknown")}
  end

  def handle_info(_, state), do: {:noreply, state}

  defp handle({:hello, 1, %{}}, %{phase: :greeting} = state), do: greet(state)

  defp handle({:hello, version, _}, %{phase: :greeting} = state) do
    log(
      state,
      :error,
      "The engine speaks version #{inspect(version)} of the protocol, this package 1: run `mix beamlens.install`. The application runs on without BeamLens."
    )

    Binary.kill(state.os_pid)
    %{state | resting: true}
  end

  defp handle({:call, id, module, function, args}, state) when is_list(args) do
    case state.served[{module, function, length(args)}] do
      {m, f} ->
        args = Enum.map(args, &if(&1 == :beamlens_engine, do: self(), else: &1))
        work(state, id, @call_time, &Worker.probe(&1, id, m, f, args))

      nil ->
        refuse(state, id, module, function, args)
    end
  end

  defp handle({:skill, id, name, callback, args}, state) when is_list(args) do
    case Enum.find_value(state.operators, fn {_, %{op: op}} -> if(op.key == name, do: op.module) end) do
      nil ->
        say(state, {:error, id, :refused, "there is no skill #{name} here", []})

      module ->
        work(
          state,
          id,
          @skill_time,
          &Worker.skill(&1, id, fn ->
            Safe.value(if(callback == "", do: module.snapshot(), else: Skill.call(module, callback, args)))
          end)
        )
    end
  end

  defp handle({:cancel, id}, state), do: drop_worker(state, id)
  defp handle({:notify, event}, state), do: tell(state, {:event, event})
  defp handle({:log, level, text}, state), do: log(state, level, text)

  defp handle({:status, status}, state) do
    Status.update(status)
    state
  end

  defp handle({:answer, id, result}, state) do
    case Map.pop(state.asks, id) do
      {nil, _} ->
        state

      {{:added, name}, asks} ->
        added(%{state | asks: asks}, name, result)

      {{:removed, _, waiting}, asks} ->
        for from <- waiting, do: GenServer.reply(from, :ok)
        %{state | asks: asks}

      {from, asks} ->
        GenServer.reply(from, result)
        %{state | asks: asks}
    end
  end

  defp handle(_, state), do: %{state | dropped: state.dropped + 1}

  # It may have gone, or have been begun anew, meanwhile.
  defp added(state, name, result) do
    case {state.operators[name], result} do
      {%{stage: :adding}, {:ok, _}} -> answer(state, name, :added, :ok)
      {%{stage: :adding}, {:error, text}} -> refused(state, name, "operator #{inspect(name)} is left out: #{text}")
      _ -> state
    end
  end

  # A function of the probe that this package does not have is undefined, as it would be elsewhere; all the rest is refused.
  defp refuse(state, id, "beamlens_probe" <> _, _, _), do: say(state, {:error, id, :error, :undef, []})

  defp refuse(state, id, module, function, args),
    do: say(state, {:error, id, :refused, "#{module}:#{function}/#{length(args)} is none of the probe's functions", []})

  ## Workers

  defp work(state, id, _, _) when map_size(state.workers) >= @workers,
    do: say(state, {:error, id, :busy, "#{@workers} calls are worked on", []})

  defp work(state, id, time, start) do
    {pid, ref} = start.(state.port)
    :counters.add(state.calls, 1, 1)
    timer = Process.send_after(self(), {:expire, id, ref}, time)
    %{state | workers: Map.put(state.workers, id, {pid, ref, timer}), refs: Map.put(state.refs, ref, id)}
  end

  defp finished(state, id, why) do
    {{_, _, timer}, workers} = Map.pop(state.workers, id)
    Process.cancel_timer(timer)
    state = %{state | workers: workers}
    # One that ended normally has answered.
    if why == :normal,
      do: state,
      else:
        say(
          state,
          {:error, id, :killed, "it needed too much memory, or was killed: #{inspect(why, limit: 5, printable_limit: 100)}", []}
        )
  end

  defp drop_worker(state, id) do
    case Map.pop(state.workers, id) do
      {nil, _} ->
        state

      {{pid, ref, timer}, workers} ->
        Process.demonitor(ref, [:flush])
        Process.exit(pid, :kill)
        Process.cancel_timer(timer)
        %{state | workers: workers, refs: Map.delete(state.refs, ref)}
    end
  end

  ## Its life

  # Never waits: an engine that does not read is told no more.
  defp say(%{port: nil} = state, _), do: state

  defp say(state, message) do
    if :erlang.port_command(state.port, :erlang.term_to_binary(message), [:nosuspend]),
      do: state,
      else: %{state | dropped: state.dropped + 1}
  rescue
    ArgumentError -> state
  end

  defp check(%{phase: phase} = state) when phase in [:greeting, :running] do
    silent = now() - state.heard

    if silent > if(phase == :greeting, do: @greet_time, else: state.config.silence) do
      log(state, :warning, "the engine has been silent for #{div(silent, 1000)} s, and is killed")
      Binary.kill(state.os_pid)
      # It is not killed twice; if it will not die, in a while again.
      %{state | heard: now()}
    else
      if phase == :running and now() - state.began > @steady, do: %{state | failures: 0, resting: false}, else: state
    end
  end

  defp check(state), do: state

  defp died(state, status) do
    greeted = state.phase == :running
    state = reset(state)

    cond do
      not greeted ->
        missing(
          state,
          "The engine ended before it had greeted (exit status #{status}): is #{inspect(state.config.path || "it")} the engine of this package?#{Binary.crash(state.config)}"
        )

      state.failures + 1 >= @patience ->
        missing(
          %{state | failures: state.failures + 1},
          "The engine has ended #{state.failures + 1} times in a row, the last time with exit status #{status}.#{Binary.crash(state.config)} It is tried again every #{div(@rare, 60_000)} minutes."
        )

      true ->
        delay = min(Bitwise.bsl(@min_delay, state.failures), @max_delay)

        log(
          state,
          :warning,
          "the engine ended (exit status #{status}); it is started again in #{delay} ms.#{Binary.crash(state.config)}"
        )

        later(%{state | failures: state.failures + 1}, delay)
    end
  end

  defp reset(state) do
    state = Enum.reduce(Map.keys(state.workers), state, &drop_worker(&2, &1))

    for {_, ask} <- state.asks do
      case ask do
        {:added, _} -> :ok
        {:removed, _, waiting} -> for from <- waiting, do: GenServer.reply(from, :ok)
        from -> GenServer.reply(from, {:error, :not_running})
      end
    end

    if state.phase == :running, do: stopped(state, "the engine ended")
    Status.down()
    %{state | asks: %{}, port: nil, os_pid: nil}
  end

  @impl true
  def terminate(_, %{port: nil}), do: :ok

  def terminate(_, %{port: port} = state) do
    say(state, {:stop})

    receive do
      {^port, {:exit_status, _}} -> :ok
    after
      @stop_time ->
        Binary.kill(state.os_pid)
        Port.close(port)
    end

    stopped(state, "the application stops")
    Status.down()
  catch
    _, _ -> :ok
  end

  defp stopped(state, why),
    do: tell(state, {:event, %{"name" => "coordinator.loop_stopped", "subject" => "coordinator", "fields" => %{"reason" => why}}})

  # The options of clients may hold keys; and what is served is long.
  # GenServer itself knows of this function since Elixir 1.17.
  if {:format_status, 1} in GenServer.behaviour_info(:callbacks), do: @impl(true)

  def format_status(status) do
    Map.replace_lazy(status, :state, &(&1 |> Map.drop([:served, :operators]) |> put_in([:config, :client_registry], :hidden)))
  end

  defp tell(state, message) do
    Notifier.tell(state.config.queue, message)
    state
  end

  defp log(state, level, text), do: tell(state, {:log, level, text})

  defp now, do: System.monotonic_time(:millisecond)
end
