#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves: softsgx platform new and show: what a seed determines, what is refused, who wins a race, and that every
# broken file is refused with its line and field.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$scratch" || exit 1
platform() {
	call "$SOFTSGX" platform "$@"
}
seed=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
field() {
	sed -n "s/^$1: *//p" "$out"
}

# --- usage
platform
expect 'no verb' 2 'Usage'
platform destroy
expect 'unknown verb' 2 'Usage'
platform new extra
expect 'extra argument' 2 'Usage'
platform show --seed=$seed
expect 'show --seed' 2 'does not take that option'
platform new --show-seed
expect 'new --show-seed' 2 'does not take that option'
platform --help
expect 'help' 0

# --- new and show
platform show
expect 'show before there is one' 1 'there is no platform yet'
platform new
expect 'new' 0
id=$(field Fingerprint)
expect_equal 'where it is' "$(field File)" "$XDG_STATE_HOME/softsgx/platform"
expect_equal 'CPUSVN' "$(field CPUSVN)" e0e1e2e3e4e5e6e7e8e9eaebecedeeef
expect_equal 'mode of the file' "$(stat -c %a "$XDG_STATE_HOME/softsgx/platform")" 600
expect_equal 'mode of a new directory' "$(stat -c %a "$XDG_STATE_HOME/softsgx")" 700
platform show
expect_equal 'show shows the same' "$(field Fingerprint)" "$id"
if grep -qi seed "$out"; then fail 'show shows the seed'; else pass; fi
platform new
expect 'new does not overwrite' 1 '--force'
platform show
expect_equal 'and leaves the file alone' "$(field Fingerprint)" "$id"
platform new --force
expect 'new --force' 0
if [ "$(field Fingerprint)" = "$id" ]; then fail 'a new platform has the old identity'; else pass; fi
(umask 777; "$SOFTSGX" platform new --platform=masked >/dev/null)
expect_equal 'mode does not depend on umask for others' "$(stat -c %a masked | tr -d 0)" ''

# --- seeds
platform new --platform=a --seed=$seed
expect 'new --seed' 0
first=$(field Fingerprint)
platform new --platform=b --seed "${seed^^}"
expect_equal 'the same seed is the same platform' "$(field Fingerprint)" "$first"
if cmp -s a b; then pass; else fail 'the same seed makes different files'; fi
platform new --platform=c --seed="${seed%f}e"
if [ "$(field Fingerprint)" = "$first" ]; then fail 'another seed is the same platform'; else pass; fi
platform show --platform=a --show-seed
expect_equal 'show --show-seed' "$(field Seed)" $seed
for bad in '' 0 "${seed}0" "${seed%f}g" "0x${seed%ff}" "${seed%f}" " ${seed%f}"; do
	platform new --platform=d --seed="$bad"
	expect "--seed=$bad" 2 '64 hexadecimal digits'
done
platform new --platform=d --epc=5000
expect '--epc=5000' 2 'multiple of 4K'
platform new --platform=d --profile=sgx3
expect '--profile=sgx3' 2 'sgx1 or sgx2'
if [ -e d ]; then fail 'a refused platform left a file'; else pass; fi
platform new --platform=e --epc=96K --profile=sgx1
platform show --platform=e
expect_equal 'EPC' "$(field EPC)" 96K
expect_equal 'profile' "$(field Profile)" sgx1

# --- JSON
platform show --platform=a --json --show-seed
expect 'show --json' 0
expect_equal 'JSON' "$(python3 -c '
import json, sys
p = json.load(open(sys.argv[1]))
print(sorted(p), p["fingerprint"], p["epc"], p["profile"], p["seed"])' "$out")" \
	"['cpusvn', 'epc', 'file', 'fingerprint', 'profile', 'seed'] $first 134217728 sgx2 $seed"
platform new --platform=$'q"\\\n' --json
if python3 -m json.tool "$out" >/dev/null; then pass; else fail 'JSON with a strange file name'; fi

