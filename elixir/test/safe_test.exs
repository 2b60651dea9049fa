defmodule Beamlens.SafeTest do
  use ExUnit.Case, async: true

  alias Beamlens.Safe

  test "what JSON does not have becomes text, lists and maps" do
    pid = self()

    for {term, want} <- [
          {:atom, "atom"},
          {nil, nil},
          {true, true},
          {1.5, 1.5},
          {MyApp.Thing, "MyApp.Thing"},
          {{:a, 1}, ["a", 1]},
          {%{:a => %{"b" => 1}, 2 => 3}, %{"a" => %{"b" => 1}, "2" => 3}},
          {~D[2026-01-02], "2026-01-02"},
          {~U[2026-01-02 03:04:05Z], "2026-01-02T03:04:05Z"},
          {pid, inspect(pid)},
          {MapSet.new([1]), [1]},
          {1..3, "1..3"},
          {%RuntimeError{message: "no"}, "no"},
          {<<255, ?a>>, "\\xFFa"},
          {[1 | 2], [1, 2]},
          {%URI{host: "h"}, %URI{host: "h"} |> Map.from_struct() |> Map.new(fn {k, v} -> {to_string(k), v} end)},
          {[a: 1], [["a", 1]]}
        ] do
      assert Safe.value(term) == want
    end
  end

  test "what is too deep, too long or too large is cut" do
    deep = Enum.reduce(1..1_000, [], fn _, acc -> [acc] end)
    assert deep |> Safe.value() |> :erlang.term_to_binary() |> byte_size() < 200
    assert length(Safe.value(Enum.to_list(1..1_000_000))) <= 50_001
    assert map_size(Safe.value(Map.new(1..100_000, &{&1, &1}))) <= 50_001
    assert byte_size(Safe.value(String.duplicate("x", 1_000_000))) < 65_000
  end
end
