/* SPDX-License-Identifier: BSD-2-Clause */
/* Page faults on enclave mappings: A-FLT. */
#include "drv/fixture.h"

static struct env *v;
static int fd;
static uint64_t base;
static struct exception exc;

static void ready(int prot)
{
	v = env_new(64);
	fd = built(v, &base);
	for (uint64_t i = 0; i < 16; i++) {
		const int max = i < 4 ? encl_of(v, fd)->recs[i].max_prot : RWX;

		EXPECT_EQ(map(v, fd, base + i * PAGE, PAGE, prot & max), base + i * PAGE);
	}
}

static void done(void)
{
	drv_munmap(v->d, v->tid, base, 16 * PAGE);
	close(fd);
	drv_closed(v->d, fd);
}

/* Proves: A-FLT-1 */
TEST(drv_fault, no_mapping_is_not_ours)
{
	ready(RWX);
	EXPECT_EQ(touch(v, base + 16 * PAGE, 0, &exc), DRV_FAULT_NOT_OURS);
	EXPECT_EQ(touch(v, base - 1, 0, &exc), DRV_FAULT_NOT_OURS);
	done();
}

/* Proves: A-FLT-2 */
TEST(drv_fault, mapping_rights_come_first)
{
	ready(PROT_READ);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x6);			/* never touched: not present */
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x7);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_I, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x15);
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_SEGV);	/* no EAUG for it */
	EXPECT_EQ(v->counters.pages_augmented, 0);
	EXPECT_EQ(drv_mprotect(v->d, v->tid, base, 16 * PAGE, PROT_NONE, -1), 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x4);			/* PROT_NONE looks absent to the processor */
	EXPECT_EQ(exc.vector, X86_PF);
	done();
}

/* Proves: A-FLT-3 */
TEST(drv_fault, epcm_denials_have_bit_15)
{
	ready(RWX);
	EXPECT_EQ(touch(v, base, 0, &exc), DRV_FAULT_RETRY);		/* TCS: the PTE is there now */
	EXPECT_EQ(touch(v, base, 0, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8005);
	EXPECT_EQ(touch(v, base, X86_PFEC_W, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8007);
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_I, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_I, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8015);				/* pending */
	eaccept(encl_of(v, fd), 9);
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_I, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8015);				/* EPCM R and W */
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(writable(base + 9 * PAGE));
	done();
}

