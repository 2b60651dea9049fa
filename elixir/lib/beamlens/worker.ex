defmodule Beamlens.Worker do
  @moduledoc false
  # A call that the engine makes, in a process of its own: low priority, a heap limit, and killed when its time is over. It writes its
  # answer to the port itself, and may have to wait there; nobody waits for it.

  @reply_bytes 4_000_000

  # Words. What is read of a large node fits into the first; code of the application gets less.
  @probe_heap 8_000_000
  @skill_heap 4_000_000

  def probe(port, id, module, function, args), do: start(port, id, @probe_heap, fn -> apply(module, function, args) end, & &1)

  def skill(port, id, fun), do: start(port, id, @skill_heap, fun, &told/1)

  defp start(port, id, heap, fun, reason) do
    :erlang.spawn_opt(fn -> send_answer(port, answer(id, fun, reason)) end, [:monitor | options(heap)])
  end

  defp options(heap), do: [priority: :low, max_heap_size: %{size: heap, kill: true, error_logger: false}]

  defp answer(id, fun, reason) do
    value = fun.()

    case :erlang.external_size(value) do
      n when n > @reply_bytes ->
        {:error, id, :too_large, "#{div(n, 1_000_000)} MB, at most #{div(@reply_bytes, 1_000_000)} are taken", []}

      _ ->
        {:reply, id, value}
    end
  catch
    kind, what -> failed(id, kind, what, __STACKTRACE__, reason)
  end

  defp failed(id, kind, what, stack, reason) do
    stack = for {m, f, a, _} <- Enum.take(stack, 3), do: {m, f, if(is_list(a), do: length(a), else: a), []}
    {:error, id, kind, reason.({kind, what, stack}) |> reason_of(), stack}
  end

  defp reason_of({_, what, _}), do: what
  defp reason_of(text), do: text

  # An exception of the application as text: its terms may be large, and of any shape.
  defp told({kind, what, stack}) do
    banner = Exception.format_banner(kind, what, stack)
    at = stack |> Enum.take(1) |> Enum.map_join("", &(" in " <> Exception.format_stacktrace_entry(&1)))
    Beamlens.Safe.text(String.slice(banner, 0, 500) <> at)
  end

  defp send_answer(port, answer) do
    :erlang.port_command(port, :erlang.term_to_binary(answer))
  rescue
    # The port is closed, and the engine with it.
    ArgumentError -> :ok
  end

  # Runs code of the application for the engine's start, with the same limits: {:ok, value} or {:error, text}.
  def run(fun, time) do
    {self, tag} = {self(), make_ref()}

    body = fn ->
      result =
        try do
          {:ok, fun.()}
        catch
          kind, what -> {:error, told({kind, what, for({m, f, a, _} when is_integer(a) <- __STACKTRACE__, do: {m, f, a, []})})}
        end

      send(self, {tag, result})
    end

    {pid, ref} = :erlang.spawn_opt(body, [:monitor | options(@skill_heap)])

    receive do
      {^tag, result} ->
        Process.demonitor(ref, [:flush])
        result

      {:DOWN, ^ref, _, _, why} ->
        {:error, "it needed too much memory, or was killed: #{inspect(why)}"}
    after
      time ->
        Process.exit(pid, :kill)
        Process.demonitor(ref, [:flush])
        {:error, "it took longer than #{time} ms"}
    end
  end
end
