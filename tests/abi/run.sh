#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh SOFTSGX MODE PROGRAM [ARGUMENT...] - PROGRAM with an EPC that is large enough and a patching mode.
softsgx=$1 mode=$2
shift 2
exec "$softsgx" run --epc=32M --patch="$mode" -- "$@"
