#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# nolibc.sh SOFTSGX SIGNER PROGRAM MODE... - PROGRAM (nolibc.c) in every patching mode, with what SIGNER prepares.
set -u
softsgx=$1 signer=$2 program=$3
shift 3
file=$(mktemp)
trap 'rm -f "$file"' EXIT
"$softsgx" run -- "$signer" "$file" || exit 1
for mode; do
	"$softsgx" run --patch="$mode" -- "$program" "$file" || exit 1
done
