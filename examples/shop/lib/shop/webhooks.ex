defmodule Shop.Webhooks do
  @moduledoc """
  Tells partners of orders, over connections that it closes. With the fault `:ports` it does not close them, with `:sockets` neither, and
  they are of the newer kind.
  """
  use Shop.Clerk, every: 100

  @most 1_500

  def first do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, active: false, ip: {127, 0, 0, 1}, backlog: 1024])
    {:ok, port} = :inet.port(listener)
    spawn_link(fn -> accept(listener) end)
    %{port: port, kept: []}
  end

  @impl true
  def work(state) do
    cond do
      Shop.Faults.on?(:ports) -> leak(state, Shop.Faults.how(:ports, "connections", 4), [])
      Shop.Faults.on?(:sockets) -> leak(state, Shop.Faults.how(:sockets, "connections", 4), [{:inet_backend, :socket}])
      state.kept != [] -> close(state)
      true -> close(open(state, 1, []))
    end
  end

  defp leak(state, n, options) when length(state.kept) < @most, do: open(state, Shop.Faults.times(n), options)
  defp leak(state, _, _), do: state

  defp open(state, n, options) do
    new =
      for _ <- 1..n//1, {:ok, s} <- [:gen_tcp.connect({127, 0, 0, 1}, state.port, options ++ [:binary, active: false])], do: s

    %{state | kept: new ++ state.kept}
  end

  defp close(state) do
    for s <- state.kept, do: :gen_tcp.close(s)
    %{state | kept: []}
  end

  # The partner: it reads until the other side closes.
  defp accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    partner = spawn(fn -> receive do: (:go -> :gen_tcp.recv(socket, 0)) end)
    :ok = :gen_tcp.controlling_process(socket, partner)
    send(partner, :go)
    accept(listener)
  end
end
