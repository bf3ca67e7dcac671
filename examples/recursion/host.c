/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Enclaves that call each other through the host, on one thread, three deep.
 *
 * An application enclave wants to be certified. It makes a report that only the quoting enclave can check, and
 * leaves with it by an OCALL. The host, still in that call, loads the quoting enclave and runs it; that one checks
 * the report and in the same way asks the certification enclave. All three take an exception meanwhile, and each
 * exception goes to the handler of its own level, since a handler belongs to a call of the vDSO function and to
 * nothing else. With one handler for the process, or with signals, the levels would have to know of each other.
 *
 * Run it:  softsgx run -- recursion
 */
#include <string.h>

#include "../common/call.h"
#include "../common/certifying.h"

static struct level {
	const char *name;
	unsigned vector;		/* of its exception */
	struct enclave enclave;
	struct call call;
	struct request request;
	unsigned handled;
} levels[LEVELS] = { { .name = "application.enclave", .vector = 6 }, { .name = "quoting.enclave", .vector = 0 },
		     { .name = "certification.enclave", .vector = 14 } };

static unsigned depth, deepest, forge;

/* A handler for each level, as if they came from libraries that know nothing of each other. */
#define HANDLER(level)											\
static int handler_##level(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run) \
{													\
	if (run->function != EEXIT) {									\
		CHECK(run->tcs == levels[level].enclave.tcs[0]);					\
		CHECK(run->exception_vector == levels[level].vector);					\
		levels[level].handled++;								\
	}												\
	return call_handler(rdi, rsi, rdx, rsp, r8, r9, run);						\
}
HANDLER(APPLICATION)
HANDLER(QUOTING)
HANDLER(CERTIFICATION)
static const sgx_enclave_user_handler_t handlers[LEVELS] = { handler_APPLICATION, handler_QUOTING,
							     handler_CERTIFICATION };

static long run_level(struct level *l);

/* The enclave of this level waits in an OCALL: the next level's turn. */
static long certify(struct call *call, long what, void *argument)
{
	struct level *l = levels + depth - 1, *next = l + 1;
	long result;

	(void)what;
	CHECK(call == &l->call && argument == &l->request);
	next->request.asker = l->request.mine;
	if (forge == depth)
		next->request.asker.mrenclave[0] ^= 1;
	result = run_level(next);
	l->request.answer = next->request.reply;
	return result;
}

static long run_level(struct level *l)
{
	unsigned number = (unsigned)(l - levels);
	long result;

	if (!l->enclave.base)
		enclave_load(&l->enclave, l->name);
	if (number + 1 < LEVELS) {
		/* TARGETINFO of the next one. Its signature says what it will be; INIT is set once it runs. */
		const struct image *next = image_open(l[1].name);

		memcpy(l->request.next.measurement, next->sigstruct + SIGSTRUCT_ENCLAVEHASH, 32);
		memcpy(l->request.next.attributes, next->sigstruct + SIGSTRUCT_ATTRIBUTES, 16);
		l->request.next.attributes[0] |= 1;
		l->request.next.miscselect = next->miscselect;
	}
	l->call = (struct call){ .tcs = l->enclave.tcs[0], .handler = handlers[number], .ocall = certify };
	if (++depth > deepest)
		deepest = depth;
	result = ecall(&l->call, 0, &l->request);
	depth--;
	return result;
}

int main(void)
{
	unsigned i;

	CHECK(run_level(&levels[APPLICATION]) == 0);
	CHECK(depth == 0 && deepest == LEVELS);
	for (i = 0; i < LEVELS; i++)
		CHECK(levels[i].handled == 1 && levels[i].call.exceptions == 1);

	/*
	 * A host that lies: the quoting enclave does not accept the report (-2), the application enclave is told
	 * (-3).
	 */
	forge = 1;
	CHECK(run_level(&levels[APPLICATION]) == -3 && levels[QUOTING].call.rsi == -2);
	forge = 2;
	CHECK(run_level(&levels[APPLICATION]) == -3 && levels[CERTIFICATION].call.rsi == -2);

	puts("ok");
	return 0;
}
