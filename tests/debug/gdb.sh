#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# gdb.sh SOFTSGX PROGRAM - gdb, started outside and attached to PROGRAM (host.c): symbols, breakpoints, steps, memory and
# DBGOPTIN of a debug enclave, and backtraces that cross its border, with patching off, at once and as usual.
# Proves: B-41, A-DBG-1
# shellcheck disable=SC2016  # $pc and $1 are gdb's
softsgx=$1 program=$2
passed=0 failed=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

skip() {
	echo "gdb: $1"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
}

command -v gdb >/dev/null || skip 'gdb is not installed'
gdb -nx -batch -ex 'python import gdb.unwinder' >/dev/null 2>&1 || skip 'this gdb has no Python'

# debug MODE ARGUMENT COMMAND... - what gdb says is in $dir/gdb, what the program says in $dir/out.
debug() {
	local mode=$1 argument=$2 arguments=() pid i
	shift 2
	for i in "$@"; do
		arguments+=(-ex "$i")
	done
	rm -f "$dir/in" "$dir/out"
	mkfifo "$dir/in"
	timeout 60 "$softsgx" run --patch="$mode" -- "$program" "$argument" <"$dir/in" >"$dir/out" 2>&1 &
	exec 3>"$dir/in"
	pid=
	for ((i = 0; i < 200 && !pid; i++)); do
		pid=$(sed -n 's/^ready //p' "$dir/out")
		[ -n "$pid" ] && break
		sleep 0.1
	done
	# The program goes on when gdb lets it: the line waits in the pipe.
	timeout 60 "$softsgx" gdb -nx -batch -iex 'set pagination off' -iex 'set debuginfod enabled off' \
		-ex 'set confirm off' -ex 'set width 0' -ex "shell echo >$dir/in" "${arguments[@]}" "$pid" >"$dir/gdb" 2>&1 3>&-
	exec 3>&-
	wait $!
	grep -q 'ptrace: Operation not permitted' "$dir/gdb" && skip 'attaching is not permitted'
}

# expect WHAT FILE PATTERN - a regular expression that may span lines.
expect() {
	if tr '\n' '~' <"$dir/$2" | grep -Eq -- "$3"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$1: no \"$3\" in what $2 says:"
		tail -n 40 "$dir/$2"
	fi
}

host_calls='in enter .*in ecall .*in host_call .*in main '
inside='debug_inner \(n=.*in debug_outer .*in enclave_main .*in enclave_entry .*<enclave boundary>.*'
inside+="in __vdso_sgx_enter_enclave .*$host_calls"

for mode in off force auto; do
	debug $mode early 'info sgx' 'break debug_inner' 'continue' 'bt' 'stepi' 'next' 'finish' 'delete' 'continue'
	expect "$mode: the enclave is listed" gdb '0x[0-9a-f]+ 0x[0-9a-f]+ debug XFRM 0x3 [^~]*debug\.elf'
	expect "$mode: a breakpoint in the enclave" gdb 'Breakpoint 1, (0x[0-9a-f]+ in )?debug_inner \(n='
	expect "$mode: a backtrace to main" gdb "$inside"
	expect "$mode: steps and finish" gdb 'return debug_counter.*in debug_outer .*Value returned is'
	expect "$mode: the program ends as ever" gdb 'exited normally'
	expect "$mode: with the same results" out '0: 44~1: 9~2: 42~0: 62~1: 12~2: 42~0: 80~1: 15~2: 42~done'
done

# The enclave is loaded when gdb is there already: a breakpoint that waits, and memory that is written.
debug auto late 'set breakpoint pending on' 'break debug_outer' 'continue' 'print debug_counter' \
	'set var debug_written = 1000' 'set var debug_counter = 0' 'delete' 'continue'
expect 'a breakpoint before the enclave' gdb 'Breakpoint 1, (0x[0-9a-f]+ in )?debug_outer \(n=2\).*\$1 = 5'
expect 'the program sees what gdb has written' out '0: 1002~'

expect 'nothing is heard of the traps of the runtime' gdb 'Breakpoint 1'
if grep -q 'SIGTRAP' "$dir/gdb"; then
	failed=$((failed + 1))
	echo 'gdb reports a SIGTRAP of the runtime:'
	tail -n 20 "$dir/gdb"
fi

# Over the first call of a thread into an enclave.
debug auto late 'set breakpoint pending on' 'break host_call' 'continue' 'next' 'next' 'delete' 'continue'
expect 'next over a call' gdb 'Breakpoint 1, host_call .*printf\('
expect 'and the program ends as ever' out '0: 22~.*done'

# An exception: from its handler on the host to the code that raised it, and further; and inside, the second phase.
debug auto early 'break host_handler if rdi == 6' 'continue' 'bt' 'frame function debug_fault' 'x/i $pc-1' \
	'break enclave_exception' 'continue' 'bt' 'delete' 'continue'
fault="<enclave boundary>.*in debug_fault .*in enclave_main .*in enclave_entry .*<enclave boundary>.*$host_calls"
expect 'from the handler into the enclave' gdb "#0  host_handler .*in __vdso_sgx_enter_enclave .*$fault.*ud2"
expect 'from the second phase to main' gdb \
	"#0 .*enclave_exception .*in enclave_entry .*<enclave boundary>.*in call_handler .*$fault"
expect 'nothing is changed by looking' out '1: 9~2: 42~0: 62~'

# Stacks in another order.
debug auto thread 'break debug_inner' 'continue' 'bt' 'delete' 'break host_handler if rdi == 6' 'continue' 'bt' \
	'delete' 'continue'
expect 'a backtrace of a thread' gdb "${inside%main *}calls .*start_thread"
expect 'and from its handler' gdb "#0  host_handler .*in __vdso_sgx_enter_enclave .*${fault%main *}calls .*start_thread"

# DBGOPTIN, set from outside.
debug auto early 'break host_ocall' 'continue' 'python tcs = "(unsigned long)call.tcs"' 'sgx-optin call.tcs' \
	'x/1gx call.tcs+8' 'continue' 'x/1gx call.tcs+8' 'sgx-optin call.tcs off' 'continue' 'x/1gx call.tcs+8' \
	'sgx-optin call.tcs+8' 'sgx-optin 0' 'delete' 'continue'
expect 'DBGOPTIN is set, lasts, and is cleared' gdb '0x0*1~.*:	0x0*1~.*:	0x0*0~'
expect 'only a TCS can be meant' gdb 'is no TCS of an enclave.*is no TCS of an enclave'
expect 'the program ends' out 'done'

for arguments in '' 'x' '-5' '12 -ex'; do
	# shellcheck disable=SC2086
	"$softsgx" gdb $arguments >"$dir/out" 2>&1
	if [ $? -eq 2 ] && grep -q 'usage: softsgx gdb' "$dir/out"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "softsgx gdb $arguments: no usage"
	fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
