defmodule Beamlens.Insight do
  @moduledoc """
  The coordinator's statement about one or more alerts.

  | field | |
  |---|---|
  | `id` | 16 hexadecimal digits |
  | `alert_ids` | the alerts that it is about |
  | `correlation_type` | `:temporal`, `:causal`, `:symptomatic` |
  | `summary` | what it says |
  | `root_cause_hypothesis` | text or nil |
  | `confidence` | `:high`, `:medium`, `:low` |
  | `culprit` | as in `Beamlens.Alert` |
  | `path` | metrics from cause to effect |
  | `evidence`, `alternatives`, `gaps` | what it rests on, what was ruled out, what could not be read: a line each |
  | `created_at` | `DateTime`, UTC |
  | `trace_id` | 32 hexadecimal digits |
  """
  # Elixir has a JSON encoder of its own since 1.18. Those of Jason are in encoders.ex.
  if Code.ensure_loaded?(JSON.Encoder), do: @derive(JSON.Encoder)

  @enforce_keys [:id, :alert_ids, :correlation_type, :summary, :confidence]
  defstruct [
    :id,
    :correlation_type,
    :summary,
    :root_cause_hypothesis,
    :confidence,
    :created_at,
    :culprit,
    :trace_id,
    alert_ids: [],
    path: [],
    evidence: [],
    alternatives: [],
    gaps: []
  ]

  @correlations %{"temporal" => :temporal, "causal" => :causal, "symptomatic" => :symptomatic}
  @confidences %{"high" => :high, "medium" => :medium, "low" => :low}

  @doc false
  def new(m) do
    %__MODULE__{
      id: m["id"],
      alert_ids: m["alert_ids"] || [],
      correlation_type: @correlations[m["correlation_type"]],
      summary: m["summary"],
      root_cause_hypothesis: m["root_cause_hypothesis"],
      confidence: @confidences[m["confidence"]],
      created_at: Beamlens.Snapshot.time(m["created_at"]),
      culprit: Beamlens.Alert.culprit(m["culprit"]),
      trace_id: m["trace_id"],
      path: m["path"] || [],
      evidence: m["evidence"] || [],
      alternatives: m["alternatives"] || [],
      gaps: m["gaps"] || []
    }
  end
end
