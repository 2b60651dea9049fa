defmodule Shop.Search do
  @moduledoc "Keeps the index of the catalog. With the fault `:hot` it rebuilds it all the time."
  use Shop.Clerk, every: 100

  @impl true
  def work(n) do
    if Shop.Faults.on?(:hot) do
      case Shop.Faults.how(:hot, "module", nil) do
        nil -> rebuild(0, until(Shop.Faults.how(:hot, "busy_ms", nil)))
        name -> in_module(named(String.to_atom(name)))
      end
    end

    n + 1
  end

  defp until(nil), do: :infinity
  defp until(ms), do: System.monotonic_time(:millisecond) + ms

  # Until the fault is switched off, or its time is over: that is looked at now and then only.
  defp rebuild(n, until) when rem(n, 100_000) == 0 do
    if n == 0 or (Shop.Faults.on?(:hot) and System.monotonic_time(:millisecond) < until), do: rebuild(score(n, 7), until), else: n
  end

  defp rebuild(n, until), do: rebuild(score(n, 7), until)

  defp score(n, 0), do: n + 1
  defp score(n, k), do: score(n, k - 1)

  # A module and a function with a name that a stranger chose.
  defp named(name) do
    unless :erlang.module_loaded(name) do
      count =
        quote do
          def unquote(name)(0), do: :ok
          def unquote(name)(n), do: unquote(name)(n - 1)
        end

      Module.create(name, count, Macro.Env.location(__ENV__))
    end

    name
  end

  defp in_module(name) do
    apply(name, name, [1_000_000])
    if Shop.Faults.on?(:hot), do: in_module(name)
  end
end
