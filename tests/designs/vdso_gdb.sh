#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# vdso_gdb.sh SOFTSGX PROGRAM - gdb, attached to PROGRAM (vdso_paused.c) under each delivery design, knows the image's
# symbols and walks over it, out of the handler.
# Proves: B-40
softsgx=$1 program=$2
passed=0 failed=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT

if ! command -v gdb >/dev/null; then
	echo "0 passed, 0 failed, 1 skipped: no gdb"
	exit 0
fi
for delivery in upstream vdso-v28 vdso-v36 vdso-v38 signals; do
	exec 3< <(exec timeout 60 "$softsgx" run --delivery="$delivery" -- "$program")
	read -r -t 50 _ pid <&3
	timeout 60 gdb -nx -batch -p "$pid" -ex bt -ex 'info symbol __vdso_time' -ex kill >"$out" 2>&1
	exec 3<&-
	if grep -q 'ptrace: Operation not permitted' "$out"; then
		echo "0 passed, 0 failed, 1 skipped: attaching is not permitted"
		exit 0
	fi
	names=$(sed -n 's/^#[0-9]* *\(0x[0-9a-f]* in \)\{0,1\}\(<signal handler called>\|[^ ]*\).*/\2/p' "$out" | tr '\n' ' ')
	case $delivery in
	signals) expected='<signal handler called> te_raw ' ;;	# which has no unwind information
	*) expected='paused_handler __vdso_sgx_enter_enclave dv_saving_call entering main ' ;;
	esac
	if [[ $names == *"$expected"* ]] && grep -q 'time in section .text of system-supplied DSO' "$out"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$delivery: gdb sees: $names"
		tail -n 20 "$out"
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
