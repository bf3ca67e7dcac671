/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program without libc: its own _start, system calls, signal restorer and ENCLUs. It builds the enclave of
 * tests/support with the SIGSTRUCT in the file argv[1], which nolibc_sign.c wrote.
 */
#include "arch/sgx.h"
#include "uapi/sgx.h"

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096, PAGES = 8, READ = 1, WRITE = 2, EXEC = 4, TE_RUN_SUM = 6, TE_JUMP = 8 };
enum { PAGE_TCS, PAGE_SSA, PAGE_CODE = 3, PAGE_DATA, PAGE_SCRATCH, PAGE_END };

struct te_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8, r9, rflags;
};
void te_raw(struct te_regs *r);
extern const char te_raw_aep[];
extern const uint8_t te_code_start[], te_code_eexit[];

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *ret = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return ret;
}

void *memset(void *to, int byte, size_t n)
{
	void *ret = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
	return ret;
}

static uint64_t base, eexit;
static unsigned passed, failed;
static volatile unsigned signals;
static uint8_t page[PAGE] __attribute__((aligned(PAGE))), sigstruct[PAGE] __attribute__((aligned(PAGE)));
static uint8_t alternate[65536];

static void say(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	call(__NR_write, 1, (long)text, (long)n, 0, 0, 0);
}

static void expect(int ok, const char *what)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	say("nolibc: ");
	say(what);
	say("\n");
}

static int add(int fd, unsigned at, uint64_t flags)
{
	struct sgx_secinfo secinfo __attribute__((aligned(64)));
	struct sgx_enclave_add_pages a = { .src = (uintptr_t)page, .offset = at * PAGE, .length = PAGE,
					   .secinfo = (uintptr_t)&secinfo, .flags = SGX_PAGE_MEASURE };

	memset(&secinfo, 0, sizeof(secinfo));
	secinfo.flags = flags;
	return (int)call(__NR_ioctl, fd, (long)SGX_IOC_ENCLAVE_ADD_PAGES, (long)&a, 0, 0, 0);
}

static int build(void)
{
	const uint64_t reg = SGX_SECINFO_OF_PT(SGX_PT_REG);
	struct sgx_enclave_create create = { .src = (uintptr_t)page };
	struct sgx_enclave_init init = { .sigstruct = (uintptr_t)sigstruct };
	struct sgx_secs *secs = (void *)page;
	struct sgx_tcs *tcs = (void *)page;
	static const struct { unsigned from, to, prot; } part[] = {
		{ PAGE_TCS, PAGE_CODE, READ | WRITE }, { PAGE_CODE, PAGE_DATA, READ | EXEC },
		{ PAGE_DATA, PAGE_SCRATCH, READ | WRITE }, { PAGE_SCRATCH, PAGE_END, READ | WRITE | EXEC },
	};
	int fd = (int)call(__NR_openat, -100, (long)"/dev/sgx_enclave", 2, 0, 0, 0), ret;
	unsigned i;

	if (fd < 0)
		return 1;
	base = (uint64_t)call(__NR_mmap, 0, 2 * PAGES * PAGE, 0, 0x22, -1, 0);
	base = (base + PAGES * PAGE - 1) & ~(uint64_t)(PAGES * PAGE - 1);
	eexit = base + PAGE_CODE * PAGE + (uint64_t)(te_code_eexit - te_code_start);
	secs->size = PAGES * PAGE;
	secs->baseaddr = base;
	secs->ssaframesize = 1;
	secs->attributes.flags = SGX_ATTR_MODE64BIT;
	secs->attributes.xfrm = 3;
	ret = (int)call(__NR_ioctl, fd, (long)SGX_IOC_ENCLAVE_CREATE, (long)&create, 0, 0, 0);
	memset(page, 0, PAGE);
	tcs->ossa = PAGE_SSA * PAGE;
	tcs->nssa = 2;
	tcs->oentry = PAGE_CODE * PAGE;
	tcs->fslimit = tcs->gslimit = 0xfff;
	tcs->ofsbasgx = tcs->ogsbasgx = PAGE_DATA * PAGE;
	ret |= add(fd, PAGE_TCS, SGX_SECINFO_OF_PT(SGX_PT_TCS));
	memset(page, 0, PAGE);
	ret |= add(fd, PAGE_SSA, reg | 3) | add(fd, PAGE_SSA + 1, reg | 3);
	memcpy(page, te_code_start, PAGE);
	ret |= add(fd, PAGE_CODE, reg | 5);
	memset(page, 0, PAGE);
	ret |= add(fd, PAGE_DATA, reg | 3) | add(fd, PAGE_SCRATCH, reg | 7);
	ret |= (int)call(__NR_ioctl, fd, (long)SGX_IOC_ENCLAVE_INIT, (long)&init, 0, 0, 0);
	for (i = 0; i < 4 && !ret; i++) {
		const uint64_t at = base + part[i].from * PAGE;

		ret = call(__NR_mmap, (long)at, (part[i].to - part[i].from) * PAGE, part[i].prot, 0x11, fd, 0) != (long)at;
	}
	return ret;
}

