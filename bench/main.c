/* SPDX-License-Identifier: BSD-2-Clause */
/* softsgx-bench WHAT: see scripts/bench, which runs it bare and under softsgx and puts the figures side by side. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "floors")) {
		bench_floor_signals();
		bench_floor_loading();
		bench_syscalls("native");
		bench_step_floor();
		bench_ticks_floor();
		return 0;
	}
	if (!strcmp(what, "dispatch")) {
		bench_dispatch_floor();
		return 0;
	}
	if (!strcmp(what, "start") && argc > 3) {
		bench_start(argv[2], argv + 3);
		return 0;
	}
	if (!strcmp(what, "inside"))
		return bench_roundtrip("roundtrip_hot") || bench_raw() || bench_exceptions() || bench_compute() ||
		       bench_loading();
	if (!strcmp(what, "exact"))
		return bench_roundtrip("roundtrip_exact");
	if (!strcmp(what, "syscalls")) {
		bench_syscalls("gated");
		return 0;
	}
	if (!strcmp(what, "entered"))
		return bench_syscalls_entered();
	if (!strcmp(what, "delivery") && argc == 3)
		return bench_delivery(argv[2]);
	if (!strcmp(what, "step"))
		return bench_step_inside();
	if (!strcmp(what, "ticks"))
		return bench_ticks_inside();
	fprintf(stderr, "softsgx-bench: floors | dispatch | start NAME PROGRAM... | inside | exact | syscalls | entered |\n"
		"\tdelivery DESIGN | step | ticks\n");
	return 2;
}
