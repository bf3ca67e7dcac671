/* SPDX-License-Identifier: BSD-2-Clause */
/* RESTRICT_PERMISSIONS, MODIFY_TYPES, REMOVE_PAGES: A.11 common rules, A-TRK, A-RST, A-MOD, A-REM, D-9. */
#include "drv/fixture.h"

#define BAD	((void *)8)

static struct env *v;
static struct encl *e;
static int fd;
static uint64_t base;
static struct exception exc;

static void ready(void)
{
	v = env_new(64);
	fd = built(v, &base);
	e = encl_of(v, fd);
	for (uint64_t i = 0; i < 16; i++)
		map(v, fd, base + i * PAGE, PAGE, i < 4 ? e->recs[i].max_prot : RWX);
}

static void done(void)
{
	drv_munmap(v->d, v->tid, base, 16 * PAGE);
	close(fd);
	drv_closed(v->d, fd);
}

struct outcome {
	long ret;
	uint64_t result, count;
};

static struct outcome restrict_pages(uint64_t page, uint64_t pages, uint64_t permissions)
{
	struct sgx_enclave_restrict_permissions p = {
		.offset = page * PAGE, .length = pages * PAGE, .permissions = permissions,
	};
	long ret = ioc(v, fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, &p);

	return (struct outcome){ ret, p.result, p.count };
}

static struct outcome modify(uint64_t page, uint64_t pages, uint64_t type)
{
	struct sgx_enclave_modify_types p = {
		.offset = page * PAGE, .length = pages * PAGE, .page_type = type,
	};
	long ret = ioc(v, fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, &p);

	return (struct outcome){ ret, p.result, p.count };
}

static struct outcome remove_pages(uint64_t page, uint64_t pages)
{
	struct sgx_enclave_remove_pages p = { .offset = page * PAGE, .length = pages * PAGE };
	long ret = ioc(v, fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, &p);

	return (struct outcome){ ret, 0, p.count };
}

#define EXPECT_OUTCOME(call, r, res, cnt) do {			\
	struct outcome o_ = call;				\
	EXPECT_EQ(o_.ret, r);					\
	EXPECT_EQ(o_.result, res);				\
	EXPECT_EQ(o_.count, (cnt) * PAGE);			\
} while (0)

static bool zero_request(uint32_t cmd, uint64_t size, long want)
{
	uint8_t p[64];

	memset(p, 0, size);
	return ioc(v, fd, cmd, p) == want;
}

/* Proves: D-9 */
TEST(drv_sgx2, probing_with_zeroes)
{
	v = env_new(64);
	fd = (int)drv_open(v->d, O_RDWR);
	EXPECT_TRUE(zero_request(SGX_IOC_ENCLAVE_MODIFY_TYPES, 40, -EINVAL));
	EXPECT_TRUE(zero_request(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, 40, -EINVAL));
	close(fd);
	v = env_old_cpu(64);
	fd = built(v, &base);
	EXPECT_TRUE(zero_request(SGX_IOC_ENCLAVE_MODIFY_TYPES, 40, -ENODEV));
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, BAD), -ENODEV);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, BAD), -ENODEV);
	done();
	fd = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, BAD), -ENODEV);	/* before the state is looked at */
	close(fd);
}

/* Proves: A-RST-1, A-MOD-1, A-ADD-4 */
TEST(drv_sgx2, arguments_in_order_without_write_back)
{
	struct sgx_enclave_restrict_permissions r = { 0 };
	struct sgx_enclave_modify_types m = { 0 };
	struct sgx_enclave_remove_pages d = { 0 };

	ready();
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, BAD), -EFAULT);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, BAD), -EFAULT);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, BAD), -EFAULT);
	EXPECT_OUTCOME(restrict_pages(2, 0, 1), -EINVAL, 0, 0);
	EXPECT_OUTCOME(restrict_pages(15, 2, 1), -EINVAL, 0, 0);
	EXPECT_OUTCOME(restrict_pages(2, 1, 8), -EINVAL, 0, 0);
	EXPECT_OUTCOME(restrict_pages(2, 1, 2), -EINVAL, 0, 0);
	EXPECT_OUTCOME(modify(2, 1, 0x101), -EINVAL, 0, 0);
	EXPECT_OUTCOME(modify(2, 1, SGX_PT_REG), -EINVAL, 0, 0);
	EXPECT_OUTCOME(modify(2, 1, SGX_PT_SECS), -EINVAL, 0, 0);
	r.length = m.length = d.length = PAGE;
	r.offset = m.offset = d.offset = 2 * PAGE;
	r.result = 1;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, &r), -EINVAL);
	EXPECT_EQ(r.result, 1);
	m.page_type = SGX_PT_TRIM;
	m.count = 7;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, &m), -EINVAL);
	EXPECT_EQ(m.count, 7);
	d.count = 7;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, &d), -EINVAL);
	EXPECT_EQ(d.count, 7);
	EXPECT_EQ(v->kicks, 0);
	done();
}

