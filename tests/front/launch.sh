#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# launch.sh SOFTSGX PROGRAMS SOFTSGX-RT [NAME...] - how programs come to their runtime: SOFTSGX is the command, PROGRAMS
# the directory of the compiled tests/front/programs, NAME limits the tests. Closes with "N passed, N failed[, N skipped]".
set -u

softsgx=$(realpath "$1") programs=$(realpath "$2") runtime=$(realpath "$3")
shift 3
only=" $* "
passed=0 failed=0 skipped=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

soft() {
	"$softsgx" run -- "$@"
}

# check NAME: runs the function test_NAME; its status 77 means skipped, its output says why.
check() {
	local name=$1 output status
	[ "$only" = "  " ] || [[ $only == *" $name "* ]] || return
	output=$("test_$name" 2>&1)
	status=$?
	case $status in
	0)	passed=$((passed + 1)) ;;
	77)	skipped=$((skipped + 1)); echo "launch_$name: skipped: $output" ;;
	*)	failed=$((failed + 1)); echo "launch_$name: FAILED ($status)"; echo "${output//$'\n'/$'\n    '}" ;;
	esac
}

expect() {	# WHAT GOT WANTED
	[ "$2" = "$3" ] && return
	echo "$1: $2, should be $3"
	return 1
}

exits() {	# STATUS COMMAND...
	local wanted=$1 status
	shift
	"$@"
	status=$?
	expect "status of $*" $status "$wanted"
}

# same PROGRAM-AND-ARGUMENTS: its output with softsgx is that without.
same() {
	"$@" >native.txt 2>&1
	soft "$@" >soft.txt 2>&1
	diff <(grep -v '^environment _=' native.txt) <(grep -v '^environment _=' soft.txt)
}

# The registers, flags and extended state of the first instruction.
test_start_state() { exits 0 soft "$programs/start_state"; }

# Arguments, environment, auxiliary vector, descriptors, signals, ids, limits.
test_facts() { same "$programs/facts" a '' 'b c'; }
test_closed_descriptors() {
	"$programs/facts" <&- 2>&- | grep '^fd' >native.txt
	soft "$programs/facts" <&- 2>&- | grep '^fd' >soft.txt
	diff native.txt soft.txt
}

test_vdso_dynamic() { soft "$programs/vdso_calls"; }
test_vdso_static() { soft "$programs/vdso_static"; }
test_vdso_static_pie() { soft "$programs/vdso_static_pie"; }

test_exit_status() {
	local status
	for status in 0 1 42 125 126 127 255; do
		exits $status soft /bin/sh -c "exit $status" || return 1
	done
}

test_death_by_signal() {
	local sig
	ulimit -c 0
	for sig in TERM KILL SEGV ILL TRAP FPE BUS ABRT SYS; do
		exits $((128 + $(kill -l $sig))) soft /bin/sh -c "kill -$sig \$\$; exit 1" || return 1
	done
}

# The program is the process that was started, and its parent the one that started it.
test_process_numbers() {
	local pid
	# shellcheck disable=SC2016 # the inner shell's
	"$softsgx" run -- /bin/sh -c 'echo $$ $PPID' >numbers.txt &
	pid=$!
	wait $pid
	expect "pid" "$(cut -d' ' -f1 numbers.txt)" "$pid" && expect parent "$(cut -d' ' -f2 numbers.txt)" "$BASHPID"
}

test_script() {
	cat >script <<-END
		#!/bin/bash
		set -e
		echo "\$0 \$1"
		"$programs/vdso_calls"
		exec "$programs/vdso_static"
	END
	chmod +x script
	expect output "$(soft ./script argument)" "./script argument"
	exits 0 soft ./script argument
}

test_script_without_interpreter() {
	echo '#!/nowhere/interpreter' >script
	chmod +x script
	exits 127 soft ./script
}

test_not_found() { exits 127 soft ./nowhere; }
test_not_executable() { cp /bin/true plain; chmod 644 plain; exits 126 soft ./plain; }
test_directory() { exits 126 soft /; }
test_not_a_program() { echo garbage >garbage; chmod +x garbage; exits 126 soft ./garbage; }

# Every process of a pipeline has the runtime, however it was made.
test_children() {
	soft /bin/sh -c "'$programs/vdso_calls' && ('$programs/vdso_static' | cat) && exec '$programs/vdso_calls'" &&
		soft /usr/bin/env -i /usr/bin/env "$programs/vdso_calls" &&
		printf 'x\n' | soft /usr/bin/xargs "$programs/vdso_calls"
}

test_python_subprocess() {
	command -v python3 >/dev/null || { echo "no python3"; return 77; }
	soft python3 -c "import subprocess, sys; sys.exit(subprocess.call(['$programs/vdso_calls']))"
}

test_node() {
	command -v node >/dev/null || { echo "no node"; return 77; }
	expect output "$(soft node -e 'console.log([1, 2, 3].map(x => x * 2).join())')" 2,4,6 &&
		exits 0 soft node -e "process.exit(require('child_process').spawnSync('$programs/vdso_calls').status)"
}

