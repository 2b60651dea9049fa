#!/bin/sh
# Compiles the modules of the probe. It must be done with the oldest OTP that is supported, so that all load them.
# The result is the same on every machine: no debug information, no compile options, no path, and stripped.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
for source in beamlens_probe*.erl; do
	module=${source%.erl}
	erlc +deterministic +no_debug_info -Werror -o "$out" "$source"
	erl -noshell -eval '{ok, _} = beam_lib:strip_files(["'"$out/$module"'.beam"]), halt().'
done
