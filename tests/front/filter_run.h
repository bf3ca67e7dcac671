/* SPDX-License-Identifier: BSD-2-Clause */
/* An interpreter for the seccomp programs: what the kernel would answer to a call. */
#ifndef SOFTSGX_TESTS_FRONT_FILTER_RUN_H
#define SOFTSGX_TESTS_FRONT_FILTER_RUN_H

#include <linux/seccomp.h>
#include <string.h>

#include "front/filter_build.h"

#define FILTER_BAD	0xdeadu		/* the program leaves its bounds: no real action */

static inline uint32_t filter_run(const struct filter_program *p, const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, memory[16] = { 0 }, k;
	unsigned int pc = 0, steps = 0;

	while (pc < p->count && steps++ < 4096) {
		const struct sock_filter *f = &p->insn[pc++];
		bool taken;

		k = f->k;
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (k % 4 || k + 4 > sizeof(*data))
				return FILTER_BAD;
			memcpy(&a, (const char *)data + k, 4);
			continue;
		case BPF_LD | BPF_MEM:
			a = memory[k & 15];
			continue;
		case BPF_ST:
			memory[k & 15] = a;
			continue;
		case BPF_MISC | BPF_TAX:
			x = a;
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= k;
			continue;
		case BPF_ALU | BPF_ADD | BPF_K:
			a += k;
			continue;
		case BPF_ALU | BPF_ADD | BPF_X:
			a += x;
			continue;
		case BPF_RET | BPF_K:
			return k;
		case BPF_JMP | BPF_JA:
			pc += k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			taken = a == k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			taken = a > k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			taken = a >= k;
			break;
		case BPF_JMP | BPF_JGE | BPF_X:
			taken = a >= x;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			taken = a & k;
			break;
		default:
			return FILTER_BAD;
		}
		pc += taken ? f->jt : f->jf;
	}
	return FILTER_BAD;
}

#endif
