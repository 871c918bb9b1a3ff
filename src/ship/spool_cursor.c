// SPDX-License-Identifier: BSD-3-Clause
//
// A sink's cursor: a file of two slots, written in turn, so that one of them is whole whatever happens while the other
// is written. The one of the higher generation holds.
//
//   | head, state | ... 32 KiB ... | head, state |
//
// Where there is none, or none that can be read, its sink is given all there is: a new one, too. Rejected: that a new
// sink begins with what comes. Nobody can tell it from one whose cursor is gone, and what waits for that one would go.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_hash_crc.h>

#include "base/log.h"
#include "ship/spool_in.h"

#define MAGIC "SLUSCURS"
#define VERSION 1
#define SLOT 32768
#define SLOTS 2
#define UNUSED ".unused"

struct slot {
	char magic[8];
	uint32_t version, state_len;
	uint64_t generation, pos;
	uint32_t zero, crc; // of all but itself, with the state
	uint8_t state[];
};

static uint32_t slot_crc(const struct slot *t)
{
	uint32_t crc = rte_hash_crc(t, offsetof(struct slot, crc), 0);
	return rte_hash_crc(t->state, t->state_len, crc);
}

static void file_name(char name[SPOOL_FILE_MAX], const char *sink, const char *suffix)
{
	snprintf(name, SPOOL_FILE_MAX, "%.*s.cur%s", SPOOL_NAME_MAX, sink, suffix);
}

static int open_file(struct spool *s, struct cursor *c, int create)
{
	char name[SPOOL_FILE_MAX];
	file_name(name, c->name, "");
	c->fd = openat(s->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | create, 0640);
	if (create)
		spool_own(s->dir, c->fd);
	return c->fd < 0 ? -errno : 0;
}

// 0; -EBADMSG; -EPROTO: of a later version.
static int read_slot(int fd, unsigned i, struct slot *t)
{
	ssize_t n = pread(fd, t, sizeof(*t) + SPOOL_STATE_MAX, (off_t)i * SLOT);
	if (n < (ssize_t)sizeof(*t) || memcmp(t->magic, MAGIC, sizeof(t->magic)) != 0 ||
	    t->state_len > SPOOL_STATE_MAX || sizeof(*t) + t->state_len > (size_t)n || t->crc != slot_crc(t) ||
	    t->pos >= FRAME_POS_MAX)
		return -EBADMSG;
	return t->version == VERSION ? 0 : -EPROTO;
}

static int take_slots(struct cursor *c, struct slot *t)
{
	int best = -EBADMSG;
	for (unsigned i = 0; i < SLOTS; i++) {
		int rc = read_slot(c->fd, i, t);
		if (rc == -EPROTO)
			return rc;
		if (rc < 0 || (best >= 0 && t->generation <= c->generation))
			continue;
		best = 0;
		c->generation = t->generation;
		c->pos = t->pos;
		c->state_len = t->state_len;
		memcpy(c->state, t->state, t->state_len);
	}
	return best;
}

int spool_cursor_load(struct spool *s, struct cursor *c)
{
	char name[SPOOL_FILE_MAX], unused[SPOOL_FILE_MAX];
	file_name(name, c->name, "");
	file_name(unused, c->name, UNUSED);
	if (faccessat(s->dir, name, F_OK, 0) != 0 && errno == ENOENT)
		renameat(s->dir, unused, s->dir, name); // it is back
	int rc = open_file(s, c, 0);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	struct slot *t = malloc(sizeof(*t) + SPOOL_STATE_MAX);
	if (!t)
		return -ENOMEM;
	rc = take_slots(c, t);
	free(t);
	return rc == -EPROTO ? rc : rc == 0;
}

// The file is still the one of that name.
static bool has_name(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_nlink;
}

