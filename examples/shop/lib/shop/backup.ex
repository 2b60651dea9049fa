defmodule Shop.Backup do
  @moduledoc """
  Compares the pictures of the catalog with their copies. With the fault `:native` it compares all of them at once, which the virtual machine does
  without yielding: for seconds nobody else runs on that scheduler.
  """
  use Shop.Clerk, every: 200

  @pictures 6_000

  def first, do: {picture(), picture()}

  @impl true
  def work({a, b}) do
    n = if Shop.Faults.on?(:native), do: Shop.Faults.how(:native, "pictures", @pictures), else: 1
    true = List.duplicate(a, n) == List.duplicate(b, n)
    {a, b}
  end

  # Two that are equal and not the same: else a look at the pointer would do.
  defp picture, do: :binary.copy("0123456789abcdef", 500_000)
end
