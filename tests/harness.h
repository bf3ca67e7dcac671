/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test is TEST(suite, condition_outcome) { ... }; the comment line before it names the rules: Proves: EADD-09.
 * tests/harness.c has main(): runs every test whose "suite.name" contains argv[1], prints each failure, and closes
 * with "N passed, N failed" (", N skipped").
 */
#ifndef SOFTSGX_TESTS_HARNESS_H
#define SOFTSGX_TESTS_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct test {
	const char *suite, *name;
	void (*run)(void);
	struct test *next;
};
void test_register(struct test *t);
void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void test_skip(const char *reason);

#define TEST(suite, name)								\
	static void suite##_##name(void);						\
	static struct test suite##_##name##_test = { #suite, #name, suite##_##name, 0 };	\
	__attribute__((constructor)) static void suite##_##name##_register(void)	\
	{ test_register(&suite##_##name##_test); }					\
	static void suite##_##name(void)

#define EXPECT_EQ(a, b) do {								\
	uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);				\
	if (a_ != b_)									\
		test_fail(__FILE__, __LINE__, "%s is 0x%llx, expected %s = 0x%llx", #a,	\
			  (unsigned long long)a_, #b, (unsigned long long)b_);		\
} while (0)
#define EXPECT_TRUE(x) do {								\
	if (!(x))									\
		test_fail(__FILE__, __LINE__, "expected %s", #x);			\
} while (0)
#define EXPECT_MEMEQ(a, b, n) do {							\
	if (memcmp(a, b, n))								\
		test_fail(__FILE__, __LINE__, "%s and %s differ in %zu bytes", #a, #b, (size_t)(n)); \
} while (0)
#define ASSERT_EQ(a, b) do {								\
	uint64_t x_ = (uint64_t)(a), y_ = (uint64_t)(b);				\
	if (x_ != y_) {									\
		test_fail(__FILE__, __LINE__, "%s is 0x%llx, expected %s = 0x%llx", #a,	\
			  (unsigned long long)x_, #b, (unsigned long long)y_);		\
		return;									\
	}										\
} while (0)
#define ASSERT_TRUE(x) do {								\
	if (!(x)) {									\
		test_fail(__FILE__, __LINE__, "expected %s", #x);			\
		return;									\
	}										\
} while (0)
#define SKIP(reason) do { test_skip(reason); return; } while (0)

#endif
