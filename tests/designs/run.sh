#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh SOFTSGX DELIVERY MODE PROGRAM [ARGUMENT...] - PROGRAM with a delivery design and a patching mode.
softsgx=$1 delivery=$2 mode=$3
export DESIGNS_DELIVERY="$delivery" ABI_PATCH="$mode"
shift 3
exec "$softsgx" run --epc=32M --delivery="$delivery" --patch="$mode" -- "$@"
