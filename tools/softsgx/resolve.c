/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file is PROGRAM, and can it run under softsgx? Everything found here has a better message than execve's. */
#define _GNU_SOURCE
#include "common.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERPRETERS_MAX	5	/* as Linux: a script may be the interpreter of a script */

/* Why @header, the first @size bytes of a file, is no program for us; NULL if it is one. */
static const char *elf_refusal(const unsigned char *header, size_t size)
{
	const Elf64_Ehdr *ehdr = (const void *)header;

	if (size < EI_NIDENT || memcmp(header, ELFMAG, SELFMAG))
		return "is neither a program for x86-64 nor a script that begins with #!";
	if (size < sizeof(*ehdr))
		return "is not a valid program: it is too short";
	if (header[EI_DATA] != ELFDATA2LSB ||
	    (ehdr->e_machine != EM_X86_64 && ehdr->e_machine != EM_386))
		return "is a program for another kind of machine; softsgx runs programs for x86-64";
	if (header[EI_CLASS] != ELFCLASS64 || ehdr->e_machine != EM_X86_64)
		return "is a 32-bit program; softsgx runs 64-bit programs for x86-64";
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		return "is not a program: it is an object or core file";
	return NULL;
}

/* @path, or the @interpreter that it names, can't be looked at because of @error. */
static int refuse_error(const char *path, const char *interpreter, int error)
{
	if (*interpreter)
		message("%s: its interpreter %s: %s", path, interpreter, strerror(error));
	else
		message("%s: %s", path, strerror(error));
	return error == ENOENT || error == ENOTDIR ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
}

static int refuse(const char *path, const char *why)
{
	message("%s: %s", path, why);
	return STATUS_CANNOT_EXECUTE;
}

/* The interpreter in @line, which begins with #!; NULL if there is none. */
static const char *interpreter_of(char *line, size_t size)
{
	char *name = line + 2;

	line[size] = 0;
	name[strcspn(name, "\n")] = 0;
	name += strspn(name, " \t");
	name[strcspn(name, " \t")] = 0;
	return *name ? name : NULL;
}

/* @path exists. @depth: how many scripts led here. */
static int check_file(const char *path, unsigned depth)
{
	union { Elf64_Ehdr ehdr; unsigned char bytes[257]; char text[257]; } header;
	const char *interpreter, *refusal;
	struct stat st;
	ssize_t size;
	bool script;
	int fd;

	if (stat(path, &st))
		return refuse_error(path, "", errno);
	if (S_ISDIR(st.st_mode))
		return refuse(path, "is a directory");
	if (!S_ISREG(st.st_mode))
		return refuse(path, "is not a regular file");
	if (access(path, X_OK))
		return refuse(path, errno == EACCES ? "is not executable (permission denied)" : strerror(errno));

	size = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {		/* else it may still be run: the kernel will tell */
		size = pread(fd, header.bytes, sizeof(header.bytes) - 1, 0);
		close(fd);
	}
	script = size >= 2 && !memcmp(header.text, "#!", 2);
	/* On a script the kernel ignores these bits. */
	if (!script && st.st_mode & S_ISUID)
		return refuse(path, "is setuid: under softsgx it can't gain privileges, as no traced program can");
	if (!script && (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return refuse(path, "is setgid: under softsgx it can't gain privileges, as no traced program can");
	if (fd < 0)
		return 0;
	if (size < 0)
		return refuse(path, strerror(errno));
	if (!script) {
		refusal = elf_refusal(header.bytes, (size_t)size);
		return refusal ? refuse(path, refusal) : 0;
	}
	if (depth >= INTERPRETERS_MAX)
		return refuse(path, "is a script whose interpreters are scripts too, too many of them");
	interpreter = interpreter_of(header.text, (size_t)size);
	if (!interpreter)
		return refuse(path, "is a script without an interpreter: nothing follows its #!");
	if (access(interpreter, F_OK))
		return refuse_error(path, interpreter, errno);
	return check_file(interpreter, depth + 1);
}

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* Looks @name up in PATH, as execvp does: the first that can be executed, else the first that is there at all. */
static bool search(const char *name, char *found, size_t size)
{
	const char *path = getenv("PATH"), *end;
	char candidate[4096];
	bool any = false;

	if (!path)
		path = "/bin:/usr/bin";
	for (;; path = end + 1) {
		int directory;

		end = strchrnul(path, ':');
		directory = (int)(end - path);
		if ((size_t)snprintf(candidate, sizeof(candidate), "%.*s%s%s", directory, path, directory ? "/" : "./",
				     name) < sizeof(candidate) && strlen(candidate) < size) {
			if (is_program(candidate)) {
				strcpy(found, candidate);
				return true;
			}
			if (!any && !access(candidate, F_OK)) {
				strcpy(found, candidate);
				any = true;
			}
		}
		if (!*end)
			return any;
	}
}

int resolve_program(const char *name, char *path, size_t size)
{
	if (strchr(name, '/')) {
		if ((size_t)snprintf(path, size, "%s", name) >= size)
			return refuse(name, strerror(ENAMETOOLONG));
	} else if (!*name || !search(name, path, size)) {
		message("%s: command not found", name);
		return STATUS_NOT_FOUND;
	}
	return check_file(path, 0);
}
