#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh SOFTSGX MODE PROGRAM [ARGUMENT...] - PROGRAM with an EPC that is large enough, a patching mode and what else
# SOFTSGX_OPTIONS says.
softsgx=$1 mode=$2
export ABI_PATCH="$mode"
shift 2
# shellcheck disable=SC2086
exec "$softsgx" run --epc=32M --patch="$mode" $SOFTSGX_OPTIONS -- "$@"
