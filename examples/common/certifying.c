/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The enclaves of recursion: compiled with LEVEL = APPLICATION, QUOTING and CERTIFICATION. Each checks the report
 * of whoever asks, asks the next one, and answers with a report that carries on what it was given.
 */
#include "certifying.h"
#include "inside.h"

/* An exception of this level's own: #UD, #DE, #PF. All of the instructions have two bytes. */
static const uint8_t vector[LEVELS] = { 6, 0, 14 };

static void take_exception(void)
{
	switch (LEVEL) {
	case APPLICATION:	__asm__ volatile("ud2"); break;
	case QUOTING:		__asm__ volatile("div %%ecx" : : "a"(1), "c"(0), "d"(0) : "cc"); break;
	case CERTIFICATION:	__asm__ volatile("mov (%%rcx), %%al" : : "c"(0x1000) : "rax"); break;
	}
}

long enclave_exception(struct ssa_gpr *gpr)
{
	if (!(gpr->exitinfo & EXITINFO_VALID) || EXITINFO_VECTOR(gpr->exitinfo) != vector[LEVEL])
		return GIVE_UP;
	gpr->rip += 2;
	return RESUME;
}

long enclave_main(long what, void *argument)
{
	static struct targetinfo target;
	static struct report asker, mine, answer;
	uint8_t data[64] = "a challenge that nobody knows";
	struct request *r = argument;

	(void)what;
	if (!outside(r, sizeof(*r)))
		return -1;
	if (LEVEL > APPLICATION) {
		asker = r->asker;	/* inside, where nobody changes it after the check */
		if (!report_is_mine(&asker))
			return -2;
		memcpy(data, asker.data, sizeof(data));
	}
	if (LEVEL < CERTIFICATION) {
		target = r->next;
		report_for(&mine, &target, data);
		r->mine = mine;
		if (ocall(0, r))
			return -3;
		answer = r->answer;
		/*
		 * For us, by this machine; from the enclave that we asked; of our own maker; about what we sent.
		 */
		if (!report_is_mine(&answer) || memcmp(answer.mrenclave, target.measurement, 32) ||
		    memcmp(answer.mrsigner, mine.mrsigner, 32) || memcmp(answer.data, data, 60) ||
		    answer.data[60 + LEVEL + 1] != 'y')
			return -4;
		memcpy(data, answer.data, sizeof(data));
	}
	take_exception();		/* the inner levels have come and gone: the handler must be this one's */
	if (LEVEL > APPLICATION) {
		memset(&target, 0, sizeof(target));
		memcpy(target.measurement, asker.mrenclave, 32);
		memcpy(target.attributes, asker.attributes, 16);
		target.miscselect = asker.miscselect;
		data[60 + LEVEL] = 'y';
		report_for(&mine, &target, data);
		r->reply = mine;
	}
	return 0;
}
