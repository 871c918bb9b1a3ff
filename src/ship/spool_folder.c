// SPDX-License-Identifier: BSD-3-Clause
//
// The spool's folder, and the list of its segments. One process has it (flock on the folder itself, which a removed and
// remade folder does not inherit). A spool in memory has no folder: each segment is a memfd.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ship/spool_in.h"

#define LOCK_FILE "pid"
#define FOLDER_MODE 0750
#define FILE_MODE 0640

void spool_segment_name(char name[SPOOL_FILE_MAX], uint64_t base, const char *suffix)
{
	snprintf(name, SPOOL_FILE_MAX, "%020llu%s", (unsigned long long)base, suffix);
}

// ---- the folder --------------------------------------------------------------------------------------------------

// With those above it.
static int make_folder(const char *path)
{
	char *copy = strdup(path);
	int rc = copy ? 0 : -ENOMEM;
	for (char *at = copy; rc == 0 && at;) {
		at = strchr(at + 1, '/');
		if (at)
			*at = 0;
		if (mkdir(copy, FOLDER_MODE) != 0 && errno != EEXIST)
			rc = -errno;
		if (at)
			*at = '/';
	}
	free(copy);
	return rc;
}

int spool_own(int dir, int fd)
{
	struct stat st;
	if (fd >= 0 && geteuid() == 0 && fstat(dir, &st) == 0 && st.st_uid != 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
		log_say(LOG_WARNING, "ship", "spool: a file cannot be given to the folder's owner: %s",
			strerror(errno));
	return fd;
}

static void write_pid(int dir)
{
	int fd = spool_own(dir,
			   openat(dir, LOCK_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE));
	if (fd < 0)
		return;
	dprintf(fd, "%d\n", (int)getpid());
	close(fd);
}

static int read_pid(int dir)
{
	char text[16] = "";
	int fd = openat(dir, LOCK_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	return n > 0 ? atoi(text) : 0;
}

static int open_locked(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (flock(dir, LOCK_EX | LOCK_NB) == 0) {
		write_pid(dir);
		return dir;
	}
	int rc = -errno;
	close(dir);
	return rc;
}

static int owner_of(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int pid = dir < 0 ? 0 : read_pid(dir);
	if (dir >= 0)
		close(dir);
	return pid;
}

int spool_folder_open(struct spool *s, char error[SPOOL_ERROR])
{
	const char *path = s->config.path;
	int rc = make_folder(path);
	if (rc == 0)
		rc = open_locked(path);
	if (rc == -EWOULDBLOCK)
		snprintf(error, SPOOL_ERROR, "spool %s: process %d has it open", path, owner_of(path));
	else if (rc < 0)
		snprintf(error, SPOOL_ERROR, "spool %s: %s", path, strerror(-rc));
	if (rc < 0)
		return rc;
	s->dir = rc;
	return 0;
}

int spool_folder_again(struct spool *s)
{
	struct stat have, named;
	if (s->memory)
		return 0;
	if (fstat(s->dir, &have) == 0 && have.st_nlink && stat(s->config.path, &named) == 0 &&
	    have.st_ino == named.st_ino && have.st_dev == named.st_dev)
		return 0;
	int dir = make_folder(s->config.path);
	if (dir == 0)
		dir = open_locked(s->config.path);
	if (dir < 0) {
		errno = -dir;
		return dir;
	}
	log_say(LOG_WARNING, "ship", "spool: the folder %s was gone and is made anew", s->config.path);
	int rc = dup3(dir, s->dir, O_CLOEXEC) < 0 ? -errno
						  : 0; // its number stays, since readers use it, and the lock with it
	close(dir);
	return rc;
}

int spool_segment_create(struct spool *s, uint64_t base, const char *suffix)
{
	char name[SPOOL_FILE_MAX];
	spool_segment_name(name, base, suffix);
	int fd = s->memory ? memfd_create(name, MFD_CLOEXEC)
			   : spool_own(s->dir, openat(s->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
						      FILE_MODE));
	return fd < 0 ? -errno : fd;
}

int spool_segment_open(struct spool *s, const struct segment *g)
{
	char name[SPOOL_FILE_MAX];
	spool_segment_name(name, g->base, ".seg");
	int fd =
		g->fd >= 0 ? fcntl(g->fd, F_DUPFD_CLOEXEC, 0) : openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int spool_segment_admit(struct spool *s, uint64_t base)
{
	char from[SPOOL_FILE_MAX], to[SPOOL_FILE_MAX];
	spool_segment_name(from, base, SPOOL_AHEAD);
	spool_segment_name(to, base, ".seg");
	return renameat(s->dir, from, s->dir, to) == 0 ? 0 : -errno;
}

int spool_write(int fd, const void *p, uint64_t n, uint64_t at)
{
	while (n) {
		ssize_t took = pwrite(fd, p, n, (off_t)at);
		if (took < 0 && errno == EINTR)
			continue;
		if (took <= 0)
			return took < 0 ? -errno : -ENOSPC;
		p = (const uint8_t *)p + took;
		n -= (uint64_t)took;
		at += (uint64_t)took;
	}
	return 0;
}

#define SAY_NS 60000000000ull // a disk that works now and then is said so often

void spool_failed(struct spool *s, enum spool_attempt what, int error)
{
	static const char *const names[] = {"write", "thin"};
	const char *where = s->memory ? "in memory" : s->config.path;
	struct failing *f = &s->failing[what];
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	pthread_mutex_lock(&s->lock);
	bool say = error && !f->said && now >= f->next_ns, again = !error && f->said;
	if (say)
		*f = (struct failing){true, now + SAY_NS};
	f->said = f->said && error;
	if (what == SPOOL_WRITE)
		s->counts.failing = error != 0;
	if (error) {
		s->counts.errors++;
		s->counts.error = error;
	}
	pthread_mutex_unlock(&s->lock);
	if (say)
		log_say(LOG_ERROR, "ship", "spool: cannot %s path=%s: %s; tried again, and records wait in memory",
			names[what], where, strerror(error));
	if (again)
		log_say(LOG_NOTICE, "ship", "spool: again possible: %s path=%s", names[what], where);
}

uint64_t spool_refused(const struct spool *s)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < SPOOL_LOSABLE; i++)
		n += s->tail.lost[i];
	return n;
}

#define LOSING_NS 60000000000ull

void spool_say_losses(struct spool *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), lost = spool_refused(s);
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < SPOOL_LOSABLE; i++)
		lost += s->counts.lost[SPOOL_LOSS_BOUND][i];
	bool more = lost > s->lost, was = s->counts.losing;
	if (more)
		s->lost_ns = now;
	s->lost = lost;
	s->counts.losing = more || (was && now - s->lost_ns < LOSING_NS);
	bool is = s->counts.losing;
	pthread_mutex_unlock(&s->lock);
	if (is && !was)
		log_say(LOG_ERROR, "ship",
			"spool: full: records are lost, flows first, then transactions, alerts, verdicts; gaps say "
			"which (spool.max_mb, or room on its disk, is more time for sinks)");
	if (was && !is)
		log_say(LOG_NOTICE, "ship", "spool: for a minute nothing was lost; since the start %llu records were",
			(unsigned long long)lost);
}

