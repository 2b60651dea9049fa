defmodule Beamlens.Alert do
  @moduledoc """
  One operator's claim that something is wrong, with the snapshots that show it.

  | field | |
  |---|---|
  | `id` | 16 hexadecimal digits |
  | `operator` | the operator's name, an atom |
  | `anomaly_type` | text: `"mailbox_flood"` |
  | `severity` | `:info`, `:warning`, `:critical` |
  | `status` | `:unread`, `:acknowledged`, `:resolved` |
  | `summary` | one sentence |
  | `context`, `observation` | facts |
  | `hypothesis` | speculation, or nil |
  | `culprit` | `%{kind:, id:, name:, facts:}` or nil: the process, table, port … that is to blame |
  | `snapshots` | at least one `Beamlens.Snapshot` |
  | `findings`, `evidence` | what was found and read, maps with text as keys |
  | `onset`, `detected_at`, `updated_at`, `cleared_at` | `DateTime`, UTC; the last is nil while it lasts |
  | `count` | how often it was fired while it lasted |
  | `node` | the node, an atom |
  | `trace_id` | 32 hexadecimal digits: the investigation, the same as in the events of its run |
  """
  # Elixir has a JSON encoder of its own since 1.18. Those of Jason are in encoders.ex.
  if Code.ensure_loaded?(JSON.Encoder), do: @derive(JSON.Encoder)

  @enforce_keys [:id, :operator, :anomaly_type, :severity, :summary]
  defstruct [
    :id,
    :operator,
    :anomaly_type,
    :severity,
    :status,
    :summary,
    :context,
    :observation,
    :hypothesis,
    :culprit,
    :onset,
    :detected_at,
    :updated_at,
    :cleared_at,
    :node,
    :trace_id,
    count: 1,
    snapshots: [],
    findings: [],
    evidence: []
  ]

  @severities %{"info" => :info, "warning" => :warning, "critical" => :critical}
  @statuses %{"unread" => :unread, "acknowledged" => :acknowledged, "resolved" => :resolved}

  @doc false
  def new(m, operator) do
    %__MODULE__{
      id: m["id"],
      operator: operator,
      anomaly_type: m["anomaly_type"],
      severity: @severities[m["severity"]],
      status: @statuses[m["status"]],
      summary: m["summary"],
      context: m["context"],
      observation: m["observation"],
      hypothesis: m["hypothesis"],
      culprit: culprit(m["culprit"]),
      onset: Beamlens.Snapshot.time(m["onset"]),
      detected_at: Beamlens.Snapshot.time(m["detected_at"]),
      updated_at: Beamlens.Snapshot.time(m["updated_at"]),
      cleared_at: Beamlens.Snapshot.time(m["cleared_at"]),
      node: node(),
      trace_id: m["trace_id"],
      count: m["count"],
      snapshots: for(s <- m["snapshots"] || [], do: Beamlens.Snapshot.new(s)),
      findings: m["findings"] || [],
      evidence: m["evidence"] || []
    }
  end

  @doc false
  def culprit(%{"kind" => kind, "id" => id} = c), do: %{kind: kind, id: id, name: c["name"], facts: c["facts"] || %{}}
  def culprit(_), do: nil
end
