defprotocol Jason.Encoder do
  @moduledoc false
  # A stand-in with the behaviour of the real one that matters here: a protocol, which structs have to implement. The README says how to
  # run these tests with the real one.
  @fallback_to_any true
  def encode(value, opts)
end

defimpl Jason.Encoder, for: Any do
  def encode(%_{} = struct, _), do: raise(Protocol.UndefinedError, protocol: @protocol, value: struct)
  def encode(value, opts), do: Jason.Encode.value(value, opts)
end

defimpl Jason.Encoder, for: DateTime do
  def encode(time, opts), do: Jason.Encode.value(DateTime.to_iso8601(time), opts)
end

defmodule Jason.Encode do
  @moduledoc false
  def value(%_{} = struct, opts), do: Jason.Encoder.encode(struct, opts)
  def value(map, opts) when is_map(map), do: map(map, opts)
  def value(list, opts) when is_list(list), do: ["[", list |> Enum.map(&value(&1, opts)) |> Enum.intersperse(","), "]"]
  def value(nil, _), do: "null"
  def value(atom, _) when is_boolean(atom), do: to_string(atom)
  def value(number, _) when is_number(number), do: to_string(number)
  def value(text, _), do: ["\"", text |> to_string() |> String.replace("\\", "\\\\") |> String.replace("\"", "\\\""), "\""]

  def map(map, opts) do
    fields = for {k, v} <- Enum.sort(map), do: [value(to_string(k), opts), ":", value(v, opts)]
    ["{", Enum.intersperse(fields, ","), "}"]
  end
end

defmodule Jason do
  @moduledoc false
  def encode!(value), do: value |> Jason.Encode.value(nil) |> IO.iodata_to_binary()
end
