# SPDX-License-Identifier: BSD-2-Clause
# Pipelines, traps, job control, substitutions.
trap 'echo "leaving with $?"' EXIT
trap 'echo usr1; n=$((n + 1))' USR1
n=0
for _ in 1 2 3; do kill -USR1 $$; done
echo "$n"
seq 1 2000 | grep -v 7 | sort -rn | awk '{ s += $1 } END { print s, NR }'
set -o pipefail
false | true
echo "pipe ${PIPESTATUS[*]} $?"
diff <(printf 'a\nb\n') <(printf 'a\nc\n')
(trap 'echo term; exit 9' TERM; kill -TERM $BASHPID; echo never)
echo "sub $?"
sleep 60 &
sleep 0.2	# a child that is killed before it is on its own runs the EXIT trap, too
kill %1
wait %1
echo "job $?"
coproc cat
echo hello >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
echo "$line"
printf '%s\n' "$(echo nested "$(echo deep)")" | tee /dev/null | while read -r x; do echo "<$x>"; done
sh -c 'kill -SEGV $$'
echo "segv $?"
exit 11
