// SPDX-License-Identifier: BSD-3-Clause
//
// A sink's file. Lines come in, whole ones; what stands in the file are whole lines, whatever happens to the disk, to
// the name and to this process. Shipper's thread, which serves other sinks too: it never waits here for a reader.
//
//   eve.json                          is written
//   eve.json.20261121T093005.123456Z  was, until then: put away by rename(2); the names sort as the files came
//
// Who moves the file himself (logrotate) says so (ship_reopen): what comes then goes to a new file of the old name.
// While a new one cannot be opened the old one is written on, under whatever name it has. A full disk: the half line
// that went is taken back, the error is counted each time, and a second later it is tried again.
// Rejected: open before rename (a file of a third name is left behind by a crash), numbers that move up with each
// rotation (renames of all of them, and a reader finds another file under the name that it had).
#include "ship/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/earlier.h"
#include "base/log.h"
#include "ship/outlet.h"

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
	if (news && !f->failing) // else the sink is down, which deliver.c says
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

// ---- opening -----------------------------------------------------------------------------------------------------

static uint64_t period(const struct file *f, time_t when)
{
	return f->config.rotate_s ? (uint64_t)when / f->config.rotate_s : 0;
}

// What a process that was killed, or a machine that lost its power, left of a line.
static off_t cut_torn(const char *path, int fd, off_t size)
{
	static _Thread_local char tail[OUTLET_LINE_MAX];
	off_t from = size > (off_t)sizeof(tail) ? size - (off_t)sizeof(tail) : 0;
	int in = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = in < 0 ? -1 : pread(in, tail, (size_t)(size - from), from);
	if (in >= 0)
		close(in);
	if (n != size - from || n == 0 || tail[n - 1] == '\n')
		return size;
	const char *end = memrchr(tail, '\n', (size_t)n);
	off_t whole = end ? from + (end + 1 - tail) : from;
	if ((!end && from) || ftruncate(fd, whole) != 0)
		return size;
	log_say(LOG_WARNING, "ship", "half a line was at the end of sink=%s: %ld bytes are cut off", path,
		(long)(size - whole));
	return whole;
}

// Leaves what is open as it is where that fails.
static bool open_path(struct file *f)
{
	struct stat st;
	const char *path = f->config.path;
	bool standard = !strcmp(path, STANDARD_OUT);
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
	f->size = f->regular && st.st_size ? (uint64_t)cut_torn(path, fd, st.st_size) : 0;
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
	if (!f->regular || !f->size)
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
	if (!f->size)
		f->period = period(f, (time_t)(now / 1000000));
	if (f->fd >= 0 && full(f, coming, now))
		rotate(f);
	return f->fd >= 0;
}

// Of done bytes that went, those of whole lines; the rest is taken back from the file.
static size_t take_back(struct file *f, const char *lines, size_t done)
{
	const char *end = done ? memrchr(lines, '\n', done) : NULL;
	size_t whole = end ? (size_t)(end + 1 - lines) : 0;
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

size_t file_write(struct file *f, const char *lines, size_t n, bool last)
{
	size_t done = 0, piece;
	bool ok = ready(f, n, last);
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
