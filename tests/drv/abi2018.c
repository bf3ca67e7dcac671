/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver ABI of late 2018: CREATE, INIT, and the ends that an enclave takes (C.0). */
#include "drv/abi2018.h"

#define BAD	((void *)8)	/* no such address */

static struct env *v;
static int fd;
static struct exception exc;

static bool mapped(uint64_t addr)
{
	uint8_t resident;

	return !mincore((void *)addr, PAGE, &resident);
}

/* Proves: C0-3 */
TEST(abi2018_create, what_the_kernel_refuses_of_a_secs)
{
	uint64_t base;
	struct sgx_secs good, secs;
	unsigned fds;

	v = old_env(32, &fd);
	fds = open_fds();
	base = old_map(v, fd, OLD_SIZE);
	good = secs_for(base, OLD_SIZE);
	EXPECT_EQ(old_create(v, fd, BAD), -EFAULT);
#define REFUSED(change) do {							\
	secs = good;								\
	change;									\
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);				\
} while (0)
	REFUSED(secs.size = PAGE);
	REFUSED(secs.size = 0);
	REFUSED(secs.size = 3 * PAGE);
	REFUSED(secs.size = UINT64_C(2) << 40; secs.baseaddr = 0);
	REFUSED(secs.baseaddr += PAGE);
	for (unsigned bit = 0; bit < 64; bit++)
		if (bit != 1 && bit != 2 && bit != 4 && bit != 5)	/* DEBUG, MODE64BIT, and the two keys */
			REFUSED(secs.attributes.flags |= UINT64_C(1) << bit);
	REFUSED(secs.attributes.flags = 0);				/* 32 bits */
	for (unsigned bit = 1; bit < 32; bit++)
		REFUSED(secs.miscselect |= 1u << bit);
	REFUSED(secs.attributes.xfrm = 1);
	REFUSED(secs.attributes.xfrm = 2);
	REFUSED(secs.attributes.xfrm = 3 | 1 << 3);
	REFUSED(secs.attributes.xfrm = 3 | 1 << 4);
	REFUSED(secs.attributes.xfrm = 3 | 3 << 3);			/* this machine has no MPX */
	REFUSED(secs.attributes.xfrm = 3 | UINT64_C(1) << 63);
	REFUSED(secs.ssaframesize = 0);
	for (unsigned at = 24; at < PAGE; at++)
		if ((at < 48) || (at >= 96 && at < 128) || (at >= 160 && at < 256) || at >= 260)
			REFUSED(((uint8_t *)&secs)[at] = 1);
	EXPECT_EQ(v->d->epc_used, 0);
	EXPECT_EQ(open_fds(), fds);
	EXPECT_EQ(old_create(v, fd, &good), 0);
	EXPECT_EQ(v->counters.enclaves_created, 1);
	EXPECT_EQ(open_fds(), fds);
	old_done(v, fd, base);
}

/* Proves: C0-3 */
TEST(abi2018_create, ssa_frame_has_to_hold_the_extended_state)
{
	struct sgx_secs secs;
	uint64_t base;

	v = old_env(32, &fd);
	v->profile.xfrm = v->profile.xcr0 = 7 | 3 << 17;
	v->profile.xsave_offset[17] = 2816;
	v->profile.xsave_size[17] = 64;
	v->profile.xsave_offset[18] = 3000;
	v->profile.xsave_size[18] = 4096;
	base = old_map(v, fd, OLD_SIZE);
	secs = secs_for(base, OLD_SIZE);
	secs.attributes.xfrm = 3 | UINT64_C(3) << 17;
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);
	secs.ssaframesize = 2;
	EXPECT_EQ(old_create(v, fd, &secs), 0);
	old_done(v, fd, base);
}

/* Proves: C0-2, C0-3 */
TEST(abi2018_create, fault_of_ecreate_is_efault_and_wins_over_the_mapping)
{
	struct sgx_secs secs;

	v = old_env(32, &fd);
	secs = secs_for(UINT64_C(1) << 62, OLD_SIZE);			/* not canonical */
	EXPECT_EQ(old_create(v, fd, &secs), -EFAULT);
	secs = secs_for(0, UINT64_C(1) << 40);
	EXPECT_EQ(old_create(v, fd, &secs), -EFAULT);
	EXPECT_EQ(v->d->epc_used, 0);
	old_done(v, fd, 0);
	v = old_env(0, &fd);
	secs = secs_for(0, OLD_SIZE);
	EXPECT_EQ(old_create(v, fd, &secs), -ENOMEM);
	old_done(v, fd, 0);
}

