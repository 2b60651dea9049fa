defmodule Shop.Checksums do
  @moduledoc """
  Checks the catalog's pictures. With the fault `:native` it takes the checksum of all of them in one call of a function that does not
  yield: for a second and more nobody else runs on that scheduler.
  """
  use Shop.Clerk, every: 300

  @impl true
  def work(n) do
    if Shop.Faults.on?(:native), do: sum(48), else: sum(1)
    n + 1
  end

  defp sum(megabytes) do
    piece = :binary.copy(<<0>>, 1_000_000)
    :erlang.md5(List.duplicate(piece, megabytes * 16))
  end
end
