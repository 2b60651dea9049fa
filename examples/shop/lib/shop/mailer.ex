defmodule Shop.Mailer do
  @moduledoc "Sends mails, one after the other. When the mail server is slow, the mails wait in its mailbox."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def send(to, subject, body), do: GenServer.cast(__MODULE__, {:mail, to, subject, body})

  @impl true
  def init(_), do: {:ok, %{sent: 0}}

  @impl true
  def handle_cast({:mail, to, subject, body}, state) do
    deliver(to, subject, body)
    {:noreply, %{state | sent: state.sent + 1}}
  end

  defp deliver(_to, _subject, body) do
    if Shop.Faults.on?(:mailbox), do: wait_for_smtp()
    length(body)
  end

  # What a mail server that answers late looks like from here.
  defp wait_for_smtp do
    receive do
      {:smtp, :ok} -> :ok
    after
      Shop.Faults.how(:mailbox, "smtp_ms", 50) -> :ok
    end
  end
end