/* Proves: A-MOD-1 */
TEST(drv_sgx2, wrong_type_is_judged_after_the_write_back)
{
	struct sgx_enclave_modify_types *m = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ready();
	*m = (struct sgx_enclave_modify_types){ .offset = 2 * PAGE, .length = PAGE, .page_type = SGX_PT_VA };
	mprotect(m, PAGE, PROT_READ);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, m), -EFAULT);
	munmap(m, PAGE);
	done();
}

/* Proves: A-RST-2, A-RST-3, A-TRK */
TEST(drv_restrict, rights_shrink_at_once_and_threads_are_kicked)
{
	ready();
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_OUTCOME(restrict_pages(2, 1, SI_R), 0, 0, 1);
	EXPECT_EQ(v->kicks, 1);
	EXPECT_TRUE(readable(base + 2 * PAGE) && !writable(base + 2 * PAGE));
	EXPECT_EQ(v->invalid_start, base + 2 * PAGE);
	EXPECT_EQ(e->recs[2].max_prot, RW);			/* the cap stays */
	EXPECT_EQ(vma_at(v->d, base + 2 * PAGE)->prot, RW);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8007);
	EXPECT_TRUE(e->section.epcm[2].pr);
	eaccept(e, 2);
	EXPECT_OUTCOME(restrict_pages(2, 1, SI_RWX), 0, 0, 1);	/* asking for more is without effect */
	EXPECT_TRUE(!e->section.epcm[2].w && !e->section.epcm[2].x);
	e->section.epcm[2].w = true;				/* EMODPE */
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(writable(base + 2 * PAGE));
	EXPECT_OUTCOME(restrict_pages(2, 1, 0), 0, 0, 1);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8005);			/* present, whatever the EPCM says */
	EXPECT_OUTCOME(restrict_pages(0, 1, SI_R), -EINVAL, 0, 0);
	done();
}

