defmodule Shop.Replication do
  @moduledoc """
  Copies orders to another node. With the fault `:distribution` that node is stopped and takes nothing: the connection is full, and who
  sends is suspended.
  """
  use Shop.Clerk, every: 100

  def first, do: %{peer: nil, pid: nil, os_pid: nil, sender: nil}

  @impl true
  def work(state) do
    case {Shop.Faults.on?(:distribution), state.peer} do
      {true, nil} -> break(state)
      {false, peer} when peer != nil -> mend(state)
      _ -> state
    end
  end

  defp break(state) do
    name = :"shop_replica_#{System.pid()}"
    {:ok, peer, node} = :peer.start(%{name: name, args: [~c"-setcookie", Atom.to_charlist(Node.get_cookie())], wait_boot: 15_000})
    os_pid = :erpc.call(node, :os, :getpid, [])
    sink = Node.spawn(node, :timer, :sleep, [:infinity])
    # It goes on by itself after a while, also when nobody is left to mend it.
    {_, 0} = System.shell("kill -STOP #{os_pid} && (sleep 120; kill -CONT #{os_pid}) >/dev/null 2>&1 &")
    sender = spawn_link(fn -> Process.register(self(), Shop.Replication.Sender) && copy(sink, :binary.copy(<<1>>, 100_000)) end)
    %{state | peer: peer, os_pid: os_pid, sender: sender}
  end

  defp mend(state) do
    Process.unlink(state.sender)
    Process.exit(state.sender, :kill)
    System.shell("kill -CONT #{state.os_pid}")
    :peer.stop(state.peer)
    first()
  end

  defp copy(sink, order) do
    send(sink, {:order, order})
    receive do: (:stop -> :ok), after: (10 -> copy(sink, order))
  end
end
