/* SPDX-License-Identifier: BSD-2-Clause */
/* What a machine is asked: one row of probes[] each. */
#ifndef SOFTSGX_TOOLS_PROBE_H
#define SOFTSGX_TOOLS_PROBE_H

#include <stdbool.h>
#include <stddef.h>

/** enum probe_state - PROBE_FACT: neither good nor bad. */
enum probe_state { PROBE_YES, PROBE_NO, PROBE_FACT };

/** struct finding - what a probe found: text for people, and what follows from it for the user. */
struct finding {
	enum probe_state state;
	char value[160];
	const char *meaning;
};

struct probe {
	const char *name;		/* key in JSON */
	const char *label;
	bool essential;			/* softsgx run does not work without */
	void (*run)(struct finding *f);	/* leaves the process as it was */
};

extern const struct probe probes[];
extern const size_t probe_count;

/* probe_cpu.c */
void probe_cpu(struct finding *f);
void probe_sgx(struct finding *f);
void probe_fsgsbase(struct finding *f);
void probe_pkeys(struct finding *f);
void probe_xcr0(struct finding *f);
void probe_enclu(struct finding *f);

/** probe_inside_softsgx() - does this process run under softsgx? By its CPUID signature. */
bool probe_inside_softsgx(void);

/** probe_finding() - fills @f; @value is a format. */
void probe_finding(struct finding *f, enum probe_state state, const char *meaning, const char *value, ...)
	__attribute__((format(printf, 4, 5)));

#endif
