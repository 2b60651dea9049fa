defmodule Beamlens.Snapshot do
  @moduledoc """
  One reading of one skill.

  | field | |
  |---|---|
  | `id` | 16 hexadecimal digits |
  | `skill` | the skill's id, text |
  | `captured_at` | `DateTime`, UTC |
  | `data` | a map with text as keys, JSON-safe |
  """
  # Elixir has a JSON encoder of its own since 1.18. Those of Jason are in encoders.ex.
  if Code.ensure_loaded?(JSON.Encoder), do: @derive(JSON.Encoder)

  @enforce_keys [:id, :captured_at, :data]
  defstruct [:id, :skill, :captured_at, data: %{}]

  @doc false
  def new(m), do: %__MODULE__{id: m["id"], skill: m["skill"], captured_at: time(m["captured_at"]), data: m["data"] || %{}}

  @doc false
  def time(nil), do: nil

  def time(text) do
    case DateTime.from_iso8601(text) do
      {:ok, time, _} -> time
      _ -> nil
    end
  end
end
