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
  @min_delay 200
  @max_delay 10_000
  # Deaths in a row, each within @steady of its start, until we are patient.
  @patience 5
  @steady 60_000
  @rare 300_000
  @stop_time 2_500
  # What these functions of the probe do is not for the engine to ask.
  @not_served [:module_info, :loop, :start, :handle, :tick, :stop, :log, :behaviour_info]

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
      describer: nil,
      described: nil,
      began: nil,
      heard: nil,
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
  def handle_continue(:start, state), do: {:noreply, describe(state)}

  # In a process of its own: this is code of the application.
  defp describe(state) do
    custom = for op <- state.config.operators, op.module, do: op
    {pid, ref} = spawn_monitor(fn -> exit({:described, Map.new(custom, &{&1.name, describe_one(&1)})}) end)
    %{state | phase: :describing, describer: {pid, ref}}
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

  defp opened(state, described) do
    for {name, result} <- described do
      case result do
        {:ok, _} -> :ok
        {:ok, _, text} -> log(state, :warning, "operator #{inspect(name)}: #{text}")
        {:error, text} -> log(state, :error, "operator #{inspect(name)} is left out: #{text}")
      end
    end

    with {:ok, path} <- Binary.find(state.config.path),
         {:ok, port} <- Binary.open(path) do
      os_pid = with {:os_pid, pid} <- Port.info(port, :os_pid), do: pid
      %{state | phase: :greeting, port: port, os_pid: os_pid, described: described, began: now(), heard: now()}
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
    %{state | phase: :waiting, port: nil, os_pid: nil}
  end

  defp greet(state) do
    c = state.config

    hello = %{
      node: node(),
      app: c.app,
      otp: System.otp_release(),
      elixir: System.version(),
      version: to_string(Application.spec(:beamlens, :vsn)),
      store: Binary.store(c.store, c.app),
      operators: for(op <- c.operators, told = wire(op, state.described), do: told),
      coordinator: compaction(c.coordinator),
      client_registry: Safe.value(c.client_registry),
      interval_ms: c.interval,
      heartbeat_ms: c.heartbeat
    }

    say(%{state | phase: :running, failures: state.failures}, {:hello, 1, hello})
  end

  defp wire(op, described) do
    base = Map.merge(%{name: op.wire, skill: Atom.to_string(op.id)}, compaction(Map.to_list(Map.from_struct(op))))

    case described[op.name] do
      {:ok, told} -> Map.put(base, :custom, told)
      {:ok, told, _} -> Map.put(base, :custom, told)
      {:error, _} -> nil
      nil -> base
    end
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

  def handle_call(:facts, _, state) do
    {:reply,
     Map.take(state, [:phase, :os_pid, :failures, :resting, :dropped, :calls]) |> Map.put(:workers, map_size(state.workers)),
     state}
  end

  @impl true
  def handle_info({port, {:data, data}}, %{port: port} = state) do
    state = %{state | heard: now()}

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
      {:described, described} -> {:noreply, opened(%{state | describer: nil}, described)}
      _ -> {:noreply, later(%{state | describer: nil}, @max_delay)}
    end
  end

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
  def handle_info(:start, state), do: {:noreply, describe(state)}

  def handle_info(:check, state) do
    Process.send_after(self(), :check, @check)
    {:noreply, check(state)}
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
    case Enum.find(state.config.operators, &(&1.wire == name and &1.module)) do
      nil ->
        say(state, {:error, id, :refused, "there is no skill #{name} here", []})

      %{module: module} ->
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
    Status.update(state.config.operators, status)
    state
  end

  defp handle({:answer, id, result}, state) do
    case Map.pop(state.asks, id) do
      {nil, _} ->
        state

      {from, asks} ->
        GenServer.reply(from, result)
        %{state | asks: asks}
    end
  end

  defp handle(_, state), do: %{state | dropped: state.dropped + 1}

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
    for {_, from} <- state.asks, do: GenServer.reply(from, {:error, :not_running})
    Status.down(state.config.operators)
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

    Status.down(state.config.operators)
  catch
    _, _ -> :ok
  end

  # The options of clients may hold keys; and what is served is long.
  # GenServer itself knows of this function since Elixir 1.17.
  if {:format_status, 1} in GenServer.behaviour_info(:callbacks), do: @impl(true)

  def format_status(status) do
    Map.replace_lazy(status, :state, &(&1 |> Map.drop([:served, :described]) |> put_in([:config, :client_registry], :hidden)))
  end

  defp tell(state, message) do
    Notifier.tell(state.config.queue, message)
    state
  end

  defp log(state, level, text), do: tell(state, {:log, level, text})

  defp now, do: System.monotonic_time(:millisecond)
end
