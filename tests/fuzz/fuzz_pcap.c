// SPDX-License-Identifier: BSD-3-Clause
//
// The reader of captures with whatever bytes: the input is the file, plain or packed. Files of odd length are read
// from memory, of even length through a file descriptor; each is read alone, then twice as one (join). Checked beyond
// the sanitizers: frames are numbered without gaps, no mbuf is lost, every state has an end, a damaged file has words.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/capture_out.h"
#include "base/eal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct worker w;

static void start(void)
{
	if (eal_init(64) < 0)
		abort();
	w.frames = eal_pool("frames", 511, CAPTURE_FRAME_ROOM);
	w.giants = eal_pool("giants", 63, CAPTURE_GIANT_ROOM);
	if (!w.frames || !w.giants)
		abort();
}

static struct capture *open_some_way(const uint8_t *data, size_t size, char *err, size_t err_len)
{
	char path[64];
	if (size & 1)
		return capture_open_memory(data, size, err, err_len);
	int fd = memfd_create("capture", 0);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct capture *c = capture_open(path, 4096, err, err_len);
	close(fd);
	return c;
}

static void look(struct burst *b, uint64_t *frames)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->m[i];
		if (pkt_of(m)->order != ++*frames || rte_pktmbuf_pkt_len(m) > CAPTURE_SNAPLEN_MAX)
			abort();
		free(capture_record_of(m));
		rte_pktmbuf_free(m);
	}
}

static void check_end(const struct capture *c, enum capture_state state)
{
	if (state == CAPTURE_STARVED || (state == CAPTURE_DAMAGED) != (capture_error(c)[0] != '\0'))
		abort();
	if (capture_taken(c) > capture_size(c))
		abort();
}

static void read_alone(const uint8_t *data, size_t size)
{
	char err[CAPTURE_ERROR_MAX] = "";
	uint64_t frames = 0;
	enum capture_state state;
	struct capture *c = open_some_way(data, size, err, sizeof(err));
	if (!c) {
		if (!err[0])
			abort();
		return;
	}
	do {
		struct burst b = {0};
		state = capture_burst(c, &w, &b);
		look(&b, &frames);
	} while (state == CAPTURE_MORE);
	check_end(c, state);
	if (frames != capture_frames(c))
		abort();
	capture_close(c);
}

static void read_joined(const uint8_t *data, size_t size)
{
	char err[CAPTURE_ERROR_MAX];
	uint64_t frames = 0;
	enum capture_state state;
	struct capture *c[2] = {open_some_way(data, size, err, sizeof(err)),
				open_some_way(data, size, err, sizeof(err))};
	struct capture_join *j = c[0] && c[1] ? capture_join_new(c, 2) : NULL;
	if (j) {
		do {
			struct burst b = {0};
			state = capture_join_burst(j, &w, &b);
			look(&b, &frames);
		} while (state == CAPTURE_MORE);
		if (frames != capture_frames(c[0]) + capture_frames(c[1]))
			abort();
	}
	capture_join_free(j);
	capture_close(c[0]);
	capture_close(c[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!w.frames)
		start();
	read_alone(data, size);
	read_joined(data, size);
	if (rte_mempool_in_use_count(w.frames) + rte_mempool_in_use_count(w.giants) != 0)
		abort();
	return 0;
}
