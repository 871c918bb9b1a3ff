// SPDX-License-Identifier: BSD-3-Clause
//
// What is in the folder when it is opened. Everything there is as hostile as a packet: who wrote it may have been
// killed in the middle, the disk may have kept one half and lost the other, somebody may have put a file of his there.
//
//   what never became durable, and what was being rewritten       goes
//   the last segment of a boot                                    is read to its last whole frame and cut there
//   what was written ahead of it (.ahead, spool_flush.c)          comes after it, if it is whole up to there; else goes
//   a file that is no segment, or whose head is damaged           is set aside (.damaged), said, and not read
//   a segment of another version, or of other records than ours   is put aside, whole: a box that does not start for
//                                                                 the sake of its logs has taken the network down
//
// What is kept is made durable, since sinks will be told it: of who was killed some may not have been.
// Segments before a boot's last were durable before the next was begun: they are checked when they are read.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ship/spool_in.h"

#define SEGMENTS_MAX 65536

// ---- one file ----------------------------------------------------------------------------------------------------

static bool base_of(const char *name, const char *suffix, uint64_t *base)
{
	char again[SPOOL_FILE_MAX];
	*base = strtoull(name, NULL, 10);
	spool_segment_name(again, *base, suffix);
	return *base < FRAME_POS_MAX && !strcmp(again, name);
}

static void set_aside(struct spool *s, const char *name, const char *suffix, const char *why)
{
	char to[SPOOL_FILE_MAX];
	snprintf(to, sizeof(to), "%.60s.%s", name, suffix);
	int rc = renameat(s->dir, name, s->dir, to);
	log_say(LOG_ERROR, "ship", "spool: %s is not read: %s; %s %s", name, why,
		rc == 0 ? "it is kept as" : "it cannot be moved to", to);
	s->counts.errors++;
	s->counts.aside += suffix[0] == 'd';
}

static int read_head(int fd, struct segment_head *h)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	memset(h, 0, sizeof(*h));
	ssize_t n = pread(fd, h, sizeof(*h), 0);
	return n < 0 ? -errno : n < (ssize_t)sizeof(*h) ? -ENODATA : segment_head_check(h);
}

static int look_at(struct spool *s, const char *name, uint64_t base, struct segment **found)
{
	struct stat st = {0};
	struct segment_head h;
	int fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc = fd < 0 ? -errno : read_head(fd, &h);
	if (fd >= 0 && fstat(fd, &st) != 0 && rc == 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc == 0 && h.base != base)
		rc = -EBADMSG;
	if (rc < 0)
		return rc;
	struct segment *g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	*g = (struct segment){.base = base, .bytes = (uint64_t)st.st_size, .head = h, .fd = -1};
	memset(g->losable, 0xff, sizeof(g->losable));
	*found = g;
	return 0;
}

static int take_segment(struct spool *s, const char *name, uint64_t base, bool ahead, char error[SPOOL_ERROR])
{
	struct segment *g;
	int rc = s->nsegments >= SEGMENTS_MAX ? -EMFILE : look_at(s, name, base, &g);
	if (ahead && rc == -EBADMSG)
		rc = -ENODATA;
	switch (rc) {
	case 0:
		g->ahead = ahead;
		return spool_segment_put(s, g);
	case -ENODATA:
		unlinkat(s->dir, name, 0);
		return 0;
	case -EBADMSG:
	case -ELOOP:
		set_aside(s, name, "damaged", "no segment of a spool, or its head is damaged");
		return 0;
	case -EPROTO:
		set_aside(
			s, name, "other",
			"it was written by another version of this program, and that one alone can send what is in it "
			"(docs/durability.md)");
		return 0;
	default:
		snprintf(error, SPOOL_ERROR, "spool %s: %s: %s", s->config.path, name, strerror(-rc));
		return rc;
	}
}

// ---- the last of a boot ------------------------------------------------------------------------------------------

struct seen {
	struct begin_worker worker[BEGIN_WORKERS_MAX];
	unsigned workers;
	bool any, clean, begun; // frames of this boot; closed; its first frame is whole
};

static void see(struct seen *n, const struct frame *f)
{
	const struct record *r = (const struct record *)f->body;
	const struct begin *b = (const struct begin *)f->body;
	n->clean = frame_class(f) == FRAME_END;
	if (frame_class(f) == FRAME_BEGIN) {
		n->begun = true;
		memcpy(n->worker, b->worker, b->nworkers * sizeof(b->worker[0]));
		n->workers = b->nworkers;
	}
	if (!frame_counts(f))
		return;
	n->any = true;
	if (r->worker < n->workers)
		begin_note(&n->worker[r->worker], r);
}

