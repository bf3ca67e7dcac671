# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For the tests of the command line. SOFTSGX is the program, HELPERS the directory with what meson.build compiles for
# them. Each check counts as one test; `summary' prints the closing line.

set -u
: "${SOFTSGX:?path of softsgx}" "${HELPERS:?directory of the helpers}"

passed=0 failed=0 skipped=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
export XDG_STATE_HOME=$scratch/state HOME=$scratch/home
mkdir -p "$HOME"
unset SOFTSGX_RT
out=$scratch/out err=$scratch/err
status=0

# call COMMAND...: runs it; its output is in $out and $err, its exit status in $status.
call() {
	{ # the outer one is for what the shell itself says of a process that a signal killed
		"$@" >"$out" 2>"$err" </dev/null
		status=$?
	} 2>/dev/null
}

pass() {
	passed=$((passed + 1))
}

fail() {
	failed=$((failed + 1))
	printf '%s: FAILED: %s\n' "${0##*/}" "$1"
	sed 's/^/    /' "$out" "$err"
}

skip() {
	skipped=$((skipped + 1))
	printf '%s: skipped: %s\n' "${0##*/}" "$1"
}

# expect NAME STATUS [ERROR-TEXT]: how the last call ended, and what it said on stderr (nothing if not given).
expect() {
	if [ "$status" -ne "$2" ]; then
		fail "$1: exit status $status instead of $2"
	elif [ $# -gt 2 ] && ! grep -qF -- "$3" "$err"; then
		fail "$1: no \"$3\" on stderr"
	elif [ $# -eq 2 ] && [ -s "$err" ]; then
		fail "$1: unexpected message"
	else
		pass
	fi
}

# expect_line NAME LINE: the last call printed this line.
expect_line() {
	if grep -qxF -- "$2" "$out"; then pass; else fail "$1: no line \"$2\""; fi
}

# expect_equal NAME A B
expect_equal() {
	if [ "$2" = "$3" ]; then pass; else fail "$1: \"$2\" is not \"$3\""; fi
}

summary() {
	local line="$passed passed, $failed failed"
	[ "$skipped" -eq 0 ] || line+=", $skipped skipped"
	echo "$line"
	[ "$failed" -eq 0 ]
}
