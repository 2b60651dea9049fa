defmodule Beamlens.TestSkill do
  @moduledoc false
  # A skill of which every part can be made to misbehave.
  @behaviour Beamlens.Skill

  def set(key, value), do: :persistent_term.put({__MODULE__, key}, value)
  defp get(key, default), do: :persistent_term.get({__MODULE__, key}, default)

  @impl true
  def id, do: :redis
  @impl true
  def system_prompt, do: "You watch Redis."
  @impl true
  def snapshot, do: get(:snapshot, fn -> %{clients: 3, role: :primary} end).()
  @impl true
  def callback_docs, do: "- `redis_info()` → what Redis says of itself\n- `slowLog(limit)`"
  @impl true
  def rules, do: [%{metric: "clients", above: 100, severity: :critical, doc: "too many"}]

  @impl true
  def callbacks do
    %{
      "redis_info" => get(:info, fn -> %{version: "7", at: ~D[2026-01-01], pid: self(), pair: {:a, 1}, bad: <<255, 0>>} end),
      "slowLog" => fn limit -> Enum.take([%{ms: 12}, %{ms: 9}], limit || 10) end
    }
  end
end

defmodule Beamlens.OtherSkill do
  @moduledoc false
  # Another skill that has the same id, as two repositories have a skill ecto each.
  @behaviour Beamlens.Skill

  @impl true
  def id, do: :redis
  @impl true
  def system_prompt, do: "You watch the other Redis."
  @impl true
  def snapshot, do: %{clients: 500}
  @impl true
  def callback_docs, do: "- `other_info()`"
  @impl true
  def rules, do: Beamlens.TestSkill.rules()
  @impl true
  def callbacks, do: %{"other_info" => fn -> %{version: "8"} end}
end

defmodule Beamlens.BadSkill do
  @moduledoc false
  @behaviour Beamlens.Skill

  @impl true
  def id, do: :bad
  @impl true
  def system_prompt, do: ""
  @impl true
  def snapshot, do: %{}
  @impl true
  def callback_docs, do: ""
  @impl true
  def callbacks, do: raise("no callbacks")
end
