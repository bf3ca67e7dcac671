/* SPDX-License-Identifier: BSD-2-Clause */
/* Code of enclaves whose XFRM is not XCR0 is shown to the engine before anybody may execute it (INS-35). */
#include "drv/fixture.h"

#define SITE	7	/* the byte of every page that our engine replaces */

static struct env *v;
static int fd;
static uint64_t base, size;
static struct exception exc;
static unsigned shown, wrong, smallest, largest, expected = DRV_CODE_XCR0;

/* Pages are filled with 5a: the surroundings of a page are as they were, whether they have been replaced or not. */
static bool patch(unsigned int what, const uint8_t *code, uint64_t bytes, uint64_t from, uint64_t end, uint8_t *page)
{
	shown++;
	wrong += what != expected;
	smallest = bytes < smallest ? (unsigned)bytes : smallest;
	largest = bytes > largest ? (unsigned)bytes : largest;
	wrong += end - from != PAGE || end > bytes;
	for (uint64_t i = 0; i < bytes; i++)
		wrong += code[i] != 0x5a;
	page[SITE] = 0xcc;
	return true;
}

static void unpatch(unsigned int what, uint8_t *code, uint64_t bytes, uint64_t from, uint64_t end, uint64_t addr)
{
	wrong += what != expected;
	wrong += end > bytes;
	for (uint64_t i = from; i < end; i++)
		if ((addr + i) % PAGE == SITE) {
			wrong += code[i] != 0xcc;
			code[i] = 0x5a;
		}
}

/* An enclave with XFRM 3 and @pages pages with @secinfo behind one of data. */
static void ready(uint64_t pages, uint64_t epc_pages, uint64_t secinfo, int prot, uint64_t xcr0)
{
	shown = wrong = largest = 0;
	smallest = UINT32_MAX;
	for (size = 2 * PAGE; size < (pages + 1) * PAGE; size *= 2)
		;
	v = env_new(epc_pages);
	v->profile.xcr0 = xcr0;
	env_code(patch, unpatch);
	fd = (int)drv_open(v->d, O_RDWR | O_CLOEXEC);
	base = reserve(size);
	EXPECT_EQ(create(v, fd, base, size), 0);
	EXPECT_EQ(add(v, fd, 0, 1, REG(SI_RW), NULL), 0);
	EXPECT_EQ(add(v, fd, PAGE, pages, REG(secinfo), NULL), 0);
	EXPECT_EQ(init(v, fd), 0);
	EXPECT_EQ(map(v, fd, base + PAGE, pages * PAGE, prot), base + PAGE);
}

static void done(void)
{
	drv_munmap(v->d, v->tid, base, size);
	close(fd);
	drv_closed(v->d, fd);
}

static bool may(uint64_t i, int prot)
{
	return (encl_of(v, fd)->pte[i] & prot) == prot;
}

static uint8_t site(uint64_t i)
{
	return ((volatile uint8_t *)(base + i * PAGE))[SITE];
}

static bool fetch(uint64_t i)
{
	const uint64_t addr = base + i * PAGE;

	for (int tries = 0; tries < 4 && !may(i, PROT_EXEC); tries++)
		if (touch(v, addr, X86_PFEC_I, &exc) != DRV_FAULT_RETRY)
			return false;
	return may(i, PROT_EXEC);
}

/* Proves: INS-35 */
TEST(drv_code, pages_are_shown_once_with_their_surroundings)
{
	ready(6, 1000, SI_RX, RX, 7);
	EXPECT_EQ(shown, 0);
	EXPECT_TRUE(fetch(3));
	for (uint64_t i = 1; i <= 6; i++) {
		EXPECT_TRUE(fetch(i));
		EXPECT_EQ(site(i), 0xcc);
		EXPECT_TRUE(encl_page_patched(encl_of(v, fd), base + i * PAGE + 5));
	}
	EXPECT_TRUE(!encl_page_patched(encl_of(v, fd), base));
	EXPECT_TRUE(!encl_page_patched(encl_of(v, fd), base + size));
	EXPECT_EQ(shown, 6);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(smallest, PAGE + 1024);	/* the first and the last: data is no surroundings */
	EXPECT_EQ(largest, PAGE + 2048);
	EXPECT_EQ(encl_xfrm(encl_of(v, fd)), 3);
	done();
}

/* Proves: INS-35 */
TEST(drv_code, enclaves_with_all_of_xcr0_are_left_alone)
{
	ready(6, 1000, SI_RX, RX, 3);
	EXPECT_TRUE(fetch(3));
	EXPECT_EQ(shown, 0);
	EXPECT_EQ(site(3), 0x5a);
	EXPECT_TRUE(!encl_page_patched(encl_of(v, fd), base + 3 * PAGE));
	done();
}

/* Proves: INS-01 */
TEST(drv_code, unless_cpuid_is_to_be_replaced)
{
	ready(6, 1000, SI_RX, RX, 3);
	v->d->config.patch_cpuid = true;
	expected = DRV_CODE_CPUID;
	EXPECT_TRUE(fetch(3));
	EXPECT_EQ(site(3), 0xcc);
	EXPECT_TRUE(encl_page_patched(encl_of(v, fd), base + 3 * PAGE));
	EXPECT_EQ(wrong, 0);
	expected = DRV_CODE_XCR0;
	done();
}

/* Proves: INS-35, A-EPC-5 */
TEST(drv_code, evicted_pages_and_neighbours_come_back_for_it)
{
	ready(200, 64, SI_RX, RX, 7);
	for (unsigned round = 0; round < 3; round++)
		for (uint64_t k = 0; k < 200; k++) {
			const uint64_t i = 1 + k * 77 % 200;

			EXPECT_TRUE(fetch(i));
			EXPECT_EQ(site(i), 0xcc);
		}
	EXPECT_EQ(shown, 200);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(smallest, PAGE + 1024);
	EXPECT_TRUE(v->d->epc_used <= 64);
	done();
}

/* Proves: INS-35 */
TEST(drv_code, a_page_that_becomes_writable_is_as_before)
{
	struct epcm_entry *epcm;

	ready(3, 1000, SI_RWX, RWX, 7);
	epcm = encl_of(v, fd)->section.epcm;
	EXPECT_TRUE(fetch(1));			/* writable: not shown */
	EXPECT_EQ(shown, 0);
	EXPECT_TRUE(may(2, RWX));
	/* EMODPR and EACCEPT take W, what the enclave writes from then on through EMODPE is data again. */
	epcm[2].w = false;
	drv_mprotect(v->d, v->tid, base + 2 * PAGE, PAGE, RX, -1);
	EXPECT_TRUE(!may(2, PROT_EXEC));
	EXPECT_TRUE(fetch(2));
	EXPECT_EQ(shown, 1);
	EXPECT_EQ(site(2), 0xcc);
	drv_mprotect(v->d, v->tid, base + 2 * PAGE, PAGE, RWX, -1);
	epcm[2].w = true;
	EXPECT_TRUE(!may(2, PROT_WRITE));
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(may(2, RWX));
	EXPECT_EQ(site(2), 0x5a);
	EXPECT_TRUE(!encl_page_patched(encl_of(v, fd), base + 2 * PAGE));
	/* And shown again when it is code again. */
	epcm[2].w = false;
	drv_mprotect(v->d, v->tid, base + 2 * PAGE, PAGE, RX, -1);
	EXPECT_TRUE(fetch(2));
	EXPECT_EQ(shown, 2);
	EXPECT_EQ(site(2), 0xcc);
	EXPECT_EQ(wrong, 0);
	done();
}