/* Proves: C0-3 */
TEST(abi2018_create, mapping_comes_first_and_fits_exactly)
{
	struct sgx_secs secs;
	uint64_t base;
	int upstream;

	v = old_env(32, &fd);
	/* None; one of another device; longer at either end; not at the beginning of the file; divided. */
	base = reserve(4 * OLD_SIZE);
	munmap((void *)base, 4 * OLD_SIZE);
	secs = secs_for(base, OLD_SIZE);
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);
	upstream = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(map(v, upstream, base, OLD_SIZE, RW), base);
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base, OLD_SIZE), 0);
	close(upstream);
	drv_closed(v->d, upstream);
	EXPECT_EQ(old_map_at(v, base, 2 * OLD_SIZE, RW, MAP_SHARED | MAP_FIXED, fd, 0), base);
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);
	secs.baseaddr += OLD_SIZE;
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base, OLD_SIZE), 0);
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);			/* now it begins at OLD_SIZE of the file */
	EXPECT_EQ(old_map_at(v, base + OLD_SIZE, OLD_SIZE, RW, MAP_SHARED | MAP_FIXED, fd, PAGE), base + OLD_SIZE);
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);
	EXPECT_EQ(old_map_at(v, base + OLD_SIZE, OLD_SIZE, RW, MAP_SHARED | MAP_FIXED, fd, 0), base + OLD_SIZE);
	EXPECT_EQ(drv_mprotect(v->d, v->tid, base + OLD_SIZE, PAGE, PROT_READ, -1), 0);
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);
	EXPECT_EQ(drv_mprotect(v->d, v->tid, base + OLD_SIZE, PAGE, RW, -1), 0);
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);			/* such mappings do not join again */
	EXPECT_EQ(v->d->epc_used, 0);
	/* The upper half of a mapping that was too long is gone: what is left fits. */
	EXPECT_EQ(old_map_at(v, base, 2 * OLD_SIZE, RW, MAP_SHARED | MAP_FIXED, fd, 0), base);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base + OLD_SIZE, OLD_SIZE), 0);
	secs.baseaddr = base;
	EXPECT_EQ(old_create(v, fd, &secs), 0);
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);			/* it has one */
	old_done(v, fd, base);
}

/* Proves: C0-3 */
TEST(abi2018_create, one_descriptor_carries_many_enclaves)
{
	uint64_t base[8];

	v = old_env(64, &fd);
	for (int i = 0; i < 8; i++)
		base[i] = old_created(v, fd);
	close(fd);
	drv_closed(v->d, fd);
	EXPECT_EQ(v->d->encl_count, 9);		/* one slot was the device's */
	EXPECT_EQ(v->d->epc_used, 16);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(drv_munmap(v->d, v->tid, base[i], OLD_SIZE), 0);
	EXPECT_EQ(v->d->encl_count, 0);
	while (encl_forget_oldest(v->d))
		;
	EXPECT_EQ(mappings("/memfd:sgx"), 0);
}

static int may;

static bool registered(struct drv *d)
{
	(void)d;
	return may;
}

/* Proves: C1-3 */
TEST(abi2018_create, registration_is_asked_for_after_ecreate_and_before_the_mapping)
{
	struct drv_ops ops;
	struct sgx_secs secs;
	uint64_t base;

	v = old_env(32, &fd);
	ops = *v->d->ops;
	ops.registered = registered;
	v->d->ops = &ops;
	base = old_map(v, fd, OLD_SIZE);
	may = false;
	secs = secs_for(base, OLD_SIZE);
	secs.size = 3 * PAGE;
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);			/* the SECS was looked at before */
	secs = secs_for(base, OLD_SIZE);
	EXPECT_EQ(old_create(v, fd, &secs), -EFAULT);
	secs = secs_for(base + OLD_SIZE, OLD_SIZE);
	EXPECT_EQ(old_create(v, fd, &secs), -EFAULT);			/* the mapping is not */
	may = true;
	EXPECT_EQ(old_create(v, fd, &secs), -EINVAL);
	EXPECT_EQ(v->d->epc_used, 0);
	secs = secs_for(base, OLD_SIZE);
	EXPECT_EQ(old_create(v, fd, &secs), 0);
	old_done(v, fd, base);
}

