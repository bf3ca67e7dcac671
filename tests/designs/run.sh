#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh SOFTSGX DELIVERY MODE PROGRAM [ARGUMENT...] - PROGRAM with a delivery design, a patching mode,
# and what else SOFTSGX_OPTIONS says.
softsgx=$1 delivery=$2 mode=$3
export DESIGNS_DELIVERY="$delivery" ABI_PATCH="$mode"
shift 3
# shellcheck disable=SC2086
exec "$softsgx" run --epc=32M --delivery="$delivery" --patch="$mode" $SOFTSGX_OPTIONS -- "$@"