uint64_t spool_bound(const struct spool *s)
{
	return s->ceiling && s->ceiling < s->config.max_bytes ? s->ceiling : s->config.max_bytes;
}

// ---- the list ----------------------------------------------------------------------------------------------------

int spool_segment_put(struct spool *s, struct segment *g)
{
	if (s->nsegments == s->room) {
		unsigned room = s->room ? s->room * 2 : 64;
		struct segment **more = realloc(s->segment, room * sizeof(struct segment *));
		if (!more)
			return -ENOMEM;
		s->segment = more;
		s->room = room;
	}
	unsigned i = s->nsegments++;
	for (; i && s->segment[i - 1]->base > g->base; i--)
		s->segment[i] = s->segment[i - 1];
	s->segment[i] = g;
	g->refs++;
	s->bytes += g->bytes;
	return 0;
}

void spool_segment_take(struct spool *s, struct segment *g)
{
	unsigned i = 0;
	while (i < s->nsegments && s->segment[i] != g)
		i++;
	if (i == s->nsegments)
		return;
	memmove(&s->segment[i], &s->segment[i + 1], (--s->nsegments - i) * sizeof(struct segment *));
	s->bytes -= g->bytes;
	spool_segment_unref(g);
}

void spool_segment_unref(struct segment *g)
{
	if (--g->refs)
		return;
	if (g->fd >= 0)
		close(g->fd);
	free(g);
}
