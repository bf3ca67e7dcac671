#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves: softsgx run finds PROGRAM as execvp does, refuses with the right status and reason what it can't run, and hands
# options, arguments, environment and descriptors over unchanged (to a stand-in for the runtime).
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"

fake=$HELPERS/fake-rt
export SOFTSGX_RT=$fake
cd "$scratch" || exit 1
mkdir -p bin empty
run() {
	call "$SOFTSGX" run "$@"
}

# --- usage
run
expect 'no program' 125 'which program'
run --
expect 'only --' 125 'which program'
run --nonsense /bin/true
expect 'unknown option' 125 'nonsense'
run --epc
expect 'option without its value' 125 'epc'
run --help
expect 'help' 0
for option in --epc --platform --sgx1 --nosgx --patch --cpuid --stats --verbose --help; do
	if grep -q -- "^  $option" "$out"; then pass; else fail "help does not mention $option"; fi
done

# --- PROGRAM that can't be run
run -- no-such-program-anywhere
expect 'not in PATH' 127 'command not found'
run -- ''
expect 'empty name' 127 'not found'
run -- ./missing
expect 'missing path' 127 './missing: No such file'
run -- /bin/true/x
expect 'part of the path is no directory' 127 'Not a directory'
run -- "$scratch/bin"
expect 'directory' 126 'is a directory'
mkfifo fifo && chmod 755 fifo
run -- ./fifo
expect 'FIFO' 126 'not a regular file'
echo data >data
run -- ./data
expect 'not executable' 126 'not executable'
chmod 755 data
run -- ./data
expect 'neither ELF nor script' 126 'neither a program for x86-64 nor a script'
: >nothing && chmod 755 nothing
run -- ./nothing
expect 'empty file' 126 'neither a program'

# elf FILE CLASS TYPE MACHINE: a header of 64 bytes; the last three as printf escapes.
elf() {
	{
		printf '\177ELF%b\001\001\0\0\0\0\0\0\0\0\0%b\0%b\0' "$2" "$3" "$4"
		head -c 44 /dev/zero
	} >"$1"
	chmod 755 "$1"
}
elf i386 '\001' '\003' '\003'
run -- ./i386
expect '32-bit program' 126 '32-bit'
elf x32 '\001' '\003' '\076'
run -- ./x32
expect 'x32 program' 126 '32-bit'
elf arm '\002' '\002' '\267'
run -- ./arm
expect 'program of another machine' 126 'another kind of machine'
elf object '\002' '\001' '\076'
run -- ./object
expect 'object file' 126 'not a program'
head -c 40 object >short && chmod 755 short
run -- ./short
expect 'truncated ELF header' 126 'too short'

cp /bin/true set-id
chmod 4755 set-id
run -- ./set-id
expect 'setuid program' 126 'is setuid'
chmod 2755 set-id
run -- ./set-id
expect 'setgid program' 126 'is setgid'
chmod 2745 set-id
run -- ./set-id
expect 'setgid bit without group execution means nothing' 0

# --- scripts
printf '#!/bin/sh\n' >script && chmod 755 script
run -- ./script
expect 'script' 0
expect_line 'a script stays the program' 'program=./script'
printf '#! /bin/sh -e\n' >script
run -- ./script
expect 'interpreter with space and argument' 0
chmod 4755 script
run -- ./script
expect 'setuid bit of a script means nothing' 0
printf '#!/nowhere/sh\n' >script
run -- ./script
expect 'interpreter missing' 127 'its interpreter /nowhere/sh'
printf '#!./set-id\n' >script && chmod 4755 set-id
run -- ./script
expect 'setuid interpreter' 126 'is setuid'
printf '#!\n' >script
run -- ./script
expect 'no interpreter' 126 'without an interpreter'
printf '#!./script\n' >script
run -- ./script
expect 'script that is its own interpreter' 126 'too many'
printf '#!./arm\n' >script
run -- ./script
expect 'interpreter of another machine' 126 'another kind of machine'

# --- PATH
cp /bin/true bin/tool
echo data >empty/tool
call env PATH="$scratch/empty:$scratch/bin" "$SOFTSGX" run tool
expect 'PATH passes over what is not executable' 0
expect_line 'PATH finds the executable one' "program=$scratch/bin/tool"
call env PATH="$scratch/empty" "$SOFTSGX" run tool
expect 'PATH has only one that is not executable' 126 'not executable'
mkdir -p empty/folder
call env PATH="$scratch/empty" "$SOFTSGX" run folder
expect 'PATH has only a directory' 126 'is a directory'
cd bin || exit 1
call env PATH="/nowhere:" "$SOFTSGX" run tool
expect 'empty element of PATH' 0
expect_line 'empty element of PATH is the current directory' 'program=./tool'
cd .. || exit 1
call env -u PATH "$SOFTSGX" run true
expect 'no PATH' 0
expect_line 'no PATH means /bin and /usr/bin' 'program=/bin/true'

