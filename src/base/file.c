// SPDX-License-Identifier: BSD-3-Clause
//
// A sink's file. Lines come in, whole ones; what stands in the file are whole lines, whatever happens to the disk, to
// the name and to this process. Its sink's thread, which may have others to serve: it never waits here for a reader.
//
//   eve.json                          is written
//   eve.json.20261121T093005.123456Z  was, until then: put away by rename(2); the names sort as the files came
//
// Who moves the file himself (logrotate) says so (`again`): what comes then goes to a new file of the old name.
// While a new one cannot be opened the old one is written on, under whatever name it has. A full disk: the half line
// that went is taken back, the error is counted each time, and a second later it is tried again.
// Units with a beginning of their own (blocks of a pcapng) are kept whole in the same way, but a file that is there is
// not written on: nobody knows what it is. It is put away, and one begins.
// Rejected: open before rename (a file of a third name is left behind by a crash), numbers that move up with each
// rotation (renames of all of them, and a reader finds another file under the name that it had).
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/earlier.h"
#include "base/log.h"

#define RETRY_US 1000000ull
#define PIPE_PIECE 4096  // so much a pipe takes at once, if it takes anything
#define STANDARD_OUT "-" // of the config

enum wrong { WRONG_OPEN, WRONG_WRITE, WRONG_ROTATE };
static const char *const attempts[] = {"open", "write", "rotate"};

static uint64_t clock_us(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000;
}

// ---- what goes wrong ---------------------------------------------------------------------------------------------

static void look(struct file *f)
{
	f->failing = f->fd < 0 || f->said & 1u << WRONG_WRITE;
}

static void wrong(struct file *f, enum wrong w, int error)
{
	f->errors++;
	f->error = error;
	f->tried_us = clock_us();
	bool news = !(f->said & 1u << w);
	f->said |= 1u << w;
	look(f);
	if (news && !f->failing) // else the sink is down, which it says itself
		log_say(LOG_ERROR, "ship", "cannot %s sink=%s: %s; the old one is written on, tried again each second",
			attempts[w], f->config.path, strerror(error));
}

static void right(struct file *f, enum wrong w)
{
	if (f->said & 1u << w && !f->failing)
		log_say(LOG_NOTICE, "ship", "again possible: %s sink=%s", attempts[w], f->config.path);
	f->said &= ~(1u << w);
	look(f);
}

bool file_trouble(const struct file *f, uint64_t *shown, char *why, size_t room)
{
	bool news = f->said && !f->failing && f->errors != *shown;
	if (news)
		snprintf(why, room, "%.150s: %.60s; the old file is written on", f->config.path, strerror(f->error));
	*shown = f->errors;
	return news;
}

// ---- opening -----------------------------------------------------------------------------------------------------

static uint64_t period(const struct file *f, time_t when)
{
	return f->config.rotate_s ? (uint64_t)when / f->config.rotate_s : 0;
}

// What a process that was killed, or a machine that lost its power, left of a line.
static off_t cut_torn(const char *path, int fd, off_t size, size_t line_max)
{
	off_t from = size > (off_t)line_max ? size - (off_t)line_max : 0;
	char *tail = malloc((size_t)(size - from));
	int in = tail ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = in < 0 ? -1 : pread(in, tail, (size_t)(size - from), from);
	if (in >= 0)
		close(in);
	const char *end = n > 0 ? memrchr(tail, '\n', (size_t)n) : NULL;
	off_t whole = end ? from + (end + 1 - tail) : from;
	free(tail);
	if (n != size - from || whole == size || (!end && from) || ftruncate(fd, whole) != 0)
		return size;
	log_say(LOG_WARNING, "ship", "half a line was at the end of sink=%s: %ld bytes are cut off", path,
		(long)(size - whole));
	return whole;
}

// Is what is open still called so?
static bool ours(const struct file *f)
{
	struct stat is, st;
	return f->fd >= 0 && fstat(f->fd, &is) == 0 && stat(f->config.path, &st) == 0 && is.st_dev == st.st_dev &&
	       is.st_ino == st.st_ino;
}

// What is there goes out of the way of what begins anew. False: it cannot.
static bool put_away(struct file *f)
{
	char to[PATH_MAX];
	struct stat st;
	if (stat(f->config.path, &st) != 0 || !S_ISREG(st.st_mode) || !st.st_size)
		return true;
	if (earlier_put(f->config.path, &f->stamp_us, to) != 0) {
		wrong(f, WRONG_ROTATE, errno);
		return false;
	}
	right(f, WRONG_ROTATE);
	earlier_prune(f->config.path, f->config.keep);
	return true;
}

