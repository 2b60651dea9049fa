defmodule Shop.Payments do
  @moduledoc "Takes payments. Each is a process that lives until the bank has answered."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def pay(order), do: GenServer.call(__MODULE__, {:pay, order})

  @impl true
  def init(_), do: {:ok, %{taken: 0}}

  @impl true
  def handle_call({:pay, order}, _from, state) do
    # With the fault, every payment tries again and again with a new process, and none is ever told to stop.
    lost = Shop.Faults.on?(:processes) and rem(order, Shop.Faults.how(:processes, "every", 1)) == 0
    tries = if lost, do: Shop.Faults.how(:processes, "tries", 20), else: 1
    label = Shop.Faults.how(:processes, "label", nil)
    for _ <- 1..tries, do: spawn(fn -> wait_for_bank(order, lost, label) end)
    {:reply, :ok, %{state | taken: state.taken + 1}}
  end

  defp wait_for_bank(order, lost, label) do
    if label do
      Process.put(:"$process_label", label)
      Process.put(:"$initial_call", {String.to_atom(label), :run, 0})
    end

    wait_for_bank(order, if(lost, do: :infinity, else: 100))
  end

  def wait_for_bank(order, time) do
    receive do
      {:bank, ^order, answer} -> answer
    after
      time -> :paid
    end
  end
end
