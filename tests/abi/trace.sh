#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# trace.sh SOFTSGX PROGRAM - the trace of abi-inject's counted loop: whole lines, every instruction, both formats.
set -u
softsgx=$1 program=$2 passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() {	# NAME COMMAND...
	name=$1
	shift
	if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "$name: failed"; fi
}

SOFTSGX_OPTIONS=--step
export SOFTSGX_OPTIONS
"$softsgx" run --epc=32M --step --trace="$work/text" -- "$program" exits_are_where >"$work/out"
"$softsgx" run --epc=32M --step --trace-json="$work/json" -- "$program" exits_are_where >>"$work/out"
python3 - "$work/json" >"$work/counts" <<'END'
import json
import sys
loops = events = accesses = 0
for line in open(sys.argv[1], encoding='ascii'):
    record = json.loads(line)
    assert record['thread'] in (0, 1) and int(record['tcs'], 16) % 4096 == 0, record
    if 'event' in record:
        events += record['event'] in ('eenter', 'eexit', 'aex', 'eresume')
        continue
    assert int(record['rip'], 16) - int(record['offset'], 16) == int(record['tcs'], 16), record
    loops += int(record['offset'], 16) in (0x5100, 0x5103)
    accesses += len(record.get('memory', []))
print(loops, events > 8, accesses > 20)
END
check "the program" test "$(grep -c '1 passed, 0 failed' "$work/out")" = 2
# Four calls of 500 turns, two instructions each.
check "instructions in JSON" grep -qx '4000 True True' "$work/counts"
check "instructions in text" test "$(grep -c -E ' offset=(5100|5103)$' "$work/text")" = 4000
check "entries" test "$(grep -c 'event=eenter' "$work/text")" = "$(grep -c 'event=eexit' "$work/text")"
check "nothing but lines" test "$(grep -c -v -E '^[01] tcs=[0-9a-f]+ (event=[a-z]+ )?rip=[0-9a-f]+' "$work/text")" = 0
# What the loader of the loop writes and pushes.
check "memory" grep -q -E ' memory=[0-9a-f]+,[0-9a-f]+$' "$work/text"
check "a file that can't be written" sh -c "! '$softsgx' run --step --trace=/nonexistent/x -- true 2>/dev/null"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