// Leaves what is open as it is where that fails.
static bool open_path(struct file *f)
{
	struct stat st;
	const char *path = f->config.path;
	bool standard = !strcmp(path, STANDARD_OUT);
	if (f->config.head && !standard) {
		if (ours(f))
			return true;
		if (!put_away(f))
			return false;
	}
	// a pipe that nobody reads would hold up all
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	int fd = standard ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, flags, 0640);
	if (fd < 0 || fstat(fd, &st) != 0) {
		wrong(f, WRONG_OPEN, errno);
		return false;
	}
	if (f->fd >= 0) {
		fdatasync(f->fd); // what was in it counts as arrived when the new one is synced
		close(f->fd);
	}
	f->fd = fd;
	f->regular = S_ISREG(st.st_mode) && !standard;
	f->size = f->regular && st.st_size ? (uint64_t)cut_torn(path, fd, st.st_size, f->config.unit_max) : 0;
	f->head = 0;
	f->begun = false;
	f->period = period(f, f->size ? st.st_mtime : time(NULL));
	right(f, WRONG_OPEN);
	return true;
}

void file_open(struct file *f, const struct file_config *config)
{
	*f = (struct file){.config = *config, .fd = -1};
	open_path(f);
}

void file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

// ---- rotation ----------------------------------------------------------------------------------------------------

static void rotate(struct file *f)
{
	char to[PATH_MAX];
	bool moved = earlier_put(f->config.path, &f->stamp_us, to) == 0;
	if (!moved && errno != ENOENT) { // gone: somebody else has moved it
		wrong(f, WRONG_ROTATE, errno);
		return;
	}
	if (!open_path(f)) {
		if (moved)
			rename(to, f->config.path);
		return;
	}
	right(f, WRONG_ROTATE);
	f->rotations++;
	earlier_prune(f->config.path, f->config.keep);
}

static bool full(const struct file *f, size_t coming, uint64_t now_us)
{
	if (!f->regular || f->size <= f->head)
		return false;
	return (f->config.rotate_bytes && f->size + coming > f->config.rotate_bytes) ||
	       period(f, (time_t)(now_us / 1000000)) != f->period;
}

// ---- writing -----------------------------------------------------------------------------------------------------

static bool ready(struct file *f, size_t coming, bool last)
{
	uint64_t now = clock_us();
	if (f->said && !last && now - f->tried_us < RETRY_US)
		return !f->failing;
	if (f->fd < 0 || f->again) {
		f->again = false;
		if (!open_path(f))
			f->again = true;
	}
	if (f->size <= f->head)
		f->period = period(f, (time_t)(now / 1000000));
	if (f->fd >= 0 && full(f, coming, now))
		rotate(f);
	return f->fd >= 0;
}

// What a new file begins with. False: not now.
static bool begin(struct file *f)
{
	size_t n = 0;
	const uint8_t *head = f->config.head && !f->begun ? f->config.head(f->config.arg, &n) : NULL;
	ssize_t k = n ? write(f->fd, head, n) : 0;
	int error = k < 0 ? errno : ENOSPC;
	f->begun = k == (ssize_t)n;
	if (f->begun) {
		f->head += n;
		f->size += n;
		return true;
	}
	if (k > 0 && f->regular && ftruncate(f->fd, 0) != 0)
		error = errno;
	if (error != EINTR && error != EAGAIN)
		wrong(f, WRONG_WRITE, error);
	return false;
}

static size_t whole_lines(const uint8_t *lines, size_t n)
{
	const uint8_t *end = n ? memrchr(lines, '\n', n) : NULL;
	return end ? (size_t)(end + 1 - lines) : 0;
}

// Of done bytes that went, those of whole lines; the rest is taken back from the file.
static size_t take_back(struct file *f, const uint8_t *lines, size_t done)
{
	size_t whole = f->config.whole ? f->config.whole(lines, done) : whole_lines(lines, done);
	struct stat st;
	if (whole == done || fstat(f->fd, &st) != 0 || ftruncate(f->fd, st.st_size - (off_t)(done - whole)) != 0)
		return done;
	return whole;
}

static size_t room(const struct file *f, size_t left)
{
	if (f->regular)
		return left;
	struct pollfd p = {.fd = f->fd, .events = POLLOUT};
	if (poll(&p, 1, 0) != 1)
		return 0;
	return left < PIPE_PIECE ? left : PIPE_PIECE;
}

size_t file_write(struct file *f, const void *units, size_t n, bool last)
{
	const uint8_t *lines = units;
	size_t done = 0, piece;
	bool ok = ready(f, n, last) && begin(f);
	while (ok && done < n && (piece = room(f, n - done))) {
		ssize_t k = write(f->fd, lines + done, piece);
		if (k >= 0) {
			done += (size_t)k;
		} else if (errno != EINTR && errno != EAGAIN) {
			wrong(f, WRONG_WRITE, errno);
			ok = false;
		}
	}
	if (!ok && f->fd >= 0 && !f->regular && strcmp(f->config.path, STANDARD_OUT))
		file_close(f); // a pipe without a reader: another may come
	if (done < n && f->fd >= 0 && f->regular)
		done = take_back(f, lines, done);
	if (ok && n && done == n)
		right(f, WRONG_WRITE);
	f->size += done;
	return done;
}
