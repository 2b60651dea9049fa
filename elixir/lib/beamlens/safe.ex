defmodule Beamlens.Safe do
  @moduledoc false
  # Values of the application, made safe for JSON and bounded: maps with text as keys, lists, numbers, text, true, false and nil.

  @depth 12
  @terms 50_000
  @bytes 64_000

  def value(term), do: term |> safe(@depth, @terms) |> elem(0)

  defp safe(_, _, left) when left <= 0, do: {"…", 0}
  defp safe(t, _, left) when is_number(t) or t in [nil, true, false], do: {t, left - 1}
  defp safe(t, _, left) when is_atom(t), do: {name(t), left - 1}
  defp safe(t, _, left) when is_binary(t), do: {text(t), left - 1 - div(byte_size(t), 64)}

  defp safe(t, _, left) when is_pid(t) or is_port(t) or is_reference(t) or is_function(t) or is_bitstring(t),
    do: {inspect(t), left - 1}

  defp safe(_, 0, left), do: {"…", left - 1}
  defp safe(%module{} = t, _, left) when module in [DateTime, NaiveDateTime, Date, Time], do: {module.to_iso8601(t), left - 1}
  defp safe(%MapSet{} = t, depth, left), do: safe(Enum.take(t, left), depth, left)
  defp safe(%Range{} = t, _, left), do: {inspect(t), left - 1}

  defp safe(%module{} = t, depth, left) do
    cond do
      is_exception(t) -> {text(Exception.message(t)), left - 1}
      # It need not be there.
      module == Decimal -> {apply(Decimal, :to_string, [t]), left - 1}
      true -> safe(Map.from_struct(t), depth, left)
    end
  end

  defp safe(t, depth, left) when is_map(t) do
    {pairs, left} =
      Enum.reduce_while(t, {[], left}, fn
        _, {_, left} = acc when left <= 0 ->
          {:halt, acc}

        {k, v}, {pairs, left} ->
          {v, left} = safe(v, depth - 1, left)
          {:cont, {[{key(k), v} | pairs], left - 1}}
      end)

    {Map.new(pairs), left}
  end

  defp safe(t, depth, left) when is_tuple(t), do: safe(Tuple.to_list(t), depth, left)
  defp safe(t, depth, left) when is_list(t), do: list(t, depth - 1, left, [])

  defp list([], _, left, acc), do: {Enum.reverse(acc), left - 1}
  defp list(_, _, left, acc) when left <= 0, do: {Enum.reverse(["…" | acc]), 0}

  defp list([h | t], depth, left, acc) do
    {h, left} = safe(h, depth, left)
    list(t, depth, left, [h | acc])
  end

  # An improper tail.
  defp list(t, depth, left, acc), do: list([t], depth, left, acc)

  defp key(k) when is_atom(k), do: name(k)
  defp key(k) when is_binary(k), do: text(k)
  defp key(k), do: k |> inspect(limit: 5, printable_limit: 100) |> text()

  defp name(a) do
    case Atom.to_string(a) do
      "Elixir." <> name -> name
      name -> name
    end
  end

  def text(t) when byte_size(t) > @bytes, do: text(binary_part(t, 0, @bytes)) <> "…"
  def text(t), do: if(String.valid?(t), do: t, else: for(<<b <- t>>, into: "", do: printable(b)))

  defp printable(b) when b in 32..126 or b == ?\n, do: <<b>>
  defp printable(b), do: "\\x" <> Base.encode16(<<b>>)
end
