defmodule Beamlens.ServedTest do
  @moduledoc "What the VM answers to the messages of an engine, which is here a program that says what the test has written down."
  use Beamlens.Case

  alias Beamlens.TestSkill

  setup do
    TestSkill.set(:snapshot, fn -> %{clients: 3} end)
    on_exit(fn -> :persistent_term.erase({TestSkill, :info}) end)
  end

  defp frame(term) do
    bin = :erlang.term_to_binary(term)
    <<byte_size(bin)::32, bin::binary>>
  end

  # Greets, says the messages, and keeps what it is told. Returns the answers by id, when there are so many.
  defp engine(context, messages, count \\ nil) do
    path = begin(context, messages)
    answers(path, count || length(messages))
  end

  defp begin(%{dir: dir}, messages) do
    path = Path.join(dir, "engine")
    File.write!(path <> ".says", Enum.map([{:hello, 1, %{}} | messages], &frame/1))
    File.write!(path, "#!/bin/sh\ncat #{path}.says\nexec cat > #{path}.heard\n")
    File.chmod!(path, 0o755)
    start_supervised!({Beamlens, operators: [:beam, [name: :cache, skill: TestSkill]], path: path, store: false, silence: 60_000})

    path
  end

  defp answers(path, count) do
    eventually(fn ->
      answers = for m <- heard(path), elem(m, 0) in [:reply, :error], into: %{}, do: {elem(m, 1), m}
      if map_size(answers) >= count, do: answers
    end)
  end

  defp heard(path) do
    case File.read(path <> ".heard") do
      {:ok, data} -> frames(data)
      _ -> []
    end
  end

  defp frames(<<n::32, bin::binary-size(n), rest::binary>>), do: [:erlang.binary_to_term(bin) | frames(rest)]
  defp frames(_), do: []

  test "functions of skills and of the probe, and nothing else", context do
    answers =
      engine(context, [
        {:skill, 1, "Beamlens.TestSkill", "redis_info", []},
        {:skill, 2, "Beamlens.TestSkill", "slowLog", [1]},
        {:skill, 3, "Beamlens.TestSkill", "slowLog", []},
        {:skill, 4, "Beamlens.TestSkill", "nope", []},
        {:skill, 5, "nobody", "", []},
        {:skill, 6, "Beamlens.TestSkill", "slowLog", [1, 2, 3]},
        {:skill, 7, "Beamlens.TestSkill", "", []},
        {:call, 8, "os", "cmd", ["id"]},
        {:call, 9, "beamlens_probe", "nope", []},
        {:call, 10, "beamlens_probe", "vsn", []},
        {:call, 11, "beamlens_probe", "loop", [%{}]}
      ])

    assert {:reply, 1, info} = answers[1]
    assert %{"version" => "7", "at" => "2026-01-01", "pid" => "#PID<" <> _, "pair" => ["a", 1], "bad" => "\\xFF\\x00"} = info
    assert answers[2] == {:reply, 2, [%{"ms" => 12}]}
    assert answers[3] == {:reply, 3, [%{"ms" => 12}, %{"ms" => 9}]}
    assert {:error, 4, :error, text, _} = answers[4]
    assert text =~ "has no callback nope"
    assert {:error, 5, :refused, _, _} = answers[5]
    assert {:error, 6, :error, text, _} = answers[6]
    assert text =~ "slowLog takes 1 argument(s), got 3"
    assert answers[7] == {:reply, 7, %{"clients" => 3}}
    assert {:error, 8, :refused, "os:cmd/1 is none of the probe's functions", []} = answers[8]
    assert {:error, 9, :error, :undef, []} = answers[9]
    assert {:reply, 10, n} = answers[10]
    assert is_integer(n)
    assert {:error, 11, :error, :undef, []} = answers[11]
  end

  test "what raises, exits, throws or eats memory is an error of that call", context do
    for {fun, class, says} <- [
          {fn -> raise ArgumentError, "no" end, :error, "(ArgumentError) no"},
          {fn -> exit(:no) end, :exit, "(exit) :no"},
          {fn -> throw(:no) end, :throw, "(throw) :no"},
          {fn -> Enum.map(1..100_000_000, &Integer.to_string/1) end, :killed, "memory"}
        ] do
      TestSkill.set(:info, fun)
      assert %{1 => {:error, 1, ^class, text, _}} = engine(context, [{:skill, 1, "Beamlens.TestSkill", "redis_info", []}])
      assert text =~ says
      stop_supervised!(Beamlens)
      File.rm(Path.join(context.dir, "engine.heard"))
    end
  end

  for {what, class, fun} <- [
        {"loop", :timeout, quote(do: fn -> Stream.cycle([1]) |> Enum.each(& &1) end)},
        {"eat memory", :killed,
         quote(do: fn -> Stream.iterate([], &[&1, &1 | Enum.to_list(1..1000)]) |> Enum.take(1_000_000) end)},
        {"raise", :error, quote(do: fn -> raise "no" end)}
      ] do
    test "eight callbacks that #{what} at a time do not change how long the application takes", context do
      me = self()

      TestSkill.set(:info, fn ->
        send(me, :working)
        unquote(fun).()
      end)

      path = begin(context, for(id <- 1..8, do: {:skill, id, "Beamlens.TestSkill", "redis_info", []}))
      assert_receive :working, 10_000
      unharmed()
      assert Enum.all?(answers(path, 8), &match?({_, {:error, _, unquote(class), _, _}}, &1))
      unharmed()
    end
  end

  test "eight calls at a time, each for five seconds", context do
    TestSkill.set(:info, fn -> Process.sleep(:infinity) end)
    answers = engine(context, for(id <- 1..10, do: {:skill, id, "Beamlens.TestSkill", "redis_info", []}))
    assert Enum.frequencies(for {_, m} <- answers, do: elem(m, 2)) == %{timeout: 8, busy: 2}
    assert Beamlens.Engine.facts().workers == 0
  end

  test "one that is cancelled ends, and is not answered", context do
    me = self()

    TestSkill.set(:info, fn ->
      send(me, {:working, self()})
      Process.sleep(:infinity)
    end)

    engine(
      context,
      [{:skill, 1, "Beamlens.TestSkill", "redis_info", []}, {:cancel, 1}, {:call, 2, "beamlens_probe", "vsn", []}],
      1
    )

    # Either it had begun and is dead, or it was dead before it began.
    receive do
      {:working, pid} -> eventually(fn -> not Process.alive?(pid) end)
    after
      100 -> :ok
    end

    assert Beamlens.Engine.facts().workers == 0
  end

  test "nonsense is dropped, and atoms are not made of it", context do
    atom = "made_by_an_engine_#{System.unique_integer([:positive])}"
    # {call, Atom, …}: an atom that is nowhere.
    unknown = <<131, 104, 2, 119, 4, "call", 119, byte_size(atom), atom::binary>>
    path = Path.join(context.dir, "engine")
    answers_after = [{:nonsense}, :nonsense, {:call, 1, 2, 3, 4}, {:status, %{}}, {:answer, 99, {:ok, 1}}, {:cancel, 5}]
    File.write!(path <> ".raw", <<byte_size(unknown)::32, unknown::binary>>)
    assert %{7 => {:reply, 7, _}} = engine(context, answers_after ++ [{:call, 7, "beamlens_probe", "vsn", []}], 1)
    stop_supervised!(Beamlens)
    File.write!(path, "#!/bin/sh\ncat #{path}.says #{path}.raw\nexec cat > /dev/null\n")
    start_supervised!({Beamlens, operators: [:beam], path: path, store: false})
    eventually(fn -> Beamlens.Engine.facts().dropped >= 2 end)
    assert_raise ArgumentError, fn -> String.to_existing_atom(atom) end
  end
end