/* Proves: C0-6 */
TEST(abi2018_init, results_and_errors)
{
	struct sgx_sigstruct s, bad;
	uint64_t base, unbound;

	v = old_env(64, &fd);
	base = old_created(v, fd);
	unbound = old_map(v, fd, OLD_SIZE);
	EXPECT_EQ(old_add(v, fd, base, 0, REG(SI_RW), 7, 0xffff), 0);
	old_drain(v, base);
	old_sign(v, base, &s);
	EXPECT_EQ(old_init_with(v, fd, base, BAD), -EFAULT);
	bad = s;
	bad.attributes.flags |= SGX_ATTR_EINITTOKEN_KEY;
	EXPECT_EQ(old_init_with(v, fd, 0, &bad), -EINVAL);
	EXPECT_EQ(old_init_with(v, fd, base + OLD_SIZE * 4, &s), -EINVAL);
	EXPECT_EQ(old_init_with(v, fd, unbound, &s), -ENOENT);
	/* What EINIT says is the result, not an error. */
	bad = s;
	bad.signature[0] ^= 1;
	EXPECT_EQ(old_init_with(v, fd, base, &bad), SGX_INVALID_SIGNATURE);
	EXPECT_EQ(old_add(v, fd, base, 1, REG(SI_RW), 7, 0xffff), 0);
	EXPECT_EQ(old_init_with(v, fd, base, &s), SGX_INVALID_MEASUREMENT);
	EXPECT_EQ(encl_state(old_encl(v, base)), ENCL_CREATED);
	EXPECT_EQ(old_init(v, fd, base + 5 * PAGE), 0);			/* any address inside */
	EXPECT_EQ(v->initialised, 1);
	EXPECT_EQ(v->counters.enclaves_initialised, 1);
	EXPECT_EQ(old_init_with(v, fd, base, &bad), 0);			/* it is initialised, whoever asks */
	EXPECT_EQ(old_add(v, fd, base, 2, REG(SI_RW), 7, 0xffff), -EINVAL);
	EXPECT_EQ(drv_munmap(v->d, v->tid, unbound, OLD_SIZE), 0);
	old_done(v, fd, base);
}

static int events;

static bool event_pending(struct machine *m)
{
	(void)m;
	return events && events--;
}

/* Proves: C0-6 */
TEST(abi2018_init, unmasked_events_are_retried_and_a_signal_ends_it)
{
	struct machine_ops ops;
	uint64_t base;

	v = old_env(16, &fd);
	base = old_created(v, fd);
	ops = *v->d->machine.ops;
	ops.event_pending = event_pending;
	v->d->machine.ops = &ops;
	events = 1000000;
	v->signal_after = 1;
	EXPECT_EQ(old_init(v, fd, base), -ERESTARTSYS);			/* in the second pause */
	v->signal_after = -1;
	EXPECT_EQ(old_init(v, fd, base), SGX_UNMASKED_EVENT);
	events = 25;
	EXPECT_EQ(old_init(v, fd, base), 0);
	old_done(v, fd, base);
}

/* Proves: C0-8, C0-6, C0-4, C0-10 */
TEST(abi2018_end, unmapping_any_part_kills)
{
	struct sgx_sigstruct s = { 0 };
	const unsigned first = 3;

	for (unsigned i = first; i < 6; i++) {
		const uint64_t gone = i == 3 ? 0 : i == 4 ? 7 : 15;
		uint64_t base;

		v = old_env(64, &fd);
		base = old_created(v, fd);
		EXPECT_EQ(old_add(v, fd, base, 2, REG(SI_RW), 7, 0xffff), 0);
		if (i != 4)
			EXPECT_EQ(old_init(v, fd, base), 0);
		EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), i != 4 ? DRV_FAULT_RETRY : DRV_FAULT_BUS);
		EXPECT_EQ(drv_munmap(v->d, v->tid, base + gone * PAGE, PAGE), 0);
		EXPECT_EQ(v->d->epc_used, 0);
		EXPECT_TRUE(!mapped(base + gone * PAGE) && mapped(base + 2 * PAGE) && !readable(base + 2 * PAGE));
		EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_BUS);
		EXPECT_EQ(touch(v, base + gone * PAGE, 0, &exc), DRV_FAULT_NOT_OURS);
		EXPECT_EQ(old_add(v, fd, base, 5, REG(SI_RW), 7, 0), -EINVAL);
		EXPECT_EQ(old_init_with(v, fd, base + 3 * PAGE, &s), i != 4 ? 0 : -EFAULT);
		old_done(v, fd, base);
	}
}

