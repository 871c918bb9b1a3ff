// SPDX-License-Identifier: BSD-3-Clause
//
// Text from outside, whole: a policy, a set's items, cases. In: a name; out: its bytes, or why there are none. Off the
// path.
//
// A file that changes while it is read is refused, not half believed. A pipe is read as it comes, and waited for only
// so long: a FIFO that nobody writes to would hang the start of a gateway. Devices and directories are refused by name.
// Rejected: mmap, which ends the program (SIGBUS) where the file shrinks.
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITER_MS 2000  // for somebody to open the other end of a FIFO
#define SILENT_MS 60000 // for a writer to write more

// What is no file can be read once only.
struct kept {
	struct kept *next;
	char *name, *text;
	size_t len;
};
static struct kept *kept;

static char *copy(const void *p, size_t len)
{
	char *t = malloc(len + 1);
	if (!t)
		abort();
	memcpy(t, p, len);
	t[len] = '\0';
	return t;
}

static void keep(const char *name, const char *text, size_t len)
{
	struct kept *k = malloc(sizeof(*k));
	if (!k)
		abort();
	*k = (struct kept){.next = kept, .name = copy(name, strlen(name)), .text = copy(text, len), .len = len};
	kept = k;
}

// ---- what may be read --------------------------------------------------------------------------------------------

static const char *no_text(const struct stat *st)
{
	return S_ISDIR(st->st_mode)                           ? "it is a directory"
	       : S_ISSOCK(st->st_mode)                        ? "it is a socket"
	       : S_ISBLK(st->st_mode) || S_ISCHR(st->st_mode) ? "it is a device"
							      : NULL;
}

// A descriptor, -1: *why. Looked at before it is opened: opening a device may do something.
static int source_open(const char *file, struct stat *st, const char **why)
{
	bool in = !strcmp(file, SOURCE_STDIN);
	if ((in ? fstat(STDIN_FILENO, st) : stat(file, st)) < 0) {
		*why = strerror(errno);
		return -1;
	}
	*why = in && isatty(STDIN_FILENO) ? NULL : no_text(st);
	if (*why)
		return -1;
	int fd = in ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, st) < 0)
		*why = strerror(errno);
	return fd;
}

// ---- reading -----------------------------------------------------------------------------------------------------

struct reader {
	int fd;
	bool waits; // not a file: bytes may be long in coming
	bool begun;
	bool person; // a terminal, which may take all the time
};

// As read(2), once there is something. 0: the end; -1: *why, NULL: nothing yet.
static ssize_t some(struct reader *r, char *p, size_t room, const char **why)
{
	ssize_t n = read(r->fd, p, room);
	*why = n < 0 && errno != EINTR && errno != EAGAIN ? strerror(errno) : NULL;
	r->begun |= n > 0;
	return n;
}

// The same, waited for. A FIFO without a writer reads as one that ended, one with a silent writer as EAGAIN.
static ssize_t more(struct reader *r, char *p, size_t room, const char **why)
{
	struct pollfd fd = {.fd = r->fd, .events = POLLIN};
	for (int waited = 0;;) {
		int time = r->begun || waited ? SILENT_MS - waited : WRITER_MS;
		int ready = r->waits ? poll(&fd, 1, r->person ? -1 : time) : 1;
		if (ready < 0 && errno == EINTR)
			continue;
		waited += ready == 0 ? time : 0;
		bool ours = r->fd != STDIN_FILENO; // reading another's would block
		ssize_t n = ready || ours ? some(r, p, room, why) : -1;
		if (n == 0 && ready == 0)
			*why = "a pipe that nobody writes to";
		else if (n < 0 && !*why && waited >= SILENT_MS)
			*why = "nothing came for a minute";
		else if (n >= 0 || *why)
			return n;
		if (*why)
			return -1;
	}
}

static bool changed(int fd, const struct stat *before, size_t n)
{
	struct stat after;
	return fstat(fd, &after) < 0 || n != (size_t)before->st_size || after.st_size != before->st_size ||
	       after.st_mtim.tv_sec != before->st_mtim.tv_sec || after.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

static char *read_all(struct reader *r, const struct stat *st, size_t most, struct arena *a, size_t *len,
		      const char **why)
{
	bool file = !r->waits;
	size_t size = file && (size_t)st->st_size < most ? (size_t)st->st_size : most, n = 0;
	size_t room = file ? size + 1 : 65536; // a byte more than it has
	char *p = (char *)arena_bytes(a, room + 1);
	for (ssize_t got; n <= most && (got = more(r, p + n, room - n, why)) != 0;) {
		if (got < 0)
			return NULL;
		n += (size_t)got;
		if (n < room)
			continue;
		if (file)
			break;
		char *larger = (char *)arena_bytes(a, room * 2 + 1);
		memcpy(larger, p, n);
		p = larger;
		room *= 2;
	}
	*why = "changed while it was read: write a new file and rename it";
	if (file && n <= most && changed(r->fd, st, n))
		return NULL;
	*len = n;
	return p;
}

char *source_read(const char *file, size_t most, struct arena *a, size_t *len, const char **why)
{
	struct stat st;
	for (const struct kept *k = kept; k; k = k->next) {
		if (!strcmp(k->name, file)) {
			*len = k->len;
			return arena_text(a, k->text, k->len);
		}
	}
	int fd = source_open(file, &st, why);
	if (fd < 0)
		return NULL;
	struct reader r = {.fd = fd, .waits = !S_ISREG(st.st_mode), .person = isatty(fd)};
	char *text = *why ? NULL : read_all(&r, &st, most, a, len, why);
	if (fd != STDIN_FILENO)
		close(fd);
	if (text && (r.waits || fd == STDIN_FILENO))
		keep(file, text, *len);
	return text;
}
