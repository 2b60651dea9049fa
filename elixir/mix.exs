defmodule Beamlens.MixProject do
  use Mix.Project

  @version "0.1.0"
  @optional [:telemetry, EctoPSQLExtras, Decimal, Jason.Encode]

  def project do
    [
      app: :beamlens,
      version: @version,
      elixir: "~> 1.14",
      description: "Finds what is wrong in a live BEAM system, and who is to blame",
      deps: [],
      compilers: Mix.compilers() ++ [:beamlens],
      # In the repository the probe has one source, which the engine embeds too. A package carries a copy in src.
      erlc_paths: [Enum.find(["../erlang/probe", "src"], &File.exists?("#{&1}/beamlens_probe.erl"))],
      elixirc_paths: if(Mix.env() == :test, do: ["lib", "test/support"], else: ["lib"]),
      # What may be there at run time, and is never needed: when it is not there, and when it is.
      elixirc_options: [no_warn_undefined: @optional],
      # Until Elixir 1.19 these were two questions.
      xref: if(Version.match?(System.version(), "< 1.19.0"), do: [exclude: @optional], else: []),
      # Is compiled in an application of its own.
      test_ignore_filters: [&String.starts_with?(&1, "test/real/")],
      # What OTP 29 would have otherwise, OTP 25 has not.
      erlc_options: [:debug_info, :nowarn_deprecated_catch],
      test_coverage: [summary: [threshold: 0]],
      package: [
        licenses: ["Apache-2.0"],
        files: ~w(lib src priv mix.exs README.md guides .formatter.exs),
        links: %{"GitHub" => "https://github.com/beamlens/beamlens-go"}
      ],
      docs: [main: "readme", extras: ["README.md", "guides/from_the_original.md"]]
    ]
  end

  def application do
    [extra_applications: [:logger, :crypto]]
  end
end