/* Proves: C0-8 */
TEST(abi2018_end, every_way_to_lose_a_part_kills)
{
	for (unsigned how = 0; how < 5; how++) {
		uint64_t base;
		struct encl *e;

		v = old_env(64, &fd);
		base = old_built(v, fd);
		e = old_encl(v, base);
		v->kicks = 0;
		EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
		atomic_store(&e->section.epcm[0].tcs_word, 1);		/* somebody is inside */
		e->pins++;
		switch (how) {
		case 0:
			drv_mmap_other(v->d, v->tid, base, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				       -1, 0);
			break;
		case 1:
			old_map_at(v, base, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
			break;
		case 2:
			EXPECT_EQ(drv_mremap(v->d, v->tid, base, OLD_SIZE, OLD_SIZE / 2, 0, 0), base);
			break;
		case 3:
			drv_mremap(v->d, v->tid, base, OLD_SIZE, OLD_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
				   reserve(OLD_SIZE));
			break;
		default:
			drv_munmap(v->d, v->tid, base - PAGE, OLD_SIZE + 2 * PAGE);
			break;
		}
		EXPECT_TRUE(e->abi.dead);
		EXPECT_EQ(v->kicks, 1);
		EXPECT_EQ(v->d->epc_used, 0);
		drv_lock(v->d, v->tid);
		e->pins--;
		encl_put(v->d, e);
		drv_unlock(v->d);
		for (struct vma *m = vma_from(v->d, 0); m; m = vma_from(v->d, 0))
			drv_munmap(v->d, v->tid, m->start, m->end - m->start);
		if (!how)
			munmap((void *)base, PAGE);
		close(fd);
		drv_closed(v->d, fd);
		EXPECT_EQ(v->d->encl_count, 0);
	}
}

/* Proves: C0-9 */
TEST(abi2018_end, power_lost)
{
	uint64_t base, other, unbound;
	struct sgx_sigstruct s = { 0 };

	v = old_env(64, &fd);
	base = old_built(v, fd);
	other = old_created(v, fd);
	unbound = old_map(v, fd, OLD_SIZE);
	drv_power_lost(v->d, v->tid);
	EXPECT_EQ(v->d->epc_used, 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(old_add(v, fd, base, 5, REG(SI_RW), 7, 0), 0x40000000);
	EXPECT_EQ(old_add(v, fd, other, 5, REG(SI_RW), 7, 0), 0x40000000);
	EXPECT_EQ(old_init_with(v, fd, base, &s), 0x40000000);
	EXPECT_EQ(old_init_with(v, fd, other, &s), 0x40000000);
	EXPECT_EQ(old_init_with(v, fd, other, BAD), -EFAULT);
	EXPECT_EQ(old_add(v, fd, unbound, 0, REG(SI_RW), 7, 0), -ENOENT);
	EXPECT_EQ(drv_munmap(v->d, v->tid, other, OLD_SIZE), 0);
	EXPECT_EQ(drv_munmap(v->d, v->tid, unbound, OLD_SIZE), 0);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base, OLD_SIZE), 0);
	base = old_built(v, fd);					/* a new one works */
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	old_done(v, fd, base);
}

