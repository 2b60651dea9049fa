#!/bin/sh
# Runs the package with the real :telemetry, Jason, Tower, and Ecto with PostgreSQL. None of them is committed or needed: give a folder with
# their sources, one folder each (telemetry, jason, tower, decimal, db_connection, postgrex, ecto, ecto_sql, ecto_psql_extras, table_rex, uniq).
#
#   elixir/test/real.sh DIR
#
# They are compiled by path, without Hex; the temporary application and the PostgreSQL cluster that it starts go at the end.
set -eu
sources=$(cd "${1:?give the folder with the sources}" && pwd)
package=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
bin=$(dirname "$(readlink -f "$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb | tail -1)")")
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
cleanup() {
	as "$bin/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

# library NAME APPLICATION-CALLBACK DEPENDENCIES…: a copy with a mix.exs that asks for nothing from Hex.
library() {
	name=$1 mod=$2
	shift 2
	cp -r "$sources/$name" "$work/$name"
	deps=""
	for d in "$@"; do deps="$deps{:$d, path: \"../$d\"}, "; done
	[ "$mod" = - ] || mod="mod: {$mod, []},"
	[ "$mod" != - ] || mod=""
	cat >"$work/$name/mix.exs" <<-END
		defmodule RealLibrary.$(echo "$name" | tr a-z_ A-Z.).MixProject do
		  use Mix.Project
		  def project, do: [app: :$name, version: "99.0.0", deps: [$(echo "$deps" | sed 's/, $//')], consolidate_protocols: false]
		  def application, do: [$mod extra_applications: [:logger, :crypto, :ssl, :eex]]
		end
	END
}
library telemetry :telemetry_app
library decimal -
library jason - decimal
library db_connection DBConnection.App telemetry
library postgrex Postgrex.App db_connection decimal
library ecto Ecto.Application telemetry decimal
library ecto_sql Ecto.Adapters.SQL.Application ecto db_connection postgrex telemetry
library table_rex -
library ecto_psql_extras - ecto_sql postgrex table_rex
library uniq -
library tower Tower.Application telemetry uniq

mkdir "$work/pg" "$work/socket"
chmod 711 "$work"
if [ "$(id -u)" = 0 ]; then chown postgres "$work/pg" "$work/socket"; fi
as "$bin/initdb" -D "$work/pg" -A trust -U postgres >/dev/null
as "$bin/pg_ctl" -D "$work/pg" -w -o "-c listen_addresses='' -c unix_socket_directories=$work/socket -c shared_preload_libraries=pg_stat_statements" start >/dev/null

mkdir -p "$work/real/lib" "$work/real/config"
cd "$work/real"
cat >mix.exs <<END
defmodule Real.MixProject do
  use Mix.Project
  @libraries ~w(telemetry decimal jason db_connection postgrex ecto ecto_sql table_rex ecto_psql_extras uniq tower)a
  def project, do: [app: :real, version: "1.0.0", deps: [{:beamlens, path: "$package"} | for(l <- @libraries, do: {l, path: "../#{l}", override: true})]]
  def application, do: [mod: {Real, []}, extra_applications: [:logger]]
end
END
cat >config/config.exs <<END
import Config
config :tower, log_level: :critical, ignored_exceptions: [], logger_metadata: [], reporters: [Beamlens.Skill.Exception.ExceptionStore] # the first three are its defaults
config :real, Real.Repo, socket_dir: "$work/socket", username: "postgres", database: "postgres", pool_size: 5, log: false
END
cp "$package/test/real/real.ex" lib/real.ex
HOME=$work XDG_DATA_HOME=$work GOCACHE=$(go env GOCACHE) GOMODCACHE=$(go env GOMODCACHE) mix run -e 'Real.check()'
