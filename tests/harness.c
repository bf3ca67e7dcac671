/* SPDX-License-Identifier: BSD-2-Clause */
/* main() of every test program: see harness.h. */
#include "harness.h"

#include <stdarg.h>
#include <stdlib.h>

static struct test *first, **last = &first;
static struct test *current;
static bool failed, skipped;

void test_register(struct test *t)
{
	*last = t;
	last = &t->next;
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list ap;

	failed = true;
	printf("%s.%s: %s:%d: ", current->suite, current->name, file, line);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void test_skip(const char *reason)
{
	skipped = true;
	printf("%s.%s: skipped: %s\n", current->suite, current->name, reason);
}

int main(int argc, char **argv)
{
	unsigned passed_count = 0, failed_count = 0, skipped_count = 0;
	char name[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (current = first; current; current = current->next) {
		snprintf(name, sizeof(name), "%s.%s", current->suite, current->name);
		if (argc > 1 && !strstr(name, argv[1]))
			continue;
		if (getenv("TEST_VERBOSE"))
			printf("%s\n", name);
		failed = skipped = false;
		current->run();
		if (failed)
			failed_count++;
		else if (skipped)
			skipped_count++;
		else
			passed_count++;
	}
	printf("%u passed, %u failed", passed_count, failed_count);
	if (skipped_count)
		printf(", %u skipped", skipped_count);
	putchar('\n');
	return failed_count != 0;
}
