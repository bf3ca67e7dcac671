/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver for tests: a fresh one for each test, in this process, with an EPC of chosen size; enclaves with a real
 * signature. Calls go straight to the driver; nothing is executed inside an enclave, faults are reported by hand.
 */
#ifndef SOFTSGX_TESTS_DRV_FIXTURE_H
#define SOFTSGX_TESTS_DRV_FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drv/state.h"
#include "harness.h"
#include "isa/secs.h"
#include "uapi/sgx.h"

#define PAGE		4096ull
#define RW		(PROT_READ | PROT_WRITE)
#define RX		(PROT_READ | PROT_EXEC)
#define RWX		(PROT_READ | PROT_WRITE | PROT_EXEC)
#define REG(rwx)	(SGX_SECINFO_OF_PT(SGX_PT_REG) | (rwx))
#define TCS		SGX_SECINFO_OF_PT(SGX_PT_TCS)
#define SI_R		SGX_SECINFO_R
#define SI_RW		(SGX_SECINFO_R | SGX_SECINFO_W)
#define SI_RX		(SGX_SECINFO_R | SGX_SECINFO_X)
#define SI_RWX		SGX_SECINFO_RWX
#define ERESTARTSYS	512

struct env {
	struct drv *d;
	struct isa_profile profile;
	struct platform_keys keys;
	struct drv_counters counters;
	uint32_t tid;
	int signal_after;		/* signal_pending() says yes from this call on; -1: never */
	unsigned kicks, invalidates, initialised;
	bool debug;			/* create() makes debug enclaves */
	bool kick_leaves;		/* a kick makes every TCS word of the enclave idle */
	uint64_t invalid_start, invalid_end;
};

/** env_new() - a driver with @epc_pages of EPC. The former one is gone, with its arena. */
struct env *env_new(uint64_t epc_pages);
struct env *env_old_cpu(uint64_t epc_pages);	/* without SGX2 */
struct env *env_aexnotify(uint64_t epc_pages);	/* a kernel that knows AEX-Notify */

/** env_code() - drv_ops.patch_code and unpatch_code, until the next env_new(). */
void env_code(bool (*patch)(unsigned int what, const uint8_t *code, uint64_t size, uint64_t from, uint64_t end,
			    uint8_t *page),
	      void (*unpatch)(unsigned int what, uint8_t *code, uint64_t size, uint64_t from, uint64_t end,
			      uint64_t addr));

/** ioc() - ioctl with a structure: what ioctl(2) returns, or -errno. */
long ioc(struct env *v, int fd, uint32_t cmd, void *arg);

/** reserve() - @size bytes of PROT_NONE address space, aligned to @size. */
uint64_t reserve(uint64_t size);
struct sgx_secs secs_for(uint64_t base, uint64_t size);
long create(struct env *v, int fd, uint64_t base, uint64_t size);
/** add() - @pages pages of @src (NULL: a page of 0x5a.. for each) with SECINFO.FLAGS @flags. count goes to *count. */
long add(struct env *v, int fd, uint64_t offset, uint64_t pages, uint64_t flags, uint64_t *count);
/** sigstruct_for() - a valid SIGSTRUCT for the enclave behind @fd as it is now. */
void sigstruct_for(struct env *v, int fd, struct sgx_sigstruct *s);
long init(struct env *v, int fd);
/** built() - an initialised enclave: page 0 TCS, 1 RX, 2 RW, 3 R, 4.. absent; 16 pages at *base. Its descriptor. */
int built(struct env *v, uint64_t *base);
/** encl_of() - the driver's record of @fd's enclave, which it must have met. */
struct encl *encl_of(struct env *v, int fd);

/** map() - mmap MAP_SHARED|MAP_FIXED. */
long map(struct env *v, int fd, uint64_t addr, uint64_t size, int prot);
/** touch() - a fault of inside software at @addr. @access: 0, X86_PFEC_W or X86_PFEC_I. */
enum drv_fault_result touch(struct env *v, uint64_t addr, uint32_t access, struct exception *exc);
/** readable() - can the kernel read (write) the byte at @addr in this process now? */
bool readable(uint64_t addr);
bool writable(uint64_t addr);
/** eaccept() - what EACCEPT in the enclave would do to the page, done by hand. */
void eaccept(struct encl *e, uint64_t i);

/** open_fds(), mappings() - how many this process has; mappings counts lines of /proc/self/maps with @name. */
unsigned open_fds(void);
unsigned mappings(const char *name);

#endif
