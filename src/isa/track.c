/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is inside, and since which epoch (sgx-isa 6.7). The TCS pages of an enclave form a list: SECS.tcs_first,
 * then epcm_entry.tcs_next, each index + 1. A page stays listed until it leaves the EPC, whatever EMODT makes of it,
 * since the thread that entered through it stays inside.
 *
 * Writers of one enclave's list are serialised by the caller (the driver's lock of that enclave). Readers need no
 * lock: an unlinked page keeps its tcs_next, so that a reader that stands on it finds its way back to the list.
 */
#include "isa/secs.h"

static uint32_t *tcs_next(const struct epc_section *s, uint32_t link)
{
	return &s->epcm[link - 1].tcs_next;
}

void track_tcs_link(const struct epc_page *secs, const struct epc_page *tcs)
{
	uint32_t *first = &secs_of(secs)->tcs_first;

	__atomic_store_n(&tcs->epcm->tcs_next, *first, __ATOMIC_RELAXED);
	__atomic_store_n(first, (uint32_t)tcs->index + 1, __ATOMIC_RELEASE);
}

void track_tcs_unlink(const struct epc_page *secs, const struct epc_page *tcs)
{
	uint32_t *link = &secs_of(secs)->tcs_first;

	while (*link && *link != tcs->index + 1)
		link = tcs_next(secs->section, *link);
	if (*link)
		__atomic_store_n(link, tcs->epcm->tcs_next, __ATOMIC_RELEASE);
}

bool track_any_inside(struct machine *m, const struct epc_page *secs, uint32_t epoch_at_most)
{
	uint32_t link = __atomic_load_n(&secs_of(secs)->tcs_first, __ATOMIC_ACQUIRE);

	while (link) {
		uint64_t word = atomic_load(&secs->section->epcm[link - 1].tcs_word);

		if (word && word >> 32 <= epoch_at_most && m->ops->owner_alive(m, (uint32_t)word))
			return true;
		link = __atomic_load_n(tcs_next(secs->section, link), __ATOMIC_ACQUIRE);
	}
	return false;
}

bool track_done(struct machine *m, const struct epc_page *secs, uint32_t stamp)
{
	return atomic_load(&secs_of(secs)->epoch) > stamp && !track_any_inside(m, secs, stamp);
}
