# SPDX-License-Identifier: BSD-2-Clause
# Pipelines, substitutions, traps, subshells, job control.
set -u
trap 'echo got USR1' USR1
kill -USR1 $$
seq 1 2000 | sort -rn | awk '{ s += $1 } END { print s }'
echo "$(echo inner | tr a-z A-Z) $(printf '%s' x y z)"
(exit 7); echo "status $?"
{ sh -c 'kill -SEGV $$'; } 2>/dev/null; echo "status $?"
{ sh -c 'kill -TERM $$'; } 2>/dev/null; echo "status $?"
sleep 0.1 & wait $!; echo "waited $?"
cat <(echo one) <(echo two)
for i in 1 2 3 4 5; do echo "$i"; done | while read -r line; do echo "line $line"; done
ulimit -c 0
bash -c 'trap "" SEGV; kill -SEGV $$; echo survived'
timeout 0.2 sleep 5; echo "timeout $?"
exec env -i sh -c 'echo "end $#"' sh a b
