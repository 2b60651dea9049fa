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
    tries = if Shop.Faults.on?(:processes), do: 20, else: 1
    for _ <- 1..tries, do: spawn(fn -> wait_for_bank(order) end)
    {:reply, :ok, %{state | taken: state.taken + 1}}
  end

  def wait_for_bank(order) do
    if Shop.Faults.on?(:processes) do
      receive do
        {:bank, ^order, answer} -> answer
      end
    else
      receive do
        {:bank, ^order, answer} -> answer
      after
        100 -> :paid
      end
    end
  end
end
