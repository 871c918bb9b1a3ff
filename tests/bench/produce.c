// SPDX-License-Identifier: BSD-3-Clause
//
// What one produce a record costs, and what a pack costs, to a broker: lines as the sink kafka sends them, made before,
// until the broker has acknowledged all. usage: produce BROKERS TOPIC LINES_FILE RECORDS PACK_KB [NAME VALUE]...
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "remote/kafka.h"

static unsigned long left;

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	if (m->err) {
		fprintf(stderr, "%s\n", rd_kafka_err2str(m->err));
		exit(1);
	}
	left--;
}

static void callbacks(rd_kafka_conf_t *c)
{
	rd_kafka_conf_set_dr_msg_cb(c, delivered);
}

static void produce(rd_kafka_t *rk, const char *topic, const char *p, size_t len)
{
	for (;;) {
		rd_kafka_headers_t *h = rd_kafka_headers_new(4);
		rd_kafka_header_add(h, "node", 4, "n1", 2);
		rd_kafka_header_add(h, "boot", 4, "1795335763729", 13);
		rd_kafka_header_add(h, "worker", 6, "0", 1);
		rd_kafka_header_add(h, "seq", 3, "123456", 6);
		if (!rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				       RD_KAFKA_V_KEY("10.0.1.44", 9), RD_KAFKA_V_VALUE((void *)(uintptr_t)p, len),
				       RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END))
			break;
		rd_kafka_headers_destroy(h);
		rd_kafka_poll(rk, 1);
	}
	if (left++ % 64 == 0)
		rd_kafka_poll(rk, 0);
}

int main(int argc, char **argv)
{
	static char lines[1 << 22], pack[1 << 20];
	char why[KAFKA_WHY];
	struct pairs config = {0};
	struct kafka_client k;
	FILE *f = argc >= 6 ? fopen(argv[3], "r") : NULL;
	if (!f)
		return 2;
	size_t n = fread(lines, 1, sizeof(lines), f), packed = 0;
	n = (size_t)((const char *)memrchr(lines, '\n', n) - lines) + 1;
	unsigned long records = strtoul(argv[4], NULL, 10), done = 0;
	size_t room = strtoul(argv[5], NULL, 10) << 10;
	const char *const set[][2] = {{"linger.ms", room ? "0" : "50"}, {NULL}};
	pairs_set(&config, "bootstrap.servers", argv[1]);
	for (int i = 6; i + 1 < argc; i += 2)
		pairs_set(&config, argv[i], argv[i + 1]);
	if (kafka_open(&k,
		       &(struct kafka_wish){.config = &config, .role = KAFKA_LOGS, .set = set, .callbacks = callbacks},
		       why) < 0)
		return fprintf(stderr, "%s\n", why), 1;
	produce(k.rk, argv[2], lines, 10); // connected
	rd_kafka_flush(k.rk, 30000);
	uint64_t began = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (const char *p = lines; done < records; done++) {
		size_t len = (size_t)((const char *)memchr(p, '\n', (size_t)(lines + n - p)) - p) + 1;
		if (!room)
			produce(k.rk, argv[2], p, len - 1);
		if (room && packed + len > room) {
			produce(k.rk, argv[2], pack, packed);
			packed = 0;
		}
		if (room) {
			memcpy(pack + packed, p, len);
			packed += len;
		}
		p = p + len == lines + n ? lines : p + len;
	}
	if (packed)
		produce(k.rk, argv[2], pack, packed);
	while (left)
		rd_kafka_poll(k.rk, 10);
	double s = (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e9;
	double used = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3;
	printf("pack_kb %3zu: %.0f k records/s, %.2f us of processor a record\n", room >> 10, (double)records / s / 1e3,
	       used / (double)records);
	kafka_close(&k);
	return 0;
}
