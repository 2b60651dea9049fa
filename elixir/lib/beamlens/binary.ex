defmodule Beamlens.Binary do
  @moduledoc false
  # The engine's program: where it is, how it is started and ended, and the file it keeps its store in.

  def find(nil) do
    installed = with dir when is_list(dir) <- :code.priv_dir(:beamlens), do: Path.join(List.to_string(dir), "beamlens")

    cond do
      path = System.get_env("BEAMLENS_PATH") -> {:ok, Path.expand(path)}
      is_binary(installed) and File.regular?(installed) -> {:ok, installed}
      path = System.find_executable("beamlens") -> {:ok, path}
      true -> {:error, "There is no engine. Run `mix beamlens.install`, or set `config :beamlens, path: \"/path/to/beamlens\"`."}
    end
  end

  def find(path), do: {:ok, Path.expand(path)}

  def open(path) do
    {:ok,
     Port.open({:spawn_executable, path}, [:binary, :exit_status, :use_stdio, :hide, packet: 4, args: ["port"], env: hidden()])}
  rescue
    e in ErlangError ->
      {:error,
       case e.original do
         :enoent -> "There is no engine at #{path}. Run `mix beamlens.install`, or correct `config :beamlens, :path`."
         :eacces -> "The engine at #{path} is not executable. Run `mix beamlens.install`, or correct `config :beamlens, :path`."
         other -> "The engine at #{path} cannot be started: #{inspect(other)}."
       end}
  end

  # Secrets of the application are none of the engine's business. Those of the models' providers are.
  @secret ~r/COOKIE|SECRET|PASSW|TOKEN|CREDENTIAL|PRIVATE|DSN|_KEY|APIKEY|DATABASE_URL|REDIS_URL|AMQP_URL|_URI$/
  @kept ~r/^(ANTHROPIC|OPENAI|AZURE_OPENAI|AZURE_CLIENT|AZURE_FEDERATED|GOOGLE|GEMINI|OPENROUTER|GROQ|TOGETHER|MISTRAL|VERCEL|AI_GATEWAY|OLLAMA|AWS|BEAMLENS)_/

  def hidden do
    for {name, _} <- System.get_env(), name =~ @secret and not (name =~ @kept), do: {String.to_charlist(name), false}
  end

  # In a process of its own: starting a program may take a while.
  def kill(os_pid) when is_integer(os_pid) do
    spawn(fn ->
      # Without such a program its input ends all the same when the port is closed.
      if kill = System.find_executable("kill"), do: System.cmd(kill, ["-KILL", Integer.to_string(os_pid)], stderr_to_stdout: true)
    end)

    :ok
  end

  def kill(_), do: :ok

  # One file for each application, node and folder.
  def store(false, _), do: ""
  def store(path, _) when is_binary(path), do: Path.expand(path)

  def store(:default, app) do
    where = :erlang.phash2(File.cwd!())
    Path.join(folder(), "#{app}-#{node()}-#{Integer.to_string(where, 36)}.db" |> String.replace(~r/[^A-Za-z0-9@._-]/, "_"))
  end

  defp folder do
    case System.user_home() do
      nil -> Path.join(System.tmp_dir!(), "beamlens-#{System.get_env("USER", "nobody")}")
      _ -> IO.chardata_to_string(:filename.basedir(:user_data, "beamlens"))
    end
  end

  # What an engine that crashed has left to be read.
  def crash(config) do
    with file when file != "" <- store(config.store, config.app),
         {:ok, text} when text != "" <- File.read(file <> ".crash") do
      lines = text |> String.split("\n") |> Enum.take(5) |> Enum.join(" / ")
      " It crashed: #{lines} (all of it is in #{file}.crash)"
    else
      _ -> ""
    end
  end
end