/* Offsets into the kernel's frame: uc_mcontext.gregs[]. */
enum { UC_RAX = 40 + 13 * 8, UC_RIP = 40 + 16 * 8 };

static void handler(int sig, void *info, uint8_t *uc)
{
	struct sgx_gprsgx *gpr = (void *)(base + (PAGE_SSA + 1) * PAGE - sizeof(*gpr));

	(void)sig, (void)info;
	signals++;
	if (*(uint64_t *)(uc + UC_RIP) != (uintptr_t)te_raw_aep || *(uint64_t *)(uc + UC_RAX) != ERESUME)
		call(__NR_exit_group, 3, 0, 0, 0, 0, 0);
	gpr->rip += 2;				/* behind the UD2; the ENCLU at the AEP goes on there */
}

void restorer(void);
__asm__(".text; restorer: mov $15, %eax; syscall; hlt");

static void tests(const char *file)
{
	struct { uint64_t handler, flags, restorer, mask; } act = {
		(uintptr_t)handler, 0x0c000004 /* RESTORER, ONSTACK, SIGINFO */, (uintptr_t)restorer, 0,
	};
	struct { void *sp; int flags; size_t size; } stack = { alternate, 0, sizeof(alternate) };
	static const uint8_t code[] = {		/* ud2; incq (%rsi); mov $4,%eax; mov %rcx,%rbx; jmp *%r9 */
		0x0f, 0x0b, 0x48, 0xff, 0x06, 0xb8, 4, 0, 0, 0, 0x48, 0x89, 0xcb, 0x41, 0xff, 0xe1,
	};
	uint64_t args[16] = { 7, 1000 }, wanted = 7, count = 0, i;
	int fd = (int)call(__NR_openat, -100, (long)file, 0, 0, 0, 0);
	struct te_regs r;

	expect(call(__NR_read, fd, (long)sigstruct, 1808, 0, 0, 0) == 1808, "the file with the SIGSTRUCT");
	expect(!build(), "the enclave");
	for (i = 0; i < 1000; i++)
		wanted = wanted * UINT64_C(0x5851f42d4c957f2d) + 12345;
	r = (struct te_regs){ .rax = EENTER, .rbx = base, .rcx = (uintptr_t)te_raw_aep, .rdi = TE_RUN_SUM,
			      .rsi = (uintptr_t)args };
	te_raw(&r);
	expect(r.rax == EEXIT && args[0] == wanted, "a computation inside");
	for (i = 0; i < 5000; i++) {
		r = (struct te_regs){ .rax = EENTER, .rbx = base, .rcx = (uintptr_t)te_raw_aep };
		te_raw(&r);
		if (r.rax != EEXIT || r.rcx != (uintptr_t)te_raw_aep)
			break;
	}
	expect(i == 5000, "entries in a row");
	call(__NR_sigaltstack, (long)&stack, 0, 0, 0, 0, 0);
	expect(!call(__NR_rt_sigaction, 4, (long)&act, 0, 8, 0, 0), "rt_sigaction");
	memcpy((void *)(base + PAGE_SCRATCH * PAGE), code, sizeof(code));
	for (i = 0; i < 300; i++) {
		r = (struct te_regs){ .rax = EENTER, .rbx = base, .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
				      .rdx = base + PAGE_SCRATCH * PAGE, .rsi = (uintptr_t)&count, .r9 = eexit };
		te_raw(&r);
		if (r.rax != EEXIT || signals != i + 1 || count != i + 1)
			break;
	}
	expect(i == 300, "exceptions that a handler repairs");
}

__attribute__((used)) static void start(long *stack)
{
	char line[] = "0 passed, 0 failed\n";

	tests((const char *)stack[2]);
	line[0] = (char)('0' + passed);
	line[10] = (char)('0' + failed);
	say(line);
	call(__NR_exit_group, failed != 0, 0, 0, 0, 0, 0);
}
__asm__(".globl _start; _start: mov %rsp, %rdi; and $-16, %rsp; call start; hlt");