# --- places
call env -u XDG_STATE_HOME "$SOFTSGX" platform new
expect_equal 'place without XDG_STATE_HOME' "$(field File)" "$HOME/.local/state/softsgx/platform"
call env XDG_STATE_HOME=relative "$SOFTSGX" platform show
expect_equal 'relative XDG_STATE_HOME is ignored' "$(field File)" "$HOME/.local/state/softsgx/platform"
platform new --platform=new/folders/file
expect 'directories are made' 0
platform new --platform=a/b
expect 'a file where a directory should be' 1 'a'
platform new --platform="$(printf '%05000d' 0)"
expect 'a path that is too long' 1 'too long'
platform show --platform=new/folders
expect 'a directory as platform file' 1 'regular file'
mkfifo fifo
call timeout 10 "$SOFTSGX" platform show --platform=fifo
expect 'a FIFO as platform file' 1 'regular file'

# --- races: all agree with the file that stays, and nothing else is left
for round in 1 2 3 4 5; do
	mkdir race
	for i in 1 2 3 4 5 6 7 8; do
		SOFTSGX_RT=$HELPERS/fake-rt "$SOFTSGX" run --platform=race/p /bin/true >"out$i" 2>&1 &
	done
	wait
	expect_equal "race $round: one seed" "$(sed -n 's/^seed=//p' out[1-8] | sort | uniq -c | awk '{ print $1 }')" 8
	expect_equal "race $round: one file" "$(ls race)" p
	rm -r race
done
for i in 1 2 3 4; do
	{ "$SOFTSGX" platform new --platform=once >/dev/null 2>&1; echo $? >"status$i"; } &
done
wait
expect_equal 'of several new, one makes it' "$(sort status[1-4] | tr -d '\n')" 0111

# --- broken files: bad NAME LINE FIELD, file on stdin
bad() {
	cat >broken
	platform show --platform=broken
	expect "$1" 1 "broken: line $2: "
	if grep -qF -- "$3" "$err"; then pass; else fail "$1: does not name $3"; fi
}
good() {
	printf 'version=1\nseed=%s\ncpusvn=e0e1e2e3e4e5e6e7e8e9eaebecedeeef\nprofile=sgx2\nepc=128M\n' $seed
}
good >fine
platform show --platform=fine
expect 'a plain file' 0
{ printf '# comment\n\n'; good | tac; } >fine
platform show --platform=fine
expect 'another order, comments and empty lines' 0
expect_equal 'means the same' "$(field Fingerprint)" "$first"
bad 'empty' 1 version </dev/null
for name in version seed cpusvn profile epc; do
	bad "no $name" 5 "\`$name'" < <(good | grep -v "^$name")
	bad "$name twice" 6 "\`$name'" < <({ good; good | grep "^$name"; })
	bad "$name is empty" "$(good | grep -n "^$name" | cut -d: -f1)" "\`$name'" < <(good | sed "s/^$name=.*/$name=/")
	bad "$name with a rest" "$(good | grep -n "^$name" | cut -d: -f1)" "\`$name'" < <(good | sed "s/^$name=.*/&x/")
	bad "space before $name" "$(good | grep -n "^$name" | cut -d: -f1)" "\` $name'" < <(good | sed "s/^$name=/ $name=/")
done
bad 'version of the future' 1 version < <(good | sed 's/version=1/version=2/')
bad 'short seed' 2 seed < <(good | sed 's/^seed=../seed=/')
bad 'seed that is not hexadecimal' 2 seed < <(good | sed 's/^seed=.../seed=zzz/')
bad 'EPC of nothing' 5 epc < <(good | sed 's/128M/0/')
bad 'EPC beyond all measure' 5 epc < <(good | sed 's/128M/99999999999999999999G/')
bad 'DOS line ends' 1 version < <(good | sed 's/$/\r/')
bad 'line without =' 6 'key=value' < <({ good; echo stray; })
bad 'unknown field' 6 "\`colour'" < <({ good; echo colour=blue; })
bad 'control characters' 6 "\`?[31m'" < <({ good; printf '\033[31m=1\n'; })
if grep -q $'\033' "$err"; then fail 'control characters reach the terminal'; else pass; fi
bad "cut off" 5 "cut off" < <(good | head -c -1)
{ good; printf 'x\0y\n'; } >broken
platform show --platform=broken
expect 'NUL byte' 1 'NUL'
head -c 100000 /dev/urandom >broken
platform show --platform=broken
expect 'random bytes' 1 'broken'
{ good; yes '# filler' | head -n 1000; } >broken
platform show --platform=broken
expect 'too long' 1 'more than'

summary
