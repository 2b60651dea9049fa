defmodule Shop.Thumbnails do
  @moduledoc """
  Keeps the first bytes of each picture. With the fault `:binaries` it keeps them as parts of the pictures, which therefore stay in
  memory, and it does too little to be garbage collected.
  """
  use Shop.Clerk, every: 50

  @most 300

  def first, do: []

  @impl true
  def work(kept) do
    cond do
      Shop.Faults.on?(:binaries) and length(kept) < @most -> for(_ <- 1..Shop.Faults.times(Shop.Faults.how(:binaries, "pictures", 1))//1, do: binary_part(picture(), 0, 200)) ++ kept
      Shop.Faults.on?(:binaries) -> kept
      kept == [] -> tl([:binary.copy(binary_part(picture(), 0, 200))])
      true -> forget()
    end
  end

  defp picture, do: :binary.copy(<<137>>, 1_000_000)

  defp forget do
    send(self(), :collect)
    []
  end

  @impl true
  def handle_info(:collect, kept) do
    :erlang.garbage_collect()
    {:noreply, kept}
  end

  def handle_info(message, kept), do: super(message, kept)
end
