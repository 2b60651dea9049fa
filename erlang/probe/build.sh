#!/bin/sh
# Compiles the probe. It must be done with the oldest OTP that is supported, so that all load it.
# The result is the same on every machine: no debug information, no compile options, no path, and stripped.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
erlc +deterministic +no_debug_info -Werror -o "$out" beamlens_probe.erl
erl -noshell -eval '{ok, _} = beam_lib:strip_files(["'"$out"'/beamlens_probe.beam"]), halt().'