/* Proves: A-RST-4 */
TEST(drv_restrict, stops_at_the_failing_page_with_its_code)
{
	ready();
	EXPECT_OUTCOME(restrict_pages(2, 3, SI_R), -EFAULT, 0, 2);	/* page 4 is absent */
	EXPECT_EQ(touch(v, base + 4 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_OUTCOME(restrict_pages(2, 3, SI_R), -EFAULT, SGX_PAGE_NOT_MODIFIABLE, 2);
	EXPECT_OUTCOME(restrict_pages(0, 3, SI_R), -EINVAL, 0, 0);	/* a TCS first */
	done();
}

/* Proves: A-TRK */
TEST(drv_restrict, tracking_that_never_completes_is_efault)
{
	ready();
	v->kick_leaves = false;
	/* A thread that entered in epoch 1 and, though kicked, never leaves. */
	atomic_store(&e->section.epcm[0].tcs_word, 1ull << 32 | v->tid);
	EXPECT_OUTCOME(restrict_pages(2, 1, SI_R), 0, 0, 1);
	EXPECT_OUTCOME(restrict_pages(2, 1, SI_R), -EFAULT, 0, 0);
	EXPECT_EQ(v->kicks, 3);
	atomic_store(&e->section.epcm[0].tcs_word, 0);
	EXPECT_OUTCOME(restrict_pages(2, 1, SI_R), 0, 0, 1);
	done();
}

/* Proves: A-MOD-2, A-MOD-3, A-MOD-6 */
TEST(drv_modify, which_types_may_become_which)
{
	ready();
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	memset((void *)(base + 2 * PAGE), 0, PAGE);
	EXPECT_OUTCOME(modify(1, 1, SGX_PT_TCS), -EPERM, 0, 0);		/* R X: no W in its maximum */
	EXPECT_OUTCOME(modify(0, 1, SGX_PT_TCS), -EINVAL, 0, 0);	/* is one */
	EXPECT_OUTCOME(modify(2, 1, SGX_PT_TCS), 0, 0, 1);
	EXPECT_EQ(e->recs[2].type, SGX_PT_TCS);				/* before EACCEPT */
	EXPECT_EQ(e->recs[2].max_prot, RW);
	EXPECT_TRUE(!readable(base + 2 * PAGE));
	EXPECT_EQ(e->pte[2] & PTE_PRESENT, 0);				/* PTEs are gone */
	EXPECT_OUTCOME(modify(2, 1, SGX_PT_TCS), -EINVAL, 0, 0);
	eaccept(e, 2);
	EXPECT_OUTCOME(modify(2, 1, SGX_PT_TRIM), 0, 0, 1);
	EXPECT_OUTCOME(modify(2, 1, SGX_PT_TRIM), -EINVAL, 0, 0);
	EXPECT_EQ(v->kicks, 2);
	done();
}

/* Proves: A-MOD-3 */
TEST(drv_modify, trim_leaves_the_pte_and_the_maximum)
{
	ready();
	EXPECT_EQ(touch(v, base + 3 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_OUTCOME(modify(3, 1, SGX_PT_TRIM), 0, 0, 1);
	EXPECT_EQ(e->recs[3].max_prot, PROT_READ);
	EXPECT_TRUE(!readable(base + 3 * PAGE));
	EXPECT_EQ(touch(v, base + 3 * PAGE, 0, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8005);
	eaccept(e, 3);
	EXPECT_EQ(touch(v, base + 3 * PAGE, 0, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x8005);
	done();
}

/* Proves: A-MOD-5 */
TEST(drv_modify, failing_emodt_restores_the_maximum)
{
	ready();
	EXPECT_EQ(touch(v, base + 9 * PAGE, 0, &exc), DRV_FAULT_RETRY);	/* pending */
	EXPECT_OUTCOME(modify(9, 1, SGX_PT_TCS), -EFAULT, SGX_PAGE_NOT_MODIFIABLE, 0);
	EXPECT_EQ(e->recs[9].max_prot, RWX);
	EXPECT_EQ(e->recs[9].type, SGX_PT_REG);
	EXPECT_OUTCOME(modify(10, 1, SGX_PT_TRIM), -EFAULT, 0, 0);	/* absent */
	done();
}

/* Proves: A-REM-1, A-REM-2, A-REM-4 */
TEST(drv_remove, only_accepted_trimmed_pages)
{
	uint64_t used;

	ready();
	used = v->d->epc_used;
	EXPECT_OUTCOME(remove_pages(2, 1), -EPERM, 0, 0);
	EXPECT_OUTCOME(remove_pages(9, 1), -EFAULT, 0, 0);
	EXPECT_OUTCOME(modify(2, 2, SGX_PT_TRIM), 0, 0, 2);
	EXPECT_OUTCOME(remove_pages(2, 2), -EPERM, 0, 0);
	eaccept(e, 2);
	EXPECT_OUTCOME(remove_pages(2, 2), -EPERM, 0, 1);	/* page 3 is not accepted */
	EXPECT_EQ(v->d->epc_used, used - 1);
	EXPECT_EQ(page_state(e, 2), PAGE_ABSENT);
	EXPECT_EQ(v->counters.pages_removed, 1);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);	/* a fresh page */
	eaccept(e, 2);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint64_t *)(base + 2 * PAGE), 0);
	EXPECT_EQ(e->recs[2].max_prot, RWX);
	EXPECT_EQ(e->header->page_cnt, 5);
	done();
}

/* Proves: A-REM-4 */
TEST(drv_remove, with_threads_inside)
{
	ready();
	EXPECT_OUTCOME(modify(3, 1, SGX_PT_TRIM), 0, 0, 1);
	eaccept(e, 3);
	atomic_store(&e->section.epcm[0].tcs_word, 9ull << 32 | v->tid);
	EXPECT_OUTCOME(remove_pages(3, 1), 0, 0, 1);
	atomic_store(&e->section.epcm[0].tcs_word, 0);
	done();
}
