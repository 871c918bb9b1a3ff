// SPDX-License-Identifier: BSD-3-Clause
//
// What a record costs as words: records that a replay wrote down as they are (--format raw) through a face into memory,
// over and over, on one thread. CPU time, beside a calibrator of the same run: the lines that came of it, copied once
// more. Instructions by callgrind, collecting in bench_render only (which runs three times for one round):
//
//   sluice replay CAPTURES... --format raw -o records.raw
//   render records.raw eve 200
//   valgrind --tool=callgrind --toggle-collect=bench_render render records.raw eve 1
//
// usage: render RECORDS FACE ROUNDS
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record.h"
#include "ship/communityid.h"
#include "ship/face.h"

extern const struct face *const faces[SHIP_FORMATS];

static char *raw;
static size_t nraw;
static unsigned long nrecords;
static struct render render;
static const struct face *face;
static char *lines;

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static size_t load(const char *path, char **to)
{
	FILE *f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END))
		exit((perror(path), 2));
	size_t n = (size_t)ftell(f);
	rewind(f);
	*to = malloc(n + 1);
	if (!*to || fread(*to, 1, n, f) != n)
		exit((perror(path), 2));
	fclose(f);
	return n;
}

static const struct record *at(const char *p)
{
	return (const struct record *)p;
}

__attribute__((noinline)) static size_t bench_render(bool keep)
{
	size_t bytes = 0, n;
	for (size_t i = 0; i < nraw; i += at(raw + i)->len) {
		if (at(raw + i)->kind == RECORD_NONE) // a capture begins
			continue;
		face->record(&render, at(raw + i));
		const char *p = outlet_take(&render.out, &n);
		if (keep)
			memcpy(lines + bytes, p, n);
		bytes += n;
	}
	return bytes;
}

int main(int argc, char **argv)
{
	unsigned format = 0;
	static const struct ship_sink sink = {.fd = -1};
	static const struct ship_config config = {.sink = &sink, .node = "bench", .boot = 1};
	while (argc > 2 && format < SHIP_FORMATS && strcmp(argv[2], ship_format_names[format]))
		format++;
	if (argc != 4 || format == SHIP_FORMATS)
		return fputs("usage: render RECORDS FACE ROUNDS\n", stderr), 2;
	unsigned rounds = (unsigned)atoi(argv[3]);
	nraw = load(argv[1], &raw);
	for (size_t i = 0; i < nraw; i += at(raw + i)->len)
		nrecords += at(raw + i)->kind != RECORD_NONE && at(raw + i)->kind != RECORD_FLOW_START;
	face = faces[format];
	render = (struct render){.config = &config, .sink = &sink, .communityid = communityid_new(0)};
	if (!render.communityid || outlet_open(&render.out, -1) || face->open(&render))
		return 2;
	size_t bytes = bench_render(false);
	lines = malloc(2 * bytes + 1);
	if (!lines || !nrecords)
		return 2;
	bench_render(true);
	uint64_t start = cpu_ns();
	for (unsigned i = 0; i < rounds; i++)
		bench_render(false);
	uint64_t rendered = cpu_ns();
	for (unsigned i = 0; i < rounds; i++) {
		memcpy(lines + bytes, lines, bytes);
		__asm__ volatile("" ::: "memory");
	}
	uint64_t copied = cpu_ns();
	double n = (double)nrecords * rounds, ns = (double)(rendered - start) / n;
	printf("%s: %lu records, %.0f bytes a line, %.1f ns a record, %.0f records/s, %.0f times the copy\n", argv[2],
	       nrecords, (double)bytes / (double)nrecords, ns, 1e9 / ns,
	       (double)(rendered - start) / (double)(copied - rendered));
	if (face->close)
		face->close(&render);
	return 0;
}
