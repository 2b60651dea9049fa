# The structs as JSON, for an application that has Jason. What `defimpl` would make is written out here, because it needs the protocol when
# this package is compiled: then Jason would have to be a dependency, or an application would have encoders or not by the order in which
# Mix compiles what it depends on. Without Jason nobody calls these modules.
for struct <- [Beamlens.Alert, Beamlens.Insight, Beamlens.Snapshot] do
  defmodule Module.concat(Jason.Encoder, struct) do
    @moduledoc false

    Module.register_attribute(__MODULE__, :__impl__, persist: true)
    @__impl__ [protocol: Jason.Encoder, for: struct]

    def __impl__(:for), do: unquote(struct)
    def __impl__(:protocol), do: Jason.Encoder
    def __impl__(:target), do: __MODULE__

    def encode(value, opts), do: Jason.Encode.map(Map.from_struct(value), opts)
  end
end
