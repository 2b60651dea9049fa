defmodule :telemetry do
  @moduledoc false
  # A stand-in with the behaviour of the real one that matters here: handlers run in the process that executes, and one that fails is
  # detached. The README says how to run these tests with the real one.

  def attach(id, event, fun, config), do: attach_many(id, [event], fun, config)

  def attach_many(id, events, fun, config) do
    handlers = handlers()

    if Map.has_key?(handlers, id) do
      {:error, :already_exists}
    else
      :persistent_term.put(__MODULE__, Map.put(handlers, id, {events, fun, config}))
    end
  end

  def detach(id) do
    if Map.has_key?(handlers(), id), do: :persistent_term.put(__MODULE__, Map.delete(handlers(), id)), else: {:error, :not_found}
  end

  def execute(event, measurements, metadata) do
    for {id, {events, fun, config}} <- handlers(), event in events do
      try do
        fun.(event, measurements, metadata, config)
      catch
        _, _ -> detach(id)
      end
    end

    :ok
  end

  defp handlers, do: :persistent_term.get(__MODULE__, %{})
end