# A program that has changed its user is not dumpable; what it executes has the runtime all the same.
test_other_user() {
	[ "$(id -u)" = 0 ] || { echo "not root"; return 77; }
	chmod 755 .
	cp "$programs/vdso_calls" .
	exits 0 soft /bin/sh -c "su nobody -s /bin/sh -c '$PWD/vdso_calls'"
}

# A tracer that is there already: a message that names it, and nothing left behind.
test_traced() {
	command -v strace >/dev/null || { echo "no strace"; return 77; }
	exits 125 strace -f -o trace.txt "$softsgx" run -- /bin/true 2>message.txt && grep -q 'ptrace is refused' message.txt
}

# Filters are installed once, not by every execve.
test_filters_do_not_grow() {
	expect filters "$(soft /bin/sh -c 'exec /bin/sh -c "exec grep Seccomp_filters /proc/self/status"')" \
		"$(soft grep Seccomp_filters /proc/self/status)"
}

test_exec_failure() {
	cp /bin/true plain
	chmod 644 plain
	echo garbage >garbage
	chmod +x garbage
	exits 0 soft "$programs/exec_fail" ./plain ./garbage
}

test_exec_of_leader() {
	for _ in {1..20}; do soft "$programs/exec_threads" leader "$programs/after_exec" || return 1; done
}

test_exec_of_thread() {
	for _ in {1..20}; do soft "$programs/exec_threads" thread "$programs/after_exec" || return 1; done
}

test_exec_signals() { same "$programs/exec_mask" exec "$programs/facts"; }
test_vfork_exec_signals() {
	"$programs/exec_mask" vfork "$programs/facts" | grep -v '^parent\|^environment _=' >native.txt
	soft "$programs/exec_mask" vfork "$programs/facts" | grep -v '^parent\|^environment _=' >soft.txt
	diff native.txt soft.txt
}

# Signals of the runtime's own kind at any moment.
test_flood() {
	local sig
	for sig in SEGV BUS ILL SYS USR1; do exits 0 soft "$programs/flood" "$(kill -l $sig)" || return 1; done
}

# What the runtime can't start without: a message and status 125.
test_refused_start() {
	(ulimit -v 200000; soft /bin/true) 2>message.txt
	expect status $? 125 && grep -q 'ulimit -v' message.txt || return 1
	exits 125 "$programs/refuse_ldt" "$softsgx" run -- /bin/true 2>message.txt && grep -q modify_ldt message.txt
}

# Signals, masks, stacks, queues, deaths, blocking calls, cancelled threads: as without the runtime.
test_signals() { ulimit -c 0; same "$programs/signals"; }
test_threads() { same "$programs/many_threads"; }

test_own_filter() { exits 0 soft "$programs/own_filter"; }
test_vfork_child() { ulimit -c 0; exits 0 soft "$programs/vfork_child"; }

# A signal to the process group at any moment of the start: the program dies of it, and nothing stays behind.
test_killed_while_starting() {
	local i pid status
	set -m			# each job is a process group
	for i in {1..30}; do
		"$softsgx" run -- sleep 7.125 &	# not soft(): its subshell may fork once more after the signal
		pid=$!
		while [ "$(cat /proc/$pid/comm)" = launch.sh ]; do :; done	# bash loses signals until then
		sleep "0.00$((i % 4))$((i % 10))"
		kill -TERM -- -$pid
		wait $pid
		status=$?
		expect status $status 143 || return 1
	done 2>/dev/null
	set +m
	expect "processes left" "$(pgrep -fc '[s]leep 7.125')" 0
}

test_stopped_while_starting() {
	local i pid
	set -m
	for i in {1..20}; do
		"$softsgx" run -- /bin/sh -c 'sleep 0.01; exit 9' &
		pid=$!
		while [ "$(cat /proc/$pid/comm)" = launch.sh ]; do :; done
		kill -STOP -- -$pid
		sleep "0.00$((i % 4))"
		kill -CONT -- -$pid
		wait $pid
		expect status $? 9 || return 1
	done 2>/dev/null
	set +m
}

test_statistics() {
	"$softsgx" run --stats="$scratch/stats" -- /bin/sh -c '/bin/true; /bin/true' || return 1
	expect processes "$("$softsgx" stats --json "$scratch/stats" | grep -o '"processes": [0-9]*')" '"processes": 3'
}

# The runtime can be copied to where it was linked: nothing to relocate, nothing to resolve, nothing writable to run.
test_runtime_image() {
	expect "program headers" "$(readelf -lW "$runtime" | grep -cE 'INTERP|DYNAMIC|RWE')" 0 &&
		expect relocations "$(readelf -rW "$runtime" | grep -c '^0')" 0 &&
		expect "undefined symbols" "$(nm -u "$runtime" | wc -l)" 0
}

for name in $(declare -F | sed -n 's/^declare -f test_//p'); do
	check "$name"
done
echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
[ $failed = 0 ]
