/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program without any C library: its own _start, system calls by SYSCALL, its own signal restorer, a thread by clone
 * without TLS. The enclave was signed when this was built. Each check counts as one test.
 */
#include "interop/nolibc.h"
#include "support/encl.h"
#include "nolibc_image.h"

#include <asm/unistd.h>
#include <elf.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/sched.h>

enum { SIGILL_ = 4, SIGCHLD_ = 17, UD = 6, RAX = 13, RIP = 16, GREGS = 40 };
#define SA_SIGINFO_	4ul
#define SA_ONSTACK_	0x08000000ul
#define SA_RESTORER_	0x04000000ul
#define SA_NODEFER_	0x40000000ul

struct action {
	void (*handler)(int sig, void *info, void *context);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};
struct stack {
	void *sp;
	int flags;
	uint64_t size;
};

static unsigned passed, failed;
static uint64_t base;
static volatile unsigned handled, on_own_stack;
static volatile uint32_t thread_lives;
static volatile bool thread_good;
static char thread_stack[32768] __attribute__((aligned(64))), alternate[2][65536] __attribute__((aligned(64)));

void *memset(void *p, int c, size_t n)
{
	char *q = p;

	while (n--)
		__asm__ volatile("movb %b1, (%0)" : : "r"(q++), "r"(c) : "memory");
	return p;
}

