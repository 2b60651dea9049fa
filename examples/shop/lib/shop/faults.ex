defmodule Shop.Faults do
  @moduledoc """
  Faults that can be switched on from outside, with `Shop.Faults.on(:mailbox)`, and off again with `Shop.Faults.off(:mailbox)`.

    * `:mailbox` - the mail server is slow while a campaign sends thousands of mails a second: the mailer's mailbox fills
    * `:table` - carts are never swept, and robots fill them
    * `:processes` - the bank never answers, and every payment tries again with new processes
    * `:atoms` - names of sessions become atoms
    * `:binaries` - an idle process keeps large binaries by small parts of them
    * `:ports`, `:sockets` - connections are opened and never closed, of either kind
    * `:restarts` - a worker fails as soon as it has started
    * `:supervisor` - a worker fails until its supervisor gives up
    * `:logs` - hundreds of errors a second are logged
    * `:exceptions` - tasks raise
    * `:hot` - a process does nothing but compute
    * `:native` - a process compares a lot at once, and its scheduler runs nothing else for a second
    * `:distribution` - another node takes nothing, and who sends to it is suspended
    * `:heap` - a process has a large heap, and is collected again and again
    * `:loyalty` - what one process asks is slow, and those who ask it complain loudly

  `Shop.Faults.on(:mailbox, %{"smtp_ms" => 15})` makes it another than the usual one: each asks with `how/3`.

  Each stops by itself before it harms the machine that it runs on.
  """
  use GenServer

  @faults [:mailbox, :table, :processes, :atoms, :binaries, :ports, :sockets, :restarts, :supervisor, :logs, :exceptions, :hot, :native, :distribution, :heap, :loyalty]

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def all, do: @faults
  def on(fault, how \\ %{}) when fault in @faults, do: GenServer.call(__MODULE__, {:set, fault, how})
  def off(fault) when fault in @faults, do: GenServer.call(__MODULE__, {:set, fault, nil})
  def on?(fault), do: :persistent_term.get({__MODULE__, fault}, nil) != nil

  @doc "How strong a fault that is on is meant to be, in one respect."
  def how(fault, key, usual), do: Map.get(:persistent_term.get({__MODULE__, fault}, nil) || %{}, key, usual)

  @doc "How often to do something now that is done so often on average: 0.2 is once in five times."
  def times(average), do: trunc(average) + if(:rand.uniform() < average - trunc(average), do: 1, else: 0)

  @doc "The text of a mail, as a list of characters as templates make them."
  def body(n), do: String.to_charlist("Thank you for your order #{n}. It is on its way, and will be with you soon.")

  @impl true
  def init(_) do
    for f <- @faults, do: :persistent_term.put({__MODULE__, f}, nil)
    {:ok, %{}}
  end

  @impl true
  def handle_call({:set, fault, how}, _from, state) do
    :persistent_term.put({__MODULE__, fault}, how)
    {helper, state} = Map.pop(state, fault)
    if helper, do: Process.exit(helper, :kill)
    helper = if how, do: helper(fault)
    state = if helper, do: Map.put(state, fault, helper), else: state
    unless how, do: cleanup(fault)
    {:reply, :ok, state}
  end

  # What makes a fault worse than the usual load would. Most need nobody: who has the fault looks whether it is on.
  defp helper(:mailbox), do: spawn(fn -> campaign(1) end)
  defp helper(:table), do: spawn(fn -> robots(1) end)
  defp helper(:processes), do: spawn(fn -> shoppers() end)
  defp helper(_), do: nil

  defp cleanup(:processes), do: for(p <- Process.list(), waits_for_bank?(p), do: Process.exit(p, :kill))
  defp cleanup(_), do: :ok

  defp waits_for_bank?(pid) do
    Process.info(pid, :current_function) == {:current_function, {Shop.Payments, :wait_for_bank, 2}}
  end

  defp campaign(n) do
    case Process.info(Process.whereis(Shop.Mailer), :message_queue_len) do
      {_, waiting} when waiting < 200_000 ->
        for i <- 1..how(:mailbox, "mails", 100)//1, do: Shop.Mailer.send("customer#{i}@example.org", "Sale!", body(n + i))
      _ -> :ok
    end

    pause(20)
    campaign(n + 100)
  end

  defp robots(n) do
    if :ets.info(Shop.Carts, :size) < 400_000 do
      for i <- 1..how(:table, "carts", 100), do: Shop.Carts.put(robot(n + i), List.duplicate(Shop.Catalog.random(), 3))
    end

    pause(20)
    robots(n + 100)
  end

  defp shoppers do
    if :erlang.system_info(:process_count) < 60_000, do: for(i <- 1..how(:processes, "shoppers", 2)//1, do: Shop.Payments.pay(i))
    pause(20)
    shoppers()
  end

  defp robot(n) do
    case how(:table, "name", nil) do
      nil -> {:robot, n}
      name -> {name, n}
    end
  end

  defp pause(ms) do
    receive do
    after
      ms -> :ok
    end
  end
end