/* Proves: C0-10 */
TEST(abi2018_fault, only_what_is_initialised_is_brought)
{
	uint64_t base, unbound;

	v = old_env(64, &fd);
	unbound = old_map(v, fd, OLD_SIZE);
	EXPECT_EQ(touch(v, unbound, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(drv_mprotect(v->d, v->tid, unbound, OLD_SIZE, PROT_NONE, -1), 0);
	EXPECT_EQ(touch(v, unbound, 0, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(drv_munmap(v->d, v->tid, unbound, OLD_SIZE), 0);
	base = old_created(v, fd);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(old_add(v, fd, base, 1, REG(SI_R), 6, 0xffff), 0);
	EXPECT_EQ(old_add(v, fd, base, 2, REG(SI_RW), 7, 0xffff), 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_BUS);
	old_drain(v, base);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(old_init(v, fd, base), 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint8_t *)(base + 2 * PAGE), 7);
	EXPECT_EQ(touch(v, base + 3 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_BUS);	/* no EAUG */
	/* The EPCM's refusal: #PF, where there is SGX2. */
	EXPECT_EQ(touch(v, base + PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(touch(v, base + PAGE, X86_PFEC_W, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.vector, X86_PF);
	EXPECT_EQ(exc.error_code, 0x8007);
	v->profile.sgx2 = false;
	EXPECT_EQ(touch(v, base + PAGE, X86_PFEC_W, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.vector, X86_GP);
	EXPECT_EQ(exc.error_code, 0);
	old_done(v, fd, base);
}

/* Proves: C0-7 */
TEST(abi2018_sgx2, calls_that_never_had_code)
{
	struct sgx_2018_remove_pages remove = { 0 };
	struct sgx_2018_modify_pages modify = { 0 };

	v = old_env(64, &fd);
	remove.addr = modify.addr = old_built(v, fd);
	EXPECT_EQ(ioc(v, fd, SGX_2018_REMOVE_PAGES, &remove), -ENOTTY);
	EXPECT_EQ(ioc(v, fd, SGX_2018_MODIFY_PAGES, &modify), -ENOTTY);
	EXPECT_EQ(ioc(v, fd, SGX_2018_MODIFY_PAGES, BAD), -ENOTTY);
	old_done(v, fd, remove.addr);
}

static long modify(uint64_t addr, uint64_t length, uint64_t flags, uint8_t op)
{
	struct sgx_secinfo secinfo = { .flags = flags };
	struct sgx_2018_modify_pages p = { .addr = addr, .length = length, .secinfo = (uint64_t)&secinfo, .op = op };

	return ioc(v, fd, SGX_2018_MODIFY_PAGES, &p);
}

static long remove_pages(uint64_t addr, uint64_t length)
{
	struct sgx_2018_remove_pages p = { addr, length };

	return ioc(v, fd, SGX_2018_REMOVE_PAGES, &p);
}

/* Proves: C0-7 */
TEST(abi2018_sgx2, full_restricts_modifies_and_removes)
{
	struct encl *e;
	uint64_t base;

	v = old_env(64, &fd);
	v->d->config.full_2018 = true;
	base = old_created(v, fd);
	EXPECT_EQ(modify(base, PAGE, SI_R, 0), -EINVAL);		/* not initialised */
	for (uint64_t i = 0; i < 4; i++)
		EXPECT_EQ(old_add(v, fd, base, i, REG(SI_RW), 7, 0), 0);
	EXPECT_EQ(old_init(v, fd, base), 0);
	e = old_encl(v, base);
	EXPECT_EQ(modify(base + 1, PAGE, SI_R, 0), -EINVAL);
	EXPECT_EQ(modify(base, PAGE + 1, SI_R, 0), -EINVAL);
	EXPECT_EQ(modify(base, 2 * OLD_SIZE, SI_R, 0), -EINVAL);
	EXPECT_EQ(modify(base + OLD_SIZE, PAGE, SI_R, 0), -EINVAL);
	EXPECT_EQ(modify(base, PAGE, SGX_SECINFO_W, 0), -EINVAL);
	EXPECT_EQ(modify(base, PAGE, REG(SI_R), 0), -EINVAL);
	EXPECT_EQ(modify(base, PAGE, SI_R, 2), -EINVAL);
	EXPECT_EQ(modify(base, PAGE, REG(0), 1), -EINVAL);
	EXPECT_EQ(modify(base, PAGE, TCS | SI_R, 1), -EINVAL);
	EXPECT_EQ(modify(base, PAGE, SI_R, 0), 0);
	EXPECT_TRUE(!e->section.epcm[0].w && e->section.epcm[0].pr);
	EXPECT_EQ(modify(base + 4 * PAGE, PAGE, SI_R, 0), -EFAULT);	/* no page */
	EXPECT_EQ(modify(base + PAGE, PAGE, TCS, 1), 0);
	EXPECT_EQ(e->section.epcm[1].pt, SGX_PT_TCS);
	EXPECT_EQ(touch(v, base + PAGE, 0, &exc), DRV_FAULT_RETRY);	/* no A-FLT-6 */
	EXPECT_EQ(remove_pages(base + 2 * PAGE, 2 * PAGE), -EPERM);
	EXPECT_EQ(modify(base + 2 * PAGE, 2 * PAGE, SGX_SECINFO_OF_PT(SGX_PT_TRIM), 1), 0);
	EXPECT_EQ(remove_pages(base + 2 * PAGE, 2 * PAGE), -EPERM);	/* not accepted */
	eaccept(e, 2);
	EXPECT_EQ(remove_pages(base + 2 * PAGE, 2 * PAGE), -EPERM);	/* the first is gone, the second is not */
	EXPECT_EQ(page_state(e, 2), PAGE_ABSENT);
	eaccept(e, 3);
	EXPECT_EQ(remove_pages(base + 3 * PAGE, PAGE), 0);
	EXPECT_EQ(v->counters.pages_removed, 2);
	drv_power_lost(v->d, v->tid);
	EXPECT_EQ(remove_pages(base, PAGE), 0x40000000);
	EXPECT_EQ(modify(base, PAGE, SI_R, 0), 0x40000000);
	v->profile.sgx2 = false;
	old_done(v, fd, base);
}