// What is behind the last whole frame was never durable. It is not read; cut, where that can be done.
static void cut(struct spool *s, struct segment *g, uint64_t at)
{
	char name[SPOOL_FILE_MAX];
	if (at == g->bytes)
		return;
	spool_segment_name(name, g->base, ".seg");
	log_say(LOG_NOTICE, "ship", "spool: %s had %llu bytes that were not whole frames; they are cut off", name,
		(unsigned long long)(g->bytes - at));
	s->bytes -= g->bytes - at;
	g->bytes = at;
	int fd = openat(s->dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (ftruncate(fd, (off_t)at) != 0)
		spool_failed(s, SPOOL_WRITE, errno);
	close(fd);
}

static void make_durable(struct spool *s, int fd)
{
#ifdef SPOOL_MUTANT_NO_START_SYNC
	return;
#endif
	if (fdatasync(fd) != 0)
		spool_failed(s, SPOOL_WRITE, errno);
}

static int read_last(struct spool *s, struct segment *g, uint64_t until, struct seen *n)
{
	struct scan c;
	const struct frame *f;
	int fd = spool_segment_open(s, g), rc = fd < 0 ? fd : scan_open(&c, fd, &g->head, g->bytes);
	if (rc == 0) {
		c.until = until;
		while ((f = scan_next(&c)))
			see(n, f);
		if (c.error == 0 || c.error == -EBADMSG)
			cut(s, g, c.at);
		else
			rc = c.error;
		make_durable(s, fd);
		if (s->durable < c.pos)
			s->durable = c.pos;
		scan_close(&c);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static int leave(struct spool *s, const struct segment *g, const struct seen *n)
{
	for (unsigned i = 0; i < n->workers; i++) {
		if (!n->worker[i].any)
			continue;
		struct spool_left *more = realloc(s->left, (s->nleft + 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->left = more;
		s->left[s->nleft++] = (struct spool_left){g->head.boot, n->worker[i].next - 1, (uint16_t)i, n->clean};
	}
	return 0;
}

// One whose first frame is not whole was never durable, and the one before it is its boot's last.
static int read_boot(struct spool *s, unsigned *i, struct seen *n)
{
	char name[SPOOL_FILE_MAX];
	struct segment *g = s->segment[*i];
	uint64_t next = *i + 1 < s->nsegments ? s->segment[*i + 1]->base : UINT64_MAX;
	bool only = *i == 0 || s->segment[*i - 1]->head.boot != g->head.boot;
	*n = (struct seen){.any = !only};
	int rc = read_last(s, g, next, n);
	if (rc < 0 || n->begun)
		return rc < 0 ? rc : leave(s, g, n);
	spool_segment_name(name, g->base, ".seg");
	unlinkat(s->dir, name, 0);
	spool_segment_take(s, g);
	*n = (struct seen){0};
	if (only) {
		--*i; // the next one has its place
		return 0;
	}
	--*i;
	return read_boot(s, i, n);
}

// A boot that wrote a record has said in it what those before it left.
static int read_boots(struct spool *s)
{
	struct seen *n = malloc(sizeof(*n));
	int rc = n ? 0 : -ENOMEM;
	for (unsigned i = 0; i < s->nsegments && rc == 0; i++) {
		if (i + 1 < s->nsegments && s->segment[i + 1]->head.boot == s->segment[i]->head.boot)
			continue;
		unsigned before = s->nleft;
		rc = read_boot(s, &i, n);
		if (!n->any || !before)
			continue;
		s->nleft -= before;
		memmove(s->left, s->left + before, s->nleft * sizeof(*s->left));
	}
	free(n);
	return rc;
}

// ---- all of them -------------------------------------------------------------------------------------------------

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);
	return n >= m && !strcmp(name + n - m, suffix);
}

static int take_file(struct spool *s, const char *name, char error[SPOOL_ERROR])
{
	uint64_t base;
	if (ends_with(name, ".tmp"))
		unlinkat(s->dir, name, 0);
	else if (base_of(name, ".seg", &base) || base_of(name, SPOOL_AHEAD, &base))
		return take_segment(s, name, base, ends_with(name, SPOOL_AHEAD), error);
	else if (ends_with(name, ".seg"))
		set_aside(s, name, "damaged", "no name of a segment");
	return 0;
}

static int take_cursor(struct spool *s, const char *name, char error[SPOOL_ERROR])
{
	if (ends_with(name, ".cur"))
		spool_cursor_unused(s, name);
	return 0;
}

static int read_folder(struct spool *s, int (*take)(struct spool *, const char *, char *), char error[SPOOL_ERROR])
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		snprintf(error, SPOOL_ERROR, "spool %s: %s", s->config.path, strerror(-rc));
		return rc;
	}
	for (const struct dirent *e; rc == 0 && (e = readdir(d));)
		rc = take(s, e->d_name, error);
	closedir(d);
	return rc;
}

// Those that have become part of one before them, which was durable before they were to go.
static void drop_left_over(struct spool *s)
{
	char name[SPOOL_FILE_MAX];
	for (unsigned i = 1; i < s->nsegments;) {
		struct segment *g = s->segment[i];
		if (s->segment[i - 1]->head.through <= g->base) {
			i++;
			continue;
		}
		spool_segment_name(name, g->base, ".seg");
		spool_segment_take(s, g);
		unlinkat(s->dir, name, 0);
	}
}

// Where the last whole frame of it ends: position, durable from here on; or -errno.
static int64_t end_of(struct spool *s, struct segment *g)
{
	struct scan c;
	int fd = spool_segment_open(s, g), rc = fd < 0 ? fd : scan_open(&c, fd, &g->head, g->bytes);
	if (rc == 0) {
		while (scan_next(&c))
			;
		rc = c.error == -EBADMSG ? 0 : c.error;
		make_durable(s, fd);
		scan_close(&c);
	}
	if (fd >= 0)
		close(fd);
	return rc < 0 ? rc : (int64_t)c.pos;
}

// Does the i-th, which was written ahead, follow on what is before it? 1, 0 or -errno. One that others follow that were
// not is left over from an earlier failure of the disk.
static int follows(struct spool *s, unsigned i)
{
	const struct segment *g = s->segment[i], *before = i ? s->segment[i - 1] : NULL;
	for (unsigned k = i + 1; k < s->nsegments; k++)
		if (!s->segment[k]->ahead)
			return 0;
	if (!before || before->head.boot != g->head.boot || before->base == g->base)
		return 0;
	int64_t end = end_of(s, s->segment[i - 1]);
#ifdef SPOOL_MUTANT_TAKES_AHEAD
	return 1;
#endif
	return end < 0 ? (int)end : (uint64_t)end == g->base;
}

static int take_ahead(struct spool *s)
{
	char name[SPOOL_FILE_MAX];
	for (unsigned i = 0; i < s->nsegments;) {
		struct segment *g = s->segment[i];
		int counts = g->ahead ? follows(s, i) : 1, rc = 0;
		if (counts < 0)
			return counts;
		if (counts && g->ahead)
			rc = spool_segment_admit(s, g->base);
		if (rc < 0)
			spool_failed(s, SPOOL_WRITE, -rc);
		if (counts && rc == 0) {
			g->ahead = false;
			i++;
			continue;
		}
		spool_segment_name(name, g->base, SPOOL_AHEAD);
		spool_segment_take(s, g);
		unlinkat(s->dir, name, 0);
	}
	return 0;
}

static int load_cursors(struct spool *s, char error[SPOOL_ERROR])
{
	for (unsigned i = 0; i < s->ncursors; i++) {
		struct cursor *c = &s->cursor[i];
		int rc = spool_cursor_load(s, c);
		if (rc < 0) {
			snprintf(error, SPOOL_ERROR, "spool %s: cursor of %s: %s", s->config.path, c->name,
				 rc == -EPROTO ? "written by a later version of this program" : strerror(-rc));
			return rc;
		}
		c->taken = rc == 0; // for now: there is none
		if (s->durable < c->pos)
			s->durable = c->pos;
	}
	return 0;
}

int spool_recover(struct spool *s, char error[SPOOL_ERROR])
{
	int rc = s->memory ? 0 : read_folder(s, take_file, error);
	drop_left_over(s);
	if (rc == 0)
		rc = take_ahead(s);
	for (unsigned i = 0; i < s->nsegments; i++) {
		const struct segment *g = s->segment[i];
		uint64_t least = g->base > g->head.through ? g->base : g->head.through;
		s->durable = s->durable > least ? s->durable : least;
	}
	if (rc == 0)
		rc = read_boots(s);
	if (rc == 0 && !s->memory && fsync(s->dir) != 0)
		spool_failed(s, SPOOL_WRITE, errno);
	if (rc == 0 && !s->memory)
		rc = load_cursors(s, error);
	if (rc == 0 && !s->memory) // now it is known what waited for them
		rc = read_folder(s, take_cursor, error);
	if (rc < 0 && !error[0])
		snprintf(error, SPOOL_ERROR, "spool %s: %s", s->config.path, strerror(-rc));
	if (rc < 0)
		return rc;
	uint64_t end = s->durable;
	s->begun = ++s->durable; // names of segments are of their own boot
	s->tail.pos = s->begun;
	for (unsigned i = 0; i < s->ncursors; i++) {
		struct cursor *c = &s->cursor[i];
		if (s->memory || c->taken)
			spool_cursor_save(s, c, s->nsegments ? s->segment[0]->base : s->begun, NULL, 0);
		if (c->taken && s->nsegments)
			log_say(LOG_WARNING, "ship",
				"spool: there is no cursor of sink=%s, or none that can be read: it is given all that "
				"is there",
				c->name);
		c->taken = false;
		c->read = c->pos = c->pos < end ? c->pos : s->begun;
	}
	return 0;
}
