defmodule Beamlens.ApplicationTest do
  @moduledoc "A new application that depends on the package by path, with every snippet of the documentation, in dev, in prod and as a release."
  use ExUnit.Case

  @moduletag timeout: 300_000

  @files %{
    "lib/garden/application.ex" => """
    defmodule Garden.Application do
      use Application

      def start(_type, _args) do
        :telemetry.attach("my-alerts", [:beamlens, :operator, :alert_fired], fn _e, _m, %{alert: alert}, _c -> IO.puts("ALERT \#{alert.summary}") end, nil)
        :telemetry.attach("my-insights", [:beamlens, :coordinator, :insight_produced], fn _e, _m, %{insight: insight}, _c -> IO.puts("INSIGHT \#{insight.summary}") end, nil)

        children = [
          Garden.Beds,
          {Registry, keys: :unique, name: Beamlens.Skill.Ecto.Registry},
          {Beamlens.Skill.Ecto.TelemetryStore, repo: Garden.Repo},
          {Beamlens,
           operators: [
             :beam, :gc, :logger, :ports, :sup, :system, :exception,
             [name: :ets, skill: Beamlens.Skill.Ets, compaction_max_tokens: 100_000, compaction_keep_last: 10],
             [name: :ecto, skill: Garden.EctoSkill],
             [name: :redis, skill: Garden.Skills.Redis]
           ],
           coordinator: [compaction_max_tokens: 50_000],
           client_registry: %{
             primary: "Both",
             clients: [
               %{name: "Claude", provider: "anthropic", options: %{model: "claude-haiku-4-5-20251001"}, retry_policy: "DefaultRetry"},
               %{name: "Bedrock", provider: "aws-bedrock", options: %{model: "anthropic.claude-3-5-haiku-20241022-v1:0", region: "us-east-1"}},
               %{name: "Gemini", provider: "google-ai", options: %{model: "gemini-2.0-flash"}},
               %{name: "Vertex", provider: "vertex-ai", options: %{model: "gemini-2.5-pro", location: "us-central1", project_id: "garden"}},
               %{name: "GPT", provider: "openai", options: %{model: "gpt-4o-mini"}},
               %{name: "Azure", provider: "azure-openai", options: %{resource_name: "garden", deployment_id: "mini", api_version: "2024-02-01"}},
               %{name: "Router", provider: "openrouter", options: %{model: "openai/gpt-4o-mini"}},
               %{name: "Local", provider: "openai-generic", options: %{base_url: "http://localhost:11434/v1", model: "llama3.2"}},
               %{name: "Turns", provider: "round-robin", options: %{strategy: ["GPT", "Gemini"]}},
               %{name: "Both", provider: "fallback", options: %{strategy: ["Claude", "Turns", "Local"]}}
             ]
           }}
        ]

        Supervisor.start_link(children, strategy: :one_for_one, name: Garden.Supervisor)
      end
    end
    """,
    "lib/garden/beds.ex" => """
    defmodule Garden.Beds do
      use GenServer
      def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)
      def init(_), do: {:ok, nil}
      def handle_info({:weed, _, _}, state), do: (Process.sleep(:infinity); {:noreply, state})
    end
    """,
    "lib/garden/skills.ex" => """
    defmodule Garden.Repo do
      def config, do: [telemetry_prefix: [:garden, :repo]]
      def __adapter__, do: Ecto.Adapters.MyXQL
    end

    defmodule Garden.EctoSkill do
      use Beamlens.Skill.Ecto, repo: Garden.Repo
    end

    defmodule Garden.Skills.Redis do
      @behaviour Beamlens.Skill

      @impl true
      def id, do: :redis
      @impl true
      def system_prompt, do: "You watch Redis."
      @impl true
      def snapshot, do: %{clients: 3}
      @impl true
      def callbacks, do: %{"redis_info" => fn -> %{version: "7"} end, "redis_keys" => fn pattern, limit -> List.duplicate(pattern, limit) end}
      @impl true
      def callback_docs, do: "- `redis_info()` → {version}"
    end
    """,
    "lib/garden/check.ex" => """
    defmodule Garden.Check do
      # Prints what went wrong, or that all is well.
      def run do
        names = [:beam, :gc, :logger, :ports, :sup, :system, :exception, :ets, :ecto, :redis]
        true = Enum.map(Beamlens.list_operators(), & &1.name) == names
        for name <- names, do: await(fn -> match?({:ok, %{running: true}}, Beamlens.operator_status(name)) end, name)
        %{running: _, alert_count: _} = Beamlens.Coordinator.status()
        ^names = Beamlens.Operator.Supervisor.configured_operators()
        {:ok, _} = Beamlens.Operator.Supervisor.start_operator(:allocator)
        {:error, {:unknown_builtin_skill, :weeds}} = Beamlens.Operator.Supervisor.start_operator(:weeds)
        {:ok, _} = Beamlens.Operator.Supervisor.start_operator(name: :cache, skill: Garden.Skills.Redis)
        for name <- [:allocator, :cache], do: await(fn -> match?({:ok, %{running: true}}, Beamlens.operator_status(name)) end, name)
        {:ok, %{"system" => prompt}} = Beamlens.payload(:cache)
        true = prompt =~ "You watch Redis."
        for name <- [:allocator, :cache], do: :ok = Beamlens.Operator.Supervisor.stop_operator(name)
        ^names = Enum.map(Beamlens.list_operators(), & &1.name)
        ms = System.convert_time_unit(1, :millisecond, :native)
        for i <- 1..200, do: :telemetry.execute([:garden, :repo, :query], %{total_time: ms * i, query_time: ms * i, queue_time: ms}, %{source: "beds", result: {:ok, nil}})
        %{query_count: 200, slow_query_count: 101, avg_query_time_ms: 100.5} = Beamlens.Skill.Ecto.TelemetryStore.query_stats(Garden.Repo)
        [%{source: "beds", total_time_ms: 200.0} | _] = Beamlens.Skill.Ecto.TelemetryStore.slow_queries(Garden.Repo, 50)
        me = self()
        hear = fn [_, _, what], _, meta, _ -> send(me, {what, meta}) end
        :telemetry.attach_many("check", [[:beamlens, :operator, :alert_fired], [:beamlens, :coordinator, :insight_produced]], hear, nil)
        spawn(fn -> for _ <- 1..100, do: (for(i <- 1..1000, do: send(Garden.Beds, {:weed, i, Enum.to_list(1..60)})); Process.sleep(50)) end)
        %{alert: %Beamlens.Alert{summary: summary}} = heard(:alert_fired)
        %{insight: %Beamlens.Insight{}} = heard(:insight_produced)
        true = summary =~ "Garden.Beds"
        {:ok, %{state: state}} = Beamlens.operator_status(:beam)
        true = state in [:observing, :warning, :critical]
        {:ok, text} = Beamlens.ask("what is wrong?")
        true = text =~ "Garden.Beds"
        IO.puts("ALL IS WELL on \#{node()}")
      end

      defp heard(what) do
        receive do
          {^what, meta} -> meta
        after
          40_000 -> raise "not heard: \#{what}"
        end
      end

      defp await(fun, what, n \\\\ 1500) do
        cond do
          fun.() -> :ok
          n == 0 -> raise "not in time: \#{inspect(what)}"
          true -> Process.sleep(20) && await(fun, what, n - 1)
        end
      end
    end
    """,
    "config/config.exs" => """
    import Config
    config :tower, reporters: [Beamlens.Skill.Exception.ExceptionStore]
    """
  }

  test "it works as it is written" do
    package = File.cwd!()
    dir = Path.join(System.tmp_dir!(), "beamlens-garden-#{System.pid()}")
    on_exit(fn -> File.rm_rf!(dir) end)
    File.rm_rf!(dir)
    File.mkdir_p!(dir)
    # Where its store goes, and what Mix keeps.
    env = [
      {"HOME", dir},
      {"XDG_DATA_HOME", dir},
      {"MIX_ENV", nil},
      {"MIX_BUILD_PATH", nil},
      {"GOPATH", go("GOPATH")},
      {"GOCACHE", go("GOCACHE")},
      {"GOMODCACHE", go("GOMODCACHE")}
    ]

    run!("mix", ["new", "garden", "--sup"], dir, env)
    app = Path.join(dir, "garden")

    for {name, text} <- Map.put(@files, "lib/telemetry.ex", File.read!("test/support/telemetry.ex")) do
      File.mkdir_p!(Path.dirname(Path.join(app, name)))
      File.write!(Path.join(app, name), text)
    end

    mix = Path.join(app, "mix.exs")

    File.write!(
      mix,
      String.replace(
        File.read!(mix),
        "defp deps do\n    [",
        "defp deps do\n    [\n      {:beamlens, path: #{inspect(package)}}\n"
      )
    )

    check = ["run", "-e", "Garden.Check.run()"]
    assert run!("mix", check, app, env) =~ "ALL IS WELL on nonode@nohost"
    prod = List.keystore(env, "MIX_ENV", 0, {"MIX_ENV", "prod"})
    out = run!("mix", ["do", "compile", "--warnings-as-errors", "+", "release"], app, prod)
    assert out =~ "Release created"
    # The release has all that it needs: it does not look into the package.
    release = Path.join(app, "_build/prod/rel/garden/bin/garden")
    out = run!(release, ["eval", "{:ok, _} = Application.ensure_all_started(:garden); Garden.Check.run()"], dir, prod)
    assert out =~ "ALL IS WELL"
    assert out =~ "ALERT" and out =~ "INSIGHT"
    # One of another engine is refused.
    assert {text, 1} = System.cmd("mix", ["beamlens.install", "--path", "/bin/true"], cd: app, env: env, stderr_to_stdout: true)
    assert text =~ "this is not the engine"
  end

  defp go(name) do
    if System.find_executable("go"), do: System.cmd("go", ["env", name]) |> elem(0) |> String.trim()
  end

  defp run!(program, args, dir, env) do
    {out, status} = System.cmd(program, args, cd: dir, env: env, stderr_to_stdout: true)
    assert status == 0, out
    out
  end
end
