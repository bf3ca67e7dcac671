#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves: softsgx run with the real runtime passes exit status, signals, arguments, environment and standard streams
# through, for dynamic programs, scripts and shells, and says what is missing where ptrace is refused.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"

export SOFTSGX_RT=${RUNTIME:?path of softsgx-rt}
cd "$scratch" || exit 1
run() {
	call "$SOFTSGX" run "$@"
}

run -- true
expect 'true' 0
run -- false
expect 'false' 1
run -- sh -c 'exit 42'
expect 'exit status' 42
for signal in TERM KILL SEGV ABRT; do
	run -- sh -c "ulimit -c 0; kill -$signal \$\$"
	expect "death by SIG$signal" $((128 + $(kill -l "$signal")))
done
run -- printf '<%s>' one '' 'two three'
expect_equal 'arguments' "$(cat "$out")" '<one><><two three>'
call env -i HOME="$HOME" A='b c' "$SOFTSGX" run /usr/bin/env
expect_equal 'environment' "$(sort "$out")" "$(printf 'A=b c\nHOME=%s' "$HOME")"
expect_equal 'standard input' "$(echo text | "$SOFTSGX" run cat)" text
cat >script <<'END'
#!/bin/sh
echo script "$@"
END
chmod 755 script
run -- ./script argument
expect_line 'script' 'script argument'
run -- sh -c 'sh -c "exit 7"'
expect 'a program that starts a program' 7
run -- sh -c 'test -e /dev/sgx_enclave && test -e /dev/sgx_provision'
expect 'the devices are there' 0
run -- "$SOFTSGX" info
expect 'info under softsgx' 0
if grep -q 'this is softsgx' "$out"; then pass; else fail 'info does not see that it runs under softsgx'; fi
call "$HELPERS/refuse" ptrace "$SOFTSGX" run -- true
expect 'no ptrace' 125 'ptrace'
run -- /lib/x86_64-linux-gnu/libc.so.6
expect 'a library that is a program' 0

summary
