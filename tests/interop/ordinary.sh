#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# ordinary.sh SOFTSGX FILES - ordinary programs print the same and end the same under SOFTSGX as without it. FILES is
# the directory of their scripts.
set -u
softsgx=$1 files=$2
passed=0 failed=0 skipped=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export HOME=$work XDG_STATE_HOME=$work/state LC_ALL=C

skip() { # NAME REASON
	echo "$1: skipped: $2"
	skipped=$((skipped + 1))
}

# Addresses, process ids and the like differ between any two runs.
normal() {
	sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/[0-9]{3,}/NUMBER/g; s/\(core dumped\)//; s/ +/ /g' "$1"
}

verdict() { # NAME - compare $work/{native,inside}.{out,err,status}
	if cmp -s "$work/native.out" "$work/inside.out" && cmp -s "$work/native.status" "$work/inside.status" &&
	   diff <(normal "$work/native.err") <(normal "$work/inside.err") >"$work/diff"; then
		passed=$((passed + 1))
	else
		echo "$1: FAILED: status $(cat "$work/inside.status"), without softsgx $(cat "$work/native.status")"
		diff "$work/native.out" "$work/inside.out" | head -n 20
		head -n 20 "$work/diff"
		failed=$((failed + 1))
	fi
}

same() { # NAME COMMAND...
	local name=$1
	shift
	{ # the outer one is for what this shell says of a command that a signal ended
		timeout 30 "$@" >"$work/native.out" 2>"$work/native.err" </dev/null
		echo $? >"$work/native.status"
		timeout 60 "$softsgx" run -- "$@" >"$work/inside.out" 2>"$work/inside.err" </dev/null
		echo $? >"$work/inside.status"
	} 2>/dev/null
	verdict "$name"
}

have() { # NAME - whether the program is here, and works
	command -v "$1" >/dev/null && "$1" --version >/dev/null 2>&1
}

if have node; then
	for part in hello wasm spawn workers signals http; do
		same "node-$part" node "$files/basics.js" $part
	done
	same node-eval node -e 'console.log([1, 2, 3].map((x) => x * x)); null.x'
else
	echo "node: FAILED: not installed"
	failed=$((failed + 1))
fi

if have python3; then
	for part in processes threads pool crash signals memory; do
		same "python3-$part" python3 "$files/basics.py" $part
	done
else
	skip python3 "not installed"
fi

same bash bash "$files/pipes.bash"

if have java && have javac && javac -d "$work" "$files/Basics.java"; then
	same java java -XX:-OmitStackTraceInFastThrow -cp "$work" Basics
	same java-interpreter java -Xint -cp "$work" Basics
else
	skip java "no java with a compiler is installed"
fi

if have gcc; then
	same gcc gcc -O2 -g -pipe -o "$work/compiled" "$files/stopped.c"
	same gcc-error sh -c 'echo "int main(void) { return x; }" | gcc -x c - -o /dev/null'
	sum=$(cksum <"$work/compiled")
	"$softsgx" run -- gcc -O2 -g -pipe -o "$work/compiled" "$files/stopped.c"
	if [ "$sum" = "$(cksum <"$work/compiled")" ]; then
		passed=$((passed + 1))
	else
		echo "gcc-output: FAILED: another object"
		failed=$((failed + 1))
	fi
else
	skip gcc "not installed"
fi

attach() { # COMMAND... - run a program that tells its process id, attach, break, look, go on
	local i
	rm -f "$work/pid"
	timeout 60 "$@" "$work/program" "$work/pid" >"$work/program.out" 2>&1 &
	for ((i = 0; i < 100; i++)); do
		[ -s "$work/pid" ] && break
		sleep 0.1
	done
	timeout 60 gdb -nx -q -batch -p "$(cat "$work/pid")" -ex 'handle SIGSYS nostop noprint pass' \
		-ex 'handle SIGALRM nostop noprint pass' -ex 'break work' -ex continue -ex backtrace -ex continue \
		-ex 'print n > 0' -ex 'print calls > 0' -ex delete -ex 'print done = 1' -ex 'print (int)kill(getpid(), 14)' \
		-ex continue 2>"$work/gdb.err" >"$work/gdb.out"
	wait $!
	echo $?
	cat "$work/program.out"
	sed -nE 's/=[0-9]+\)/)/; s/=0x[0-9a-f]+\)/)/; s/0x[0-9a-f]+ in //; /^#[0-9]/p; /^\$/p; /exited with code/p' "$work/gdb.out" |
		sed -E 's/process [0-9]+//; s/Inferior 1 \([^)]*\)/Inferior/'
}

if have gdb && have gcc && gcc -O1 -g -o "$work/program" "$files/stopped.c"; then
	echo 0 | tee "$work/native.status" >"$work/inside.status"
	: >"$work/native.err"
	: >"$work/inside.err"
	attach env >"$work/native.out"
	if grep -q 'exited with code' "$work/native.out"; then
		attach "$softsgx" run -- >"$work/inside.out"
		verdict gdb-attach
	else
		skip gdb-attach "gdb may not attach here: $(tail -n 1 "$work/gdb.err")"
	fi
else
	skip gdb-attach "gdb or gcc is not installed"
fi

line="$passed passed, $failed failed"
[ $skipped -eq 0 ] || line+=", $skipped skipped"
echo "$line"
[ $failed -eq 0 ]
