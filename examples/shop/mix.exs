defmodule Shop.MixProject do
  use Mix.Project

  def project do
    [app: :shop, version: "0.1.0", elixir: "~> 1.14", start_permanent: false, deps: deps()]
  end

  # With the folder of the Elixir package in $BEAMLENS_PACKAGE the shop runs under BeamLens; without, it is one that is attached to.
  defp deps do
    case System.get_env("BEAMLENS_PACKAGE") do
      nil -> []
      path -> [{:beamlens, path: path}]
    end
  end

  def application do
    [extra_applications: [:logger], mod: {Shop.Application, []}]
  end
end
