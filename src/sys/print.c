/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of the runtime: a small formatter, a write to a descriptor, and the end after an internal error. */
#include "sys/sys.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/signal.h>
#include <stdarg.h>

#define LINE_MAX	512

struct out {
	char *buf;
	size_t size, length;
};

static void put(struct out *o, char c)
{
	if (o->length + 1 < o->size)
		o->buf[o->length++] = c;
}

static void put_string(struct out *o, const char *s)
{
	for (s = s ? s : "(null)"; *s; s++)
		put(o, *s);
}

static void put_number(struct out *o, uint64_t value, unsigned base)
{
	char digits[20];	/* 2^64 - 1 has 20 in decimal */
	unsigned n = 0;

	do
		digits[n++] = "0123456789abcdef"[value % base];
	while (value /= base);
	while (n)
		put(o, digits[--n]);
}

static size_t format_args(char *buf, size_t size, const char *format, va_list ap)
{
	struct out o = { .buf = buf, .size = size };
	int64_t number;
	bool wide;

	for (; *format; format++) {
		if (*format != '%') {
			put(&o, *format);
			continue;
		}
		wide = *++format == 'l';
		if (wide)
			format++;
		switch (*format) {
		case 's':
			put_string(&o, va_arg(ap, const char *));
			break;
		case 'c':
			put(&o, (char)va_arg(ap, int));
			break;
		case 'd':
			number = wide ? va_arg(ap, long) : va_arg(ap, int);
			if (number < 0)
				put(&o, '-');
			put_number(&o, number < 0 ? -(uint64_t)number : (uint64_t)number, 10);
			break;
		case 'u':
			put_number(&o, wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 10);
			break;
		case 'x':
			put_number(&o, wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 16);
			break;
		case 'p':
			put_string(&o, "0x");
			put_number(&o, (uintptr_t)va_arg(ap, void *), 16);
			break;
		case '%':
			put(&o, '%');
			break;
		default:	/* not a conversion of ours; "%" at the end of the format too */
			put(&o, '%');
			format--;
			if (wide)
				format--;
			break;
		}
	}
	if (size)
		buf[o.length] = 0;
	return o.length;
}

size_t sys_format(char *buf, size_t size, const char *format, ...)
{
	va_list ap;
	size_t length;

	va_start(ap, format);
	length = format_args(buf, size, format, ap);
	va_end(ap);
	return length;
}

static void write_all(int fd, const char *s, size_t size)
{
	while (size) {
		long done = sys_call3(__NR_write, fd, s, size);

		if (done == -EINTR)
			continue;
		if (done <= 0)
			return;		/* nowhere to complain */
		s += done;
		size -= (size_t)done;
	}
}

void sys_print(int fd, const char *format, ...)
{
	char line[LINE_MAX];
	va_list ap;

	va_start(ap, format);
	write_all(fd, line, format_args(line, sizeof(line), format, ap));
	va_end(ap);
}

_Noreturn void sys_panic(const char *format, ...)
{
	/* The program may have caught, blocked or ignored SIGABRT. Kernel layout: handler, flags, restorer, mask. */
	const uint64_t default_action[4] = { 0 };
	const uint64_t abort_only = UINT64_C(1) << (SIGABRT - 1);
	char text[3 * LINE_MAX], what[LINE_MAX], program[LINE_MAX / 2];
	long length = sys_call3(__NR_readlink, "/proc/self/exe", program, sizeof(program) - 1);
	va_list ap;

	program[length > 0 ? length : 0] = 0;
	va_start(ap, format);
	format_args(what, sizeof(what), format, ap);
	va_end(ap);
	write_all(2, text, sys_format(text, sizeof(text),
		"softsgx: internal error: %s\n"
		"softsgx: this is a bug of softsgx " SOFTSGX_VERSION ", not of %s (process %ld, thread %ld),\n"
		"softsgx: which ends here by SIGABRT. Please report these lines, the options of `softsgx run', the output of\n"
		"softsgx: `softsgx info', and what the program was doing.\n",
		what, *program ? program : "the program", sys_call0(__NR_getpid), sys_call0(__NR_gettid)));

	sys_call4(__NR_rt_sigaction, SIGABRT, default_action, 0, sizeof(uint64_t));
	sys_call4(__NR_rt_sigprocmask, SIG_UNBLOCK, &abort_only, 0, sizeof(uint64_t));
	sys_call3(__NR_tgkill, sys_call0(__NR_getpid), sys_call0(__NR_gettid), SIGABRT);
	for (;;)
		sys_call1(__NR_exit_group, 128 + SIGABRT);
}