static int save(struct spool *s, struct cursor *c, const struct slot *t, size_t len)
{
	bool made = false;
	int rc;
	if (c->fd >= 0 && !has_name(c->fd)) {
		close(c->fd);
		c->fd = -1;
	}
	if (c->fd < 0) {
		rc = open_file(s, c, O_CREAT);
		if (rc < 0)
			return rc;
		made = true;
	}
	rc = spool_write(c->fd, t, len, t->generation % SLOTS * SLOT);
#ifndef SPOOL_MUTANT_NO_CURSOR_SYNC
	if (rc == 0 && fdatasync(c->fd) != 0)
		rc = -errno;
	if (rc == 0 && made && fsync(s->dir) != 0)
		rc = -errno;
#endif
	if (rc < 0 && made) { // the name may not be durable: it is looked at again
		close(c->fd);
		c->fd = -1;
	}
	return rc;
}

static void say(struct cursor *c, int rc)
{
	if (rc < 0 && !c->said)
		log_say(LOG_ERROR, "ship",
			"spool: cannot keep the cursor of sink=%s: %s; after a crash it is given more "
			"than once",
			c->name, strerror(-rc));
	c->said = rc < 0;
}

int spool_cursor_save(struct spool *s, struct cursor *c, uint64_t pos, const void *state, uint32_t len)
{
	struct slot *t = calloc(1, sizeof(*t) + len);
	if (!t)
		return -ENOMEM;
	*t = (struct slot){.version = VERSION, .state_len = len, .generation = c->generation + 1, .pos = pos};
	memcpy(t->magic, MAGIC, sizeof(t->magic));
	if (len)
		memcpy(t->state, state, len);
	t->crc = slot_crc(t);
	int rc = s->memory ? 0 : save(s, c, t, sizeof(*t) + len);
	say(c, rc);
	if (rc == 0) {
		memcpy(c->state, t->state, len);
		c->state_len = len;
		c->generation++;
		pthread_mutex_lock(&s->lock);
		c->pos = pos;
		pthread_mutex_unlock(&s->lock);
	}
	free(t);
	return rc;
}

uint64_t spool_cursor_least(const struct spool *s)
{
	uint64_t least = UINT64_MAX;
	for (unsigned i = 0; i < s->ncursors; i++)
		if (s->cursor[i].pos < least)
			least = s->cursor[i].pos;
	return least;
}

// What waits for a sink that there is no more: bytes of segments.
static uint64_t waits(struct spool *s, const char *name)
{
	struct cursor c = {.fd = -1, .state = malloc(SPOOL_STATE_MAX)};
	struct slot *t = malloc(sizeof(*t) + SPOOL_STATE_MAX);
	struct spool_reader_look look = {0};
	snprintf(c.name, sizeof(c.name), "%.*s", SPOOL_NAME_MAX, name);
	if (c.state && t && open_file(s, &c, 0) == 0 && take_slots(&c, t) == 0)
		spool_look_behind(s, &c, &look);
	if (c.fd >= 0)
		close(c.fd);
	free(c.state);
	free(t);
	return look.behind_bytes;
}

// A cursor that no sink has any more holds nothing, and is kept under another name. One that changed its name, be it
// that made of a bucket that was misspelt, leaves what waited behind.
bool spool_cursor_unused(struct spool *s, const char *file)
{
	char name[SPOOL_FILE_MAX], unused[SPOOL_FILE_MAX];
	size_t len = strlen(file);
	if (len < 5 || len - 4 > SPOOL_NAME_MAX || strcmp(file + len - 4, ".cur") != 0)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)len - 4, file);
	for (unsigned i = 0; i < s->ncursors; i++)
		if (!strcmp(s->cursor[i].name, name))
			return false;
	file_name(unused, name, UNUSED);
	uint64_t bytes = waits(s, name);
	if (renameat(s->dir, file, s->dir, unused) != 0)
		return false;
	if (bytes)
		log_say(LOG_WARNING, "ship",
			"spool: there is no sink=%s any more, and nothing keeps the up to %llu bytes that waited for "
			"it. One that is new here is given all that is still there; with \"name\": \"%s\" it goes on "
			"at the cursor, which is kept as %s",
			name, (unsigned long long)bytes, name, unused);
	else
		log_say(LOG_NOTICE, "ship", "spool: there is no sink=%s any more; its cursor is kept as %s", name,
			unused);
	return true;
}