# --- what is handed over
descriptors=$("$fake" --descriptors)
descriptors=${descriptors#*=}
MARK='a b' call env MARK='a b' "$SOFTSGX" run /bin/true one '' --epc=1 -- 'x y'
expect 'arguments' 0
for line in argc=6 arg0=/bin/true arg1=one arg2= arg3=--epc=1 arg4=-- 'arg5=x y' 'mark=a b' argv0=softsgx-rt \
	"rt=$fake" "descriptors=$descriptors" stats= epc_pages=32768 patch=auto cpuid=auto sgx2=1 verbose=0 \
	cpusvn=e0e1e2e3e4e5e6e7e8e9eaebecedeeef; do
	expect_line "handed over" "$line"
done
run -- true
expect_line 'argv[0] is the name as given' arg0=true
call "$SOFTSGX" run /bin/true 77</dev/null
expect_line 'descriptors are inherited' "descriptors=$((descriptors + 1))"
call env EXIT_STATUS=42 "$SOFTSGX" run /bin/true
expect 'exit status passes through' 42
call env KILL_BY=15 "$SOFTSGX" run /bin/true
expect 'signal of death passes through' 143

for case in 4K:1 4096:1 1M:256 3M:768 1G:262144 1024G:268435456; do
	run --epc="${case%:*}" /bin/true
	expect "--epc=${case%:*}" 0
	expect_line "--epc=${case%:*}" "epc_pages=${case#*:}"
done
for size in 0 '' 4095 4097 -1 0x1000 4k 1T 1025G 12Q 4K4 18446744073709551616 99999999999999999999999G ' 4K' 4KB; do
	run --epc="$size" /bin/true
	expect "--epc=$size" 125 'must be a size'
done
for mode in auto off int3 jump force; do
	run --patch=$mode /bin/true
	expect_line "--patch=$mode" patch=$mode
done
run --patch=maybe /bin/true
expect '--patch=maybe' 125 'must be one of auto, off, int3, jump, force'
for mode in auto patch off; do
	run --cpuid=$mode /bin/true
	expect_line "--cpuid=$mode" cpuid=$mode
done
run --cpuid= /bin/true
expect '--cpuid=' 125 'must be one of auto, fault, patch, off'
run --cpuid=fault /bin/true
if [ $status -eq 0 ]; then
	expect_line '--cpuid=fault' cpuid=fault
else
	expect '--cpuid=fault' 125 'has no CPUID faulting'
fi
run --sgx1 --verbose /bin/true
expect_line '--sgx1' sgx2=0
expect_line '--verbose' verbose=1
run /bin/true
expect_line 'SGX by default' nosgx=0
run --nosgx /bin/true
expect_line '--nosgx' nosgx=1
expect_line '--nosgx leaves no SGX2' sgx2=0

# --- platform
run --platform=mine /bin/true
expect 'platform is made on first use' 0
seed=$(sed -n 's/^seed=//p' mine)
expect_line 'seed of the platform' "seed=$seed"
run --platform=mine /bin/true
expect_line 'platform is used again' "seed=$seed"
expect_equal 'mode of a new platform' "$(stat -c %a mine)" 600
"$SOFTSGX" platform new --platform=small --epc=64K --profile=sgx1 >/dev/null
run --platform=small /bin/true
expect_line 'EPC of the platform' epc_pages=16
expect_line 'profile of the platform' sgx2=0
run --platform=small --epc=8K /bin/true
expect_line '--epc goes before the platform' epc_pages=2
echo nonsense >bad
run --platform=bad /bin/true
expect 'bad platform file' 125 'bad: line 1'
run --platform=/dev/null/x /bin/true
expect 'no place for the platform' 125 '/dev/null'
call env -u XDG_STATE_HOME HOME="$scratch/home" "$SOFTSGX" run /bin/true
expect 'default platform below HOME' 0
if [ -f "$scratch/home/.local/state/softsgx/platform" ]; then pass; else fail 'platform is not below HOME'; fi

# --- statistics
run --stats=counts /bin/true
expect '--stats' 0
expect_line '--stats is absolute' "stats=$scratch/counts"
run --stats="$scratch/counts" /bin/true
expect_line '--stats with an absolute path' "stats=$scratch/counts"
printf 'tsgxst1\0old' >counts
run --stats=counts /bin/true
expect '--stats with an older file of its kind' 0
expect_equal 'statistics begin anew' "$(stat -c %s counts)" 0
run --stats=data /bin/true
expect '--stats with a file of another kind' 125 'holds something else'
expect_equal 'which stays as it is' "$(cat data)" data
run --stats="$(printf '%0300d' 0)" /bin/true
expect '--stats with a long path' 125 'bytes or more'
run --stats=/nowhere/counts /bin/true
expect '--stats in no directory' 125 '/nowhere/counts'

# --- the runtime
call env SOFTSGX_RT=/nowhere/rt "$SOFTSGX" run /bin/true
expect 'SOFTSGX_RT that is not there' 125 'SOFTSGX_RT'
mkdir -p alone/bin libexec/softsgx alone/libexec/softsgx
cp "$SOFTSGX" alone/bin/softsgx
call env -u SOFTSGX_RT alone/bin/softsgx run /bin/true
expect 'no runtime' 125 "can't find softsgx-rt"
cp "$fake" alone/libexec/softsgx/softsgx-rt
call env -u SOFTSGX_RT alone/bin/softsgx run /bin/true
expect_line 'runtime in libexec' "rt=$scratch/alone/libexec/softsgx/softsgx-rt"
cp "$fake" alone/bin/softsgx-rt
call env -u SOFTSGX_RT alone/bin/softsgx run /bin/true
expect_line 'runtime beside softsgx' "rt=$scratch/alone/bin/softsgx-rt"
ln -s "$fake" link-to-rt
call env SOFTSGX_RT=link-to-rt "$SOFTSGX" run /bin/true
expect_line 'SOFTSGX_RT is made absolute' "rt=$fake"

# --- a machine that lacks something
call env LD_PRELOAD="$HELPERS/libno-fsgsbase.so" "$SOFTSGX" run /bin/true
if grep -q 'LD_PRELOAD' "$err"; then
	skip 'this softsgx can not be preloaded into'
else
	expect 'no FSGSBASE' 125 'lacks FSGSBASE'
fi
call "$HELPERS/refuse" seccomp "$SOFTSGX" run /bin/true
expect 'no seccomp' 125 'seccomp filters are refused here'

summary
