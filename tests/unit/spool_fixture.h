// SPDX-License-Identifier: BSD-3-Clause
//
// What the spool's tests have in common: a folder of their own, records whose content follows from worker and seq, and
// a sink that notes which it was given.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ship/spool.h"

#define FIXTURE_WORKERS 4

union any_record {
	struct record head;
	uint8_t bytes[4096];
};

static inline uint64_t mix(uint64_t x) // splitmix64, public domain
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static inline enum spool_class class_of(uint16_t worker, uint32_t seq)
{
	static const enum spool_class often[] = {SPOOL_FLOW,        SPOOL_FLOW,        SPOOL_FLOW,  SPOOL_FLOW,
						 SPOOL_TRANSACTION, SPOOL_TRANSACTION, SPOOL_ALERT, SPOOL_VERDICT};
	return often[mix((uint64_t)worker << 32 | seq) % 8];
}

// One fact of a length that depends on both; its bytes, too.
static inline const struct record *record_of(union any_record *room, uint16_t worker, uint32_t seq)
{
	static const uint16_t kinds[] = {[SPOOL_FLOW] = RECORD_FLOW,
					 [SPOOL_TRANSACTION] = RECORD_HTTP,
					 [SPOOL_ALERT] = RECORD_ALERT,
					 [SPOOL_VERDICT] = RECORD_HTTP,
					 [SPOOL_STATE] = RECORD_STATE};
	uint64_t any = mix((uint64_t)worker << 32 | seq);
	uint32_t len = (uint32_t)(any >> 8) % 700;
	memset(room, 0, sizeof(*room));
	room->head = (struct record){.kind = kinds[class_of(worker, seq)], .nfacts = 1, .worker = worker, .seq = seq};
	room->head.anomaly = room->head.kind == RECORD_ALERT ? RECORD_HTTP : 0;
	room->head.len = (uint32_t)(sizeof(struct record) + FACT_SIZE(len));
	room->head.time_ns = any;
	struct fact *f = (struct fact *)(&room->head + 1);
	f->field = FACT_HTTP_URI;
	f->len = len;
	memset(f->value, (int)(any & 255), len);
	return &room->head;
}

static inline bool same_record(const struct record *r)
{
	union any_record want;
	return !memcmp(record_of(&want, r->worker, r->seq), r, r->len) && want.head.len == r->len;
}

static inline void remove_folder(const char *path)
{
	char name[512];
	DIR *d = opendir(path);
	for (const struct dirent *e; d && (e = readdir(d));) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		unlink(name);
	}
	if (d)
		closedir(d);
	rmdir(path);
}
