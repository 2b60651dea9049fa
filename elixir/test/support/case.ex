defmodule Beamlens.Case do
  @moduledoc false
  use ExUnit.CaseTemplate

  # Milliseconds in which processes of the application must answer each other, at the 99th percentile. It is some microseconds; a
  # machine on which tests of others run has worse moments than that.
  @most 5

  using do
    quote do
      import Beamlens.Case
    end
  end

  setup do
    dir = Path.join(System.tmp_dir!(), "beamlens-test-#{System.unique_integer([:positive])}-#{System.pid()}")
    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(dir) end)
    {:ok, dir: dir, store: Path.join(dir, "store.db")}
  end

  # What it waits for, within a time.
  def eventually(fun, time \\ 10_000) do
    deadline = System.monotonic_time(:millisecond) + time
    again(fun, deadline)
  end

  defp again(fun, deadline) do
    cond do
      value = fun.() ->
        value

      System.monotonic_time(:millisecond) > deadline ->
        ExUnit.Assertions.flunk("it never happened")

      true ->
        receive do
        after
          20 -> again(fun, deadline)
        end
    end
  end

  def running(operator) do
    eventually(fn -> match?({:ok, %{running: true}}, Beamlens.operator_status(operator)) end)
  end

  # Hands every event of that name to the test.
  def subscribe(event) do
    me = self()
    id = {__MODULE__, event, make_ref()}
    :ok = :telemetry.attach(id, event, fn name, measurements, meta, _ -> send(me, {name, measurements, meta}) end, nil)
    ExUnit.Callbacks.on_exit(fn -> :telemetry.detach(id) end)
  end

  # A process that reads nothing, and one that sends it messages: some 20 MB a second for six seconds.
  def flood do
    pid =
      spawn(fn ->
        receive do
          :never -> :ok
        end
      end)

    spawn(fn -> feed(pid, 120) end)
    ExUnit.Callbacks.on_exit(fn -> Process.exit(pid, :kill) end)
    pid
  end

  defp feed(_, 0), do: :ok

  defp feed(pid, n) do
    for i <- 1..1_000, do: send(pid, {:work, i, Enum.to_list(1..60)})

    receive do
    after
      50 -> feed(pid, n - 1)
    end
  end

  def alive?(os_pid), do: match?({_, 0}, System.cmd("kill", ["-0", "#{os_pid}"], stderr_to_stdout: true)) and not zombie?(os_pid)

  def zombie?(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      {:ok, stat} -> stat |> String.split(")") |> List.last() |> String.trim() |> String.starts_with?("Z")
      _ -> false
    end
  end

  def signal(name, os_pid), do: System.cmd("kill", ["-#{name}", "#{os_pid}"])

  # On a machine whose cores are all taken, a VM that has much to do is itself made to wait now and then, for tens of milliseconds. So
  # there are three measurements, of which one has to be good; what the package does to the application is in all of them.
  def unharmed(attempts \\ 3) do
    {median, p99} = latency()

    cond do
      median < 500 and p99 < @most * 1_000 -> :ok
      attempts > 1 -> unharmed(attempts - 1)
      true -> flunk("the median is #{median} us, the 99th percentile #{p99} us")
    end
  end

  # How long the application's own processes take to answer each other: the median and the worst of n round trips, in microseconds.
  def latency(n \\ 2_000) do
    echo = spawn_link(fn -> echo() end)

    times =
      for _ <- 1..n do
        began = System.monotonic_time(:microsecond)
        send(echo, {self(), began})

        receive do
          ^began -> System.monotonic_time(:microsecond) - began
        end
      end

    send(echo, :stop)
    times = Enum.sort(times)
    {Enum.at(times, div(n, 2)), Enum.at(times, div(n * 99, 100))}
  end

  defp echo do
    receive do
      {from, what} ->
        send(from, what)
        echo()

      :stop ->
        :ok
    end
  end
end
