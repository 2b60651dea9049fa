defmodule Beamlens.InstallTest do
  use Beamlens.Case

  alias Mix.Tasks.Beamlens.Install

  setup do
    shell = Mix.shell()
    Mix.shell(Mix.Shell.Process)
    on_exit(fn -> Mix.shell(shell) end)
  end

  defp install(dir, args), do: File.cd!(dir, fn -> Install.run(args) end)

  test "from a path, and from an archive with its checksum", %{dir: dir} do
    {:ok, engine} = Beamlens.Binary.find(nil)
    install(dir, ["--path", engine])
    assert_receive {:mix_shell, :info, ["beamlens " <> _]}
    assert File.read!(Path.join(dir, "priv/beamlens")) == File.read!(engine)
    File.rm!(Path.join(dir, "priv/beamlens"))

    archive = Path.join(dir, "beamlens.tar.gz")
    :ok = :erl_tar.create(archive, [{~c"beamlens-0.1.0/beamlens", String.to_charlist(engine)}], [:compressed])
    sum = Base.encode16(:crypto.hash(:sha256, File.read!(archive)), case: :lower)
    assert_raise Mix.Error, ~r/needs --sha256/, fn -> install(dir, ["--archive", archive]) end

    assert_raise Mix.Error, ~r/not what was released/, fn ->
      install(dir, ["--archive", archive, "--sha256", String.duplicate("0", 64)])
    end

    refute File.exists?(Path.join(dir, "priv/beamlens"))
    install(dir, ["--archive", archive, "--sha256", sum])
    assert {"beamlens " <> _, 0} = System.cmd(Path.join(dir, "priv/beamlens"), ["version"])
  end

  test "what is not the engine is not installed", %{dir: dir} do
    assert_raise Mix.Error, ~r/not the engine/, fn -> install(dir, ["--path", "/bin/true"]) end
    assert_raise Mix.Error, ~r/no such file/, fn -> install(dir, ["--path", "/no/such/file"]) end
    assert_raise Mix.Error, ~r/source is not here/, fn -> install(dir, []) end
    assert_raise Mix.Error, ~r/takes --path/, fn -> install(dir, ["--what"]) end
    assert File.ls!(Path.join(dir, "priv")) == []
  end
end
