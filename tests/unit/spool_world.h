// SPDX-License-Identifier: BSD-3-Clause
//
// A spool in a folder of its own, for the unit tests; cmocka before it.
#pragma once

#include <errno.h>

#include "base/log.h"
#include "spool_fixture.h"

#define PATIENCE_MS 100000 // a machine that does much else gives the spool's thread nothing for tens of seconds

static char folder[64];
static struct spool_config config;
static uint8_t state[SPOOL_STATE_MAX];
static uint32_t state_len;

static inline int world_setup(void **unused)
{
	static const char *const sinks[] = {"a", "b"};
	// in memory, where there is such a folder: nothing here asks what a crash of the machine does
	strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/spool.XXXXXX" : "/tmp/spool.XXXXXX");
	assert_non_null(mkdtemp(folder));
	config = (struct spool_config){.path = folder,
				       .max_bytes = 8 << 20,
				       .segment_bytes = 64 << 10,
				       .tail_bytes = 16 << 20,
				       .flush_ms = 1,
				       .node = "n",
				       .boot = 1,
				       .sinks = sinks,
				       .nsinks = 1,
				       .workers = FIXTURE_WORKERS};
	log_set("ship", "error");
	return 0;
}

static inline int world_teardown(void **unused)
{
	remove_folder(folder);
	return 0;
}

static inline struct spool *world_open(void)
{
	char error[SPOOL_ERROR];
	struct spool *s = spool_open(&config, error);
	if (!s)
		print_message("%s\n", error);
	assert_non_null(s);
	return s;
}

static inline void world_append(struct spool *s, uint16_t worker, uint32_t seq)
{
	union any_record room;
	const struct record *r = record_of(&room, worker, seq);
	assert_int_equal(spool_append(s, class_of(worker, seq), r), 0);
}

static inline struct spool_reader *world_reader(struct spool *s, const char *name)
{
	struct spool_reader *r = spool_reader_open(s, name, state, &state_len);
	assert_non_null(r);
	return r;
}

// The next that is no META.
static inline const struct spool_frame *world_next(struct spool_reader *r, unsigned timeout_ms)
{
	const struct spool_frame *f;
	while ((f = spool_next(r, timeout_ms)) && !f->record)
		;
	return f;
}

static inline void world_expect(struct spool_reader *r, uint16_t worker, uint32_t seq)
{
	const struct spool_frame *f = world_next(r, PATIENCE_MS);
	assert_non_null(f);
	assert_int_equal(f->record->worker, worker);
	assert_int_equal(f->record->seq, seq);
	assert_true(same_record(f->record));
	assert_int_equal(f->class, class_of(worker, seq));
}

static inline int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

// The paths of files of that ending, sorted; at most `most`.
static inline unsigned world_files(const char *ending, char (*path)[300], unsigned most)
{
	DIR *d = opendir(folder);
	unsigned n = 0;
	for (const struct dirent *e; n < most && (e = readdir(d));) {
		size_t len = strlen(e->d_name), m = strlen(ending);
		if (len >= m && !strcmp(e->d_name + len - m, ending))
			snprintf(path[n++], 300, "%s/%.200s", folder, e->d_name);
	}
	closedir(d);
	qsort(path, n, sizeof(*path), by_name);
	return n;
}

static inline void world_only_file(const char *ending, char path[300])
{
	char found[2][300];
	assert_int_equal(world_files(ending, found, 2), 1);
	strcpy(path, found[0]);
}
