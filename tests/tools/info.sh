#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves: softsgx, its help and version; softsgx info as text and JSON, also where seccomp or ptrace is refused.
. "$(dirname "$0")/lib.sh"

call "$SOFTSGX"
expect 'no command' 2 'Usage'
call "$SOFTSGX" --help
expect 'help' 0
for command in run info platform; do
	if grep -q "^  $command " "$out"; then pass; else fail "help does not list $command"; fi
done
call "$SOFTSGX" --version
expect 'version' 0
if grep -qE '^softsgx [0-9]+\.[0-9]+' "$out"; then pass; else fail 'version is no version'; fi
call "$SOFTSGX" walk
expect 'unknown command' 2 "no command \`walk'"
"$SOFTSGX" --help >/dev/full 2>"$err"
status=$?
if [ -e /dev/full ]; then expect 'output that can not be written' $status; fi

call "$SOFTSGX" info
expect 'info' 0
call "$SOFTSGX" info --help
expect 'info --help' 0
call "$SOFTSGX" info extra
expect 'info with an argument' 2 'Usage'
call "$SOFTSGX" info --nonsense
expect 'info with an unknown option' 2 'nonsense'
"$SOFTSGX" info >/dev/full 2>"$err"
status=$?
expect 'info that can not be written' 1 "can't write"

# get NAME KEY: of the finding in $out.
get() {
	python3 -c '
import json, sys
info = json.load(open(sys.argv[1]))
print([f for f in info["findings"] if f["name"] == sys.argv[2]][0][sys.argv[3]])' "$out" "$1" "$2"
}

call "$SOFTSGX" info --json
expect 'info --json' 0
if python3 -m json.tool "$out" >/dev/null; then pass; else fail 'JSON is not valid'; fi
for name in cpu kernel sgx_cpuid enclu fsgsbase seccomp_filter ptrace cpuid_faulting syscall_user_dispatch \
	membarrier_sync_core process_vm_readv protection_keys isolation modify_ldt xcr0 minsigstksz max_map_count; do
	if [ -n "$(get $name value)" ] && [ -n "$(get $name meaning)" ]; then pass; else fail "info lacks $name"; fi
done
expect_equal 'FSGSBASE is essential' "$(get fsgsbase essential)" True
usable=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["usable"])' "$out")
essential="$(get fsgsbase available) $(get seccomp_filter available) $(get ptrace available)"
if [ "$essential" = 'True True True' ]; then
	expect_equal 'usable with all that is essential' "$usable" True
else
	expect_equal 'not usable without' "$usable" False
fi

for what in seccomp ptrace; do
	name=$what
	[ $what = seccomp ] && name=seccomp_filter
	call "$HELPERS/refuse" $what "$SOFTSGX" info --json
	expect "info without $what" 0
	expect_equal "info sees that $what is refused" "$(get $name available)" False
	if grep -q '"usable": false' "$out"; then pass; else fail "usable without $what"; fi
done

summary
