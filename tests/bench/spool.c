// SPDX-License-Identifier: BSD-3-Clause
//
// What the spool costs whoever appends, what goes to the disk, and what one sink reads. usage: bench_spool FOLDER
// RECORDS [BYTES]; FOLDER "": in memory. First as fast as memory lasts (nothing waits), then through the disk to a sink
// (who appends waits for room).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ship/spool.h"

static struct {
	struct record head;
	uint8_t bytes[4096];
} one;

static void make(uint32_t bytes)
{
	struct fact *f = (struct fact *)one.bytes;
	uint32_t len = bytes - (uint32_t)sizeof(one.head) - (uint32_t)sizeof(*f);
	one.head = (struct record){.kind = RECORD_HTTP, .nfacts = 1};
	f->field = FACT_HTTP_URI;
	f->len = len;
	memset(f->value, 'x', len);
	one.head.len = (uint32_t)(sizeof(one.head) + FACT_SIZE(len));
}

static void append(struct spool *s, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		one.head.seq++;
		if (spool_append(s, SPOOL_TRANSACTION, &one.head) != 0)
			exit(1);
	}
}

// As much as there is room for, a few times: the copy alone.
static void alone(struct spool_config c)
{
	char error[SPOOL_ERROR];
	uint64_t n = (48u << 20) / (one.head.len + 16), best = UINT64_MAX;
	c.tail_bytes = 64 << 20;
	struct spool *s = spool_open(&c, error);
	for (unsigned i = 0; s && i < 10; i++) {
		uint64_t from = clock_ns(CLOCK_MONOTONIC);
		append(s, n);
		uint64_t took = clock_ns(CLOCK_MONOTONIC) - from;
		best = took < best ? took : best;
		if (spool_flush_wait(s, 60000) != 0)
			exit(1);
	}
	if (!s)
		exit(1);
	printf("append: %.1f ns a record of %u bytes (best of ten times %lu records)\n", (double)best / (double)n,
	       one.head.len, n);
	spool_close(s);
}

static void through(struct spool_config c, uint64_t n)
{
	char error[SPOOL_ERROR];
	static char state[SPOOL_STATE_MAX];
	uint32_t len;
	c.wait = true;
	struct spool *s = spool_open(&c, error);
	if (!s) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	uint64_t from = clock_ns(CLOCK_MONOTONIC), read = 0;
	append(s, n);
	if (spool_flush_wait(s, 600000) != 0)
		exit(1);
	uint64_t durable = clock_ns(CLOCK_MONOTONIC);
	struct spool_reader *r = spool_reader_open(s, "sink", state, &len);
	for (const struct spool_frame *f; r && read < n && (f = spool_next(r, 10000));)
		read += f->record != NULL;
	uint64_t done = clock_ns(CLOCK_MONOTONIC);
	double bytes = (double)n * (one.head.len + 16);
	printf("durable: %.0f MB/s, %.2f M records/s; read: %.2f M records/s, %.0f MB/s (%lu records)\n",
	       bytes * 1e3 / (double)(durable - from), (double)n * 1e3 / (double)(durable - from),
	       (double)read * 1e3 / (double)(done - durable), bytes * 1e3 / (double)(done - durable), read);
	if (!r || read != n || spool_ack(r, spool_cursor(r), NULL, 0) != 0)
		exit(1);
	spool_reader_close(r);
	spool_close(s);
}

int main(int argc, char **argv)
{
	static const char *const sinks[] = {"sink"};
	if (argc < 3)
		return 2;
	make(argc > 3 ? (uint32_t)atoi(argv[3]) : 400);
	struct spool_config c = {.path = argv[1], .max_bytes = 8ull << 30, .node = "bench", .boot = 1, .workers = 1};
	alone(c); // without a sink: what was written goes
	c.sinks = sinks;
	c.nsinks = 1;
	through(c, strtoull(argv[2], NULL, 10));
	return 0;
}
