#!/bin/sh
# Compiles the probe. It must be done with the oldest OTP that is supported, so that all load it.
set -eu
cd "$(dirname "$0")"
erlc +deterministic +no_debug_info -Werror beamlens_probe.erl
erl -noshell -eval '{ok, _} = beam_lib:strip_files(["beamlens_probe.beam"]), halt().'
