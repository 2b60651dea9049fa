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
  | `probability` | that the culprit is right, 0 to 1; `confidence` is the word for it |
  | `cause_alert_id` | the alert that led to the others, or nil |
  | `evidence`, `alternatives`, `gaps`, `would_change` | what it rests on, what was ruled out, what is not known, what would change it: a line each |
  | `evidence_ids` | the snapshots that show it |
  | `outcome` | nil, or `%{verdict: :confirmed or :withdrawn, why: text, at: DateTime}` |
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
    :probability,
    :cause_alert_id,
    :outcome,
    alert_ids: [],
    path: [],
    evidence: [],
    alternatives: [],
    gaps: [],
    would_change: [],
    evidence_ids: []
  ]

  @correlations %{"temporal" => :temporal, "causal" => :causal, "symptomatic" => :symptomatic}
  @verdicts %{"confirmed" => :confirmed, "withdrawn" => :withdrawn}
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
      gaps: m["gaps"] || [],
      would_change: m["would_change"] || [],
      evidence_ids: m["evidence_ids"] || [],
      probability: m["probability"],
      cause_alert_id: m["cause_alert_id"],
      outcome: outcome(m["outcome"])
    }
  end

  defp outcome(%{"verdict" => verdict} = m),
    do: %{verdict: @verdicts[verdict], why: m["why"], at: Beamlens.Snapshot.time(m["at"])}

  defp outcome(_), do: nil
end