static long sys(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static void say(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	sys(__NR_write, 1, (long)s, (long)n, 0, 0, 0);
}

static void say_number(unsigned n)
{
	char text[12] = { 0 }, *p = text + 11;

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	say(p);
}

static bool check(const char *what, bool good)
{
	if (good) {
		passed++;
	} else {
		failed++;
		say("nolibc: ");
		say(what);
		say(": FAILED\n");
	}
	return good;
}

static void finish(void)
{
	say_number(passed);
	say(" passed, ");
	say_number(failed);
	say(" failed\n");
	sys(__NR_exit_group, failed != 0, 0, 0, 0, 0, 0);
}

__asm__(".text\n.globl _start\n_start: xor %ebp, %ebp; mov %rsp, %rdi; and $-16, %rsp; call start; ud2\n"
	".globl restorer\nrestorer: mov $15, %eax; syscall; ud2\n"
	/* clone_thread(flags, stack, tid, function): the new thread calls the function on its stack, and ends */
	".globl clone_thread\nclone_thread: mov %rdx, %r10; mov %rcx, %r9; xor %r8d, %r8d; mov $56, %eax; syscall\n"
	"	test %eax, %eax; jnz 1f; xor %ebp, %ebp; call *%r9; xor %edi, %edi; mov $60, %eax; syscall; 1: ret\n");
void restorer(void);
long clone_thread(unsigned long flags, void *stack, volatile uint32_t *tid, void (*function)(void));

static vdso_sgx_enter_enclave_t find_vdso(const uint8_t *image)
{
	const Elf64_Ehdr *ehdr = (const void *)image;
	const Elf64_Phdr *phdr = (const void *)(image + ehdr->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL, *name = "__vdso_sgx_enter_enclave";
	const uint32_t *hash = NULL;
	uint32_t i;

	for (i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(image + phdr[i].p_offset);
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const void *)(image + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			str = (const void *)(image + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_HASH)
			hash = (const void *)(image + dyn->d_un.d_ptr);
	}
	for (i = 0; sym && str && hash && i < hash[1]; i++) {
		const char *p = str + sym[i].st_name, *q = name;

		while (*p && *p == *q)
			p++, q++;
		if (*p == *q)
			return (vdso_sgx_enter_enclave_t)(uintptr_t)(image + sym[i].st_value);
	}
	return NULL;
}

static uint64_t tcs(unsigned n)
{
	return base + (uint64_t)n * IMAGE_STRIDE * 4096;
}

static uint64_t raw(unsigned n, uint64_t op, uint64_t value, uint64_t number)
{
	uint64_t words[2] = { value, number };
	struct te_regs r = { .rax = EENTER, .rbx = tcs(n), .rcx = (uintptr_t)te_raw_aep, .rdi = op,
			     .rsi = (uintptr_t)words };

	te_raw(&r);
	return r.rax == EEXIT ? words[0] : 0;
}

static uint64_t model(uint64_t x, uint64_t rounds)
{
	while (rounds--)
		x = x * UINT64_C(0x5851f42d4c957f2d) + 12345;
	return x;
}

static void on_illegal(int sig, void *info, void *context)
{
	const uint64_t *g = (const void *)((const char *)context + GREGS);
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), low = (uintptr_t)alternate;
	unsigned n = g[11] == tcs(1);

	(void)info;
	if (sig != SIGILL_ || g[RIP] != (uintptr_t)te_raw_aep || g[RAX] != ERESUME)
		sys(__NR_exit_group, 99, 0, 0, 0, 0, 0);
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
	if (here - low - n * sizeof(alternate[0]) < sizeof(alternate[0]))
		__atomic_add_fetch(&on_own_stack, 1, __ATOMIC_SEQ_CST);
	raw(n, IMAGE_SUM, 0, 0);
}

static bool own_stack(unsigned n)
{
	struct stack stack = { alternate[n], 0, sizeof(alternate[n]) }, seen = { 0 };

	return !sys(__NR_sigaltstack, (long)&stack, 0, 0, 0, 0, 0) && !sys(__NR_sigaltstack, 0, (long)&seen, 0, 0, 0, 0) &&
	       seen.sp == stack.sp && seen.size == stack.size && !seen.flags;
}

static void thread(void)
{
	bool good = own_stack(1);
	unsigned i;

	for (i = 1; i <= 50; i++)
		good = good && raw(1, IMAGE_SUM, i, 100) == model(i, 100) && raw(1, IMAGE_FAULT, i, 0) == i + 1;
	thread_good = good;
}

static bool build(int fd)
{
	struct sgx_secs secs __attribute__((aligned(4096)));
	struct sgx_secinfo info __attribute__((aligned(64)));
	struct sgx_enclave_create create = { .src = (uintptr_t)&secs };
	struct sgx_enclave_init init = { .sigstruct = (uintptr_t)image_sigstruct };
	const uint64_t size = IMAGE_PAGES * 4096;
	uint64_t area = (uint64_t)sys(__NR_mmap, 0, 2 * size, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned i;

	base = (area + size - 1) & ~(size - 1);
	if (base > area)
		sys(__NR_munmap, (long)area, (long)(base - area), 0, 0, 0, 0);
	sys(__NR_munmap, (long)(base + size), (long)(area + size - base), 0, 0, 0, 0);
	memset(&secs, 0, sizeof(secs));
	secs.size = size;
	secs.baseaddr = base;
	secs.ssaframesize = 1;
	secs.attributes.flags = SGX_ATTR_MODE64BIT;
	secs.attributes.xfrm = 3;
	if (!check("CREATE", !sys(__NR_ioctl, fd, SGX_IOC_ENCLAVE_CREATE, (long)&create, 0, 0, 0)))
		return false;
	for (i = 0; i < IMAGE_END; i++) {
		struct sgx_enclave_add_pages add = {
			.src = (uintptr_t)image_pages + i * 4096, .offset = i * 4096, .length = 4096,
			.secinfo = (uintptr_t)&info, .flags = SGX_PAGE_MEASURE,
		};
		long prot = i == IMAGE_CODE ? PROT_READ | PROT_EXEC : PROT_READ | PROT_WRITE, ret;

		memset(&info, 0, sizeof(info));
		info.flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | (i == IMAGE_CODE ? 5 : 3);
		if (i < IMAGE_CODE && i % IMAGE_STRIDE == 0)
			info.flags = SGX_SECINFO_OF_PT(SGX_PT_TCS);
		/* Each region is mapped as soon as, or before, it is there. */
		if (i % 2)
			ret = sys(__NR_mmap, (long)(base + i * 4096), 4096, prot, MAP_SHARED | MAP_FIXED, fd, 0);
		if (sys(__NR_ioctl, fd, SGX_IOC_ENCLAVE_ADD_PAGES, (long)&add, 0, 0, 0) || add.count != 4096)
			return check("ADD_PAGES", false);
		if (i % 2 == 0)
			ret = sys(__NR_mmap, (long)(base + i * 4096), 4096, prot, MAP_SHARED | MAP_FIXED, fd, 0);
		if (ret != (long)(base + i * 4096))
			return check("mmap", false);
	}
	check("ADD_PAGES and mmap", true);
	return check("INIT", !sys(__NR_ioctl, fd, SGX_IOC_ENCLAVE_INIT, (long)&init, 0, 0, 0));
}

static void by_vdso(vdso_sgx_enter_enclave_t vdso)
{
	static struct sgx_enclave_run run;
	uint64_t words[2] = { 3, 1000 };
	int step;

	run.tcs = tcs(0);
	check("the vDSO returns 0", !te_enter(vdso, IMAGE_SUM, words, EENTER, &run) && run.function == EEXIT);
	check("a sum through the vDSO", words[0] == model(3, 1000));
	words[0] = 10;
	/* Three calls from one place: the resumed frame has to be where the interrupted one was. */
	for (step = 0; step < 3; step++) {
		te_enter(vdso, IMAGE_FAULT, words, step == 2 ? ERESUME : EENTER, &run);
		if (step == 0)
			check("an exception through the vDSO", run.function == ERESUME && run.exception_vector == UD &&
			      words[0] == 10);
		if (step == 1)
			check("an entry with CSSA 1", run.function == EEXIT && words[0] == 10);
	}
	check("a resumption through the vDSO", run.function == EEXIT && words[0] == 11);
}

static void by_thread(void)
{
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			      CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	uint32_t seen;
	bool good = true;
	unsigned i;
	long tid;

	thread_lives = 1;
	tid = clone_thread(flags, thread_stack + sizeof(thread_stack) - 64, &thread_lives, thread);
	for (i = 1; i <= 50; i++)
		good = good && raw(0, IMAGE_SUM, i, 200) == model(i, 200) && raw(0, IMAGE_FAULT, i, 0) == i + 1;
	while ((seen = thread_lives))
		sys(__NR_futex, (long)&thread_lives, FUTEX_WAIT, seen, 0, 0, 0);
	check("clone", tid > 0);
	check("the first thread meanwhile", good);
	check("the second thread", thread_good);
}

static void by_process(void)
{
	int status = 0;
	long pid = sys(__NR_clone, SIGCHLD_, 0, 0, 0, 0, 0);

	if (!pid)
		sys(__NR_exit_group, raw(0, IMAGE_SUM, 5, 5) == model(5, 5) ? 42 : 43, 0, 0, 0, 0, 0);
	check("wait4", sys(__NR_wait4, pid, (long)&status, 0, 0, 0, 0) == pid);
	check("the child's status", status == 42 << 8);
}

__attribute__((used)) void start(const uint64_t *stack)
{
	struct action act = { on_illegal, SA_SIGINFO_ | SA_ONSTACK_ | SA_RESTORER_ | SA_NODEFER_, restorer, 0 }, old;
	const uint64_t *p = stack + 1 + stack[0] + 1;
	vdso_sgx_enter_enclave_t vdso = NULL;
	int fd;

	while (*p++)
		;
	for (; p[0] != AT_NULL; p += 2)
		if (p[0] == AT_SYSINFO_EHDR)
			vdso = find_vdso((const void *)(uintptr_t)p[1]);
	check("the vDSO's function", vdso);
	fd = (int)sys(__NR_open, (long)"/dev/sgx_enclave", O_RDWR, 0, 0, 0, 0);
	if (!check("open", fd >= 0) || !build(fd))
		finish();
	check("rt_sigaction", !sys(__NR_rt_sigaction, SIGILL_, (long)&act, 0, 8, 0, 0) &&
	      !sys(__NR_rt_sigaction, SIGILL_, 0, (long)&old, 8, 0, 0) && old.handler == on_illegal &&
	      old.restorer == restorer && old.flags == act.flags);
	check("sigaltstack", own_stack(0));
	check("a sum by ENCLU", raw(0, IMAGE_SUM, 3, 1000) == model(3, 1000));
	check("memory of the enclave", raw(0, IMAGE_COUNT, 0, 7) == 7 && raw(1, IMAGE_COUNT, 0, 8) == 15);
	check("an exception that the handler lets the enclave repair", raw(0, IMAGE_FAULT, 5, 0) == 6 && handled == 1);
	if (vdso)
		by_vdso(vdso);
	by_thread();
	check("handlers, on the right stacks", handled == 101 && on_own_stack == 101);
	by_process();
	check("close", !sys(__NR_close, fd, 0, 0, 0, 0, 0));
	check("a sum after it", raw(1, IMAGE_SUM, 4, 10) == model(4, 10));
	check("munmap", !sys(__NR_munmap, (long)base, IMAGE_PAGES * 4096, 0, 0, 0, 0));
	finish();
}