/* Proves: A-FLT-4 */
TEST(drv_fault, resident_page_is_installed_with_its_neighbours)
{
	v = env_new(1024);
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(1024 * PAGE);
	EXPECT_EQ(create(v, fd, base, 1024 * PAGE), 0);
	EXPECT_EQ(add(v, fd, 0, 600, REG(SI_RW), NULL), 0);
	EXPECT_EQ(map(v, fd, base, 1024 * PAGE, PROT_READ), base);
	EXPECT_EQ(touch(v, base + 5 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(readable(base) && readable(base + 511 * PAGE) && !writable(base + 5 * PAGE));
	EXPECT_TRUE(!readable(base + 512 * PAGE));
	EXPECT_EQ(touch(v, base + 599 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(readable(base + 512 * PAGE) && !readable(base + 600 * PAGE));
	drv_munmap(v->d, v->tid, base, 1024 * PAGE);
	close(fd);
	drv_closed(v->d, fd);
}

/* Proves: A-FLT-6 */
TEST(drv_fault, mapped_wider_before_the_page_came_is_sigbus)
{
	v = env_new(64);
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(16 * PAGE);
	EXPECT_EQ(create(v, fd, base, 16 * PAGE), 0);
	EXPECT_EQ(map(v, fd, base, 16 * PAGE, RW), base);
	EXPECT_EQ(add(v, fd, 0, 1, REG(SI_R), NULL), 0);
	EXPECT_EQ(add(v, fd, PAGE, 1, REG(SI_RW), NULL), 0);
	EXPECT_EQ(touch(v, base, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(exc.addr, base);
	EXPECT_EQ(touch(v, base + PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(!readable(base) && writable(base + PAGE));	/* not as a neighbour either */
	done();
}

/* Proves: A-FLT-7 */
TEST(drv_fault, absent_page_without_sgx2_is_sigbus)
{
	v = env_old_cpu(64);
	fd = built(v, &base);
	EXPECT_EQ(map(v, fd, base, 16 * PAGE, PROT_READ), base);
	EXPECT_EQ(touch(v, base + 9 * PAGE, 0, &exc), DRV_FAULT_BUS);
	done();
}

/* Proves: A-FLT-8 */
TEST(drv_fault, absent_page_before_init_is_sigbus)
{
	v = env_new(64);
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(16 * PAGE);
	EXPECT_EQ(map(v, fd, base, 16 * PAGE, PROT_READ), base);
	EXPECT_EQ(touch(v, base, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(create(v, fd, base, 16 * PAGE), 0);
	EXPECT_EQ(touch(v, base, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(init(v, fd), 0);
	EXPECT_EQ(touch(v, base, 0, &exc), DRV_FAULT_RETRY);
	done();
}

/* Proves: A-FLT-9, A-FLT-12 */
TEST(drv_fault, absent_page_is_augmented_whoever_touches_it)
{
	const struct epcm_entry *p;

	ready(RWX);
	EXPECT_EQ(drv_fault(v->d, v->tid, base + 9 * PAGE, 0, false, &exc), DRV_FAULT_RETRY);
	p = &encl_of(v, fd)->section.epcm[9];
	EXPECT_TRUE(p->valid && p->pending && p->r && p->w && !p->x && p->pt == SGX_PT_REG);
	EXPECT_EQ(encl_of(v, fd)->recs[9].max_prot, RWX);
	EXPECT_EQ(v->counters.pages_augmented, 1);
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8007);
	EXPECT_EQ(drv_fault(v->d, v->tid, base + 9 * PAGE, DRV_FAULT_WALK | X86_PFEC_W, true, &exc), DRV_FAULT_RETRY);
	/* A read of the host is an abort page, for the caller to see by the SGX bit. */
	EXPECT_EQ(drv_fault(v->d, v->tid, base + 9 * PAGE, 0, false, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8005);
	eaccept(encl_of(v, fd), 9);
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(writable(base + 9 * PAGE));
	EXPECT_EQ(*(volatile uint64_t *)(base + 9 * PAGE), 0);
	done();
}

/* Proves: A-FLT-10, A-EPC-4 */
TEST(drv_fault, augment_without_any_epc_is_sigbus_and_leaves_nothing)
{
	v = env_new(2);		/* VA and SECS */
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(16 * PAGE);
	EXPECT_EQ(create(v, fd, base, 16 * PAGE), 0);
	EXPECT_EQ(init(v, fd), 0);
	EXPECT_EQ(map(v, fd, base, 16 * PAGE, RWX), base);
	EXPECT_EQ(touch(v, base + 9 * PAGE, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(exc.error_code, 0x4);
	EXPECT_EQ(page_state(encl_of(v, fd), 9), PAGE_ABSENT);
	v->d->config.epc_pages++;
	EXPECT_EQ(touch(v, base + 9 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	done();
}

/* Proves: A-FLT-4 */
TEST(drv_fault, translation_follows_mappings_and_residence)
{
	struct machine *m;
	struct epc_page page;

	ready(RW);
	m = drv_machine(v->d);
	EXPECT_EQ(m->ops->translate(m, base, X86_PFEC_W, &page, &exc), TRANSLATION_EPC);
	EXPECT_EQ(page.index, 0);
	EXPECT_EQ(page.epcm->pt, SGX_PT_TCS);
	EXPECT_EQ(m->ops->translate(m, base + 3 * PAGE + 5, X86_PFEC_W, &page, &exc), TRANSLATION_FAULT);
	EXPECT_EQ(exc.error_code, 0x6);
	EXPECT_EQ(exc.addr, base + 3 * PAGE + 5);
	EXPECT_EQ(m->ops->translate(m, base + 9 * PAGE, 0, &page, &exc), TRANSLATION_FAULT);
	EXPECT_EQ(exc.error_code, 0x4);
	EXPECT_EQ(touch(v, base + 9 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(m->ops->translate(m, base + 9 * PAGE, 0, &page, &exc), TRANSLATION_EPC);
	EXPECT_EQ(m->ops->translate(m, (uint64_t)&page, 0, &page, &exc), TRANSLATION_HOST);
	EXPECT_EQ(m->ops->translate(m, 8, X86_PFEC_W, &page, &exc), TRANSLATION_FAULT);
	EXPECT_EQ(exc.error_code, 0x6);
	EXPECT_TRUE(drv_encl_at(v->d, base) == encl_of(v, fd) && !drv_encl_at(v->d, base + 16 * PAGE));
	EXPECT_EQ(encl_base(encl_of(v, fd)), base);
	EXPECT_EQ(encl_size(encl_of(v, fd)), 16 * PAGE);
	EXPECT_TRUE(encl_page_is_code(encl_of(v, fd), base + PAGE));
	EXPECT_TRUE(!encl_page_is_code(encl_of(v, fd), base + 2 * PAGE));
	EXPECT_TRUE(!encl_page_is_code(encl_of(v, fd), base + 10 * PAGE));
	done();
}

/* Proves: A-FLT-5 */
TEST(drv_fault, leaf_that_met_an_eviction_runs_again)
{
	struct encl *e;
	uint64_t generation;

	ready(RW);
	e = encl_of(v, fd);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	generation = atomic_load(e->section.generation);
	EXPECT_TRUE(!drv_raced(v->d, v->tid, base + 2 * PAGE, generation));
	EXPECT_TRUE(!drv_raced(v->d, v->tid, 8, generation));
	drv_lock(v->d, v->tid);
	encl_lock(v->d, e);
	EXPECT_TRUE(reclaim_pass(v->d, e, ENCL_NO_PAGE));
	encl_unlock(v->d, e);
	drv_unlock(v->d);
	EXPECT_TRUE(drv_raced(v->d, v->tid, base + 2 * PAGE, generation));
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	generation = atomic_load(e->section.generation);
	e->section.epcm[2].blocked = true;		/* an eviction that could not be finished */
	EXPECT_TRUE(drv_raced(v->d, v->tid, base + 2 * PAGE, generation));
	EXPECT_TRUE(!e->section.epcm[2].blocked);
	done();
}
