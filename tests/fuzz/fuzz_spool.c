// SPDX-License-Identifier: BSD-3-Clause
//
// Any bytes as a spool's segment or as a cursor: the first byte says which, and how much of it is made right (heads'
// and frames' checksums), so that what is behind a checksum is met, too. Checked beyond the sanitizers: what is given
// has a right checksum and a form that faces can walk, positions grow, and it ends.
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_hash_crc.h>

#include "base/log.h"
#include "ship/spool_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *bytes, size_t len, bool frames)
{
	struct segment_head *h = (struct segment_head *)bytes;
	if (len < sizeof(*h))
		return;
	memcpy(h->magic, SEGMENT_MAGIC, sizeof(h->magic));
	h->version = SEGMENT_VERSION;
	h->layout = frame_layout();
	segment_head_stamp(h);
	for (size_t at = sizeof(*h); frames && len - at >= sizeof(struct frame);) {
		struct frame *f = (struct frame *)(bytes + at);
		if (frame_len(f) < sizeof(*f) || frame_len(f) & 7 || frame_len(f) > len - at)
			return;
		frame_stamp(f, h->crc);
		at += frame_len(f);
	}
}

static void walk(const struct record *r)
{
	unsigned n = 0;
	RECORD_EACH(f, r)
		n += f->field < FACT_COUNT;
	if (n != r->nfacts)
		abort();
}

static void segment(const uint8_t *bytes, size_t len)
{
	struct segment_head h;
	struct scan c;
	int fd = memfd_create("fuzz", 0);
	if (len < sizeof(h) || write(fd, bytes, len) != (ssize_t)len) {
		close(fd);
		return;
	}
	memcpy(&h, bytes, sizeof(h));
	if (segment_head_check(&h) == 0 && scan_open(&c, fd, &h, len) == 0) {
		uint64_t pos = h.base, at = c.at;
		for (const struct frame *f; (f = scan_next(&c)); at = c.at) {
			struct frame *copy = malloc(frame_len(f));
			memcpy(copy, f, frame_len(f));
			frame_stamp(copy, h.crc);
			if (copy->crc != f->crc || f->pos < pos || c.at <= at)
				abort();
			pos = f->pos + frame_counts(f);
			if (frame_counts(f))
				walk((const struct record *)f->body);
			free(copy);
		}
		scan_close(&c);
	}
	close(fd);
}

// A whole start over a folder with these files.
static void folder(const uint8_t *bytes, size_t len, bool cursor)
{
	static const char *const sinks[] = {"a"};
	char error[SPOOL_ERROR], path[] = "/dev/shm/fuzz-spool.XXXXXX", name[96], state[SPOOL_STATE_MAX];
	uint32_t n;
	if (!mkdtemp(path))
		return;
	snprintf(name, sizeof(name), cursor ? "%s/a.cur" : "%s/00000000000000000001.seg", path);
	int fd = open(name, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
	struct spool_config c = {.path = path,
				 .max_bytes = 1 << 20,
				 .tail_bytes = 1 << 19,
				 .flush_ms = 1,
				 .sinks = sinks,
				 .nsinks = 1,
				 .workers = 2,
				 .boot = 2};
	struct spool *s = spool_open(&c, error);
	struct spool_reader *r = s ? spool_reader_open(s, "a", state, &n) : NULL;
	uint64_t pos = 0;
	if (r)
		spool_seek(r, 0);
	for (const struct spool_frame *f; r && (f = spool_next(r, 0));) {
		if (f->record && f->pos < pos)
			abort();
		pos = f->pos;
	}
	if (r)
		spool_reader_close(r);
	if (s)
		spool_close(s);
	static const char *const ends[] = {"00000000000000000001.seg", "00000000000000000001.seg.damaged", "a.cur",
					   "pid", "reserve.tmp"};
	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, ends[i]);
		unlink(name);
	}
	rmdir(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_set(NULL, "error");
	if (size < 2)
		return 0;
	static int quiet = -1;
	if (quiet < 0 && (quiet = open("/dev/null", O_WRONLY)) >= 0)
		log_set("ship", "error");
	uint8_t how = data[0], *bytes = aligned_alloc(64, (size + 63) & ~63ull);
	size_t len = size - 1;
	memcpy(bytes, data + 1, len);
	if (how & 1)
		mend(bytes, len, how & 2);
	segment(bytes, len);
	if ((how & 0xf0) == 0xf0) // a start costs as much as a thousand segments
		folder(bytes, len, how & 4);
	free(bytes);
	return 0;
}
