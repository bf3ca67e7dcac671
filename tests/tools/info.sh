#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves: softsgx, its help and version; softsgx info as text and JSON, also where seccomp or ptrace is refused.
# shellcheck source=tests/tools/lib.sh
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

# flatten: the JSON in $out as lines name.key=value, into $flat.
flat=$scratch/flat
flatten() {
	python3 -c '
import json, sys
info = json.load(open(sys.argv[1]))
print("usable=" + str(info["usable"]))
for f in info["findings"]:
    for key in f:
        print(f["name"] + "." + key + "=" + str(f[key]))' "$out" >"$flat"
}
get() {
	sed -n "s/^$1=//p" "$flat"
}

call "$SOFTSGX" info --json
expect 'info --json' 0
if python3 -m json.tool "$out" >/dev/null; then pass; else fail 'JSON is not valid'; fi
flatten
for name in cpu kernel sgx_cpuid enclu fsgsbase seccomp_filter ptrace cpuid_faulting syscall_user_dispatch \
	membarrier_sync_core process_vm_readv protection_keys isolation modify_ldt xcr0 minsigstksz max_map_count; do
	if [ -n "$(get $name.value)" ] && [ -n "$(get $name.meaning)" ]; then pass; else fail "info lacks $name"; fi
done
expect_equal 'FSGSBASE is essential' "$(get fsgsbase.essential)" True
case "$(get fsgsbase.available) $(get seccomp_filter.available) $(get ptrace.available)" in
'True True True') expect_equal 'usable with all that is essential' "$(get usable)" True ;;
*) expect_equal 'not usable without' "$(get usable)" False ;;
esac

# A leak checker would need ptrace itself.
export ASAN_OPTIONS=detect_leaks=0
for what in seccomp ptrace; do
	name=$what
	[ $what = seccomp ] && name=seccomp_filter
	call "$HELPERS/refuse" $what "$SOFTSGX" info --json
	expect "info without $what" 0
	flatten
	expect_equal "info sees that $what is refused" "$(get $name.available)" False
	expect_equal "usable without $what" "$(get usable)" False
done

summary
