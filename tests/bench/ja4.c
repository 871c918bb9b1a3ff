// SPDX-License-Identifier: BSD-3-Clause
//
// What a fingerprint costs: JA4 and JA3 of the ClientHellos of a capture, over and over, on one thread. Instructions
// by callgrind, collecting in bench_ja4 (or bench_ja3) only:
//
//   valgrind --tool=callgrind --toggle-collect=bench_ja4 ja4 FILE 1000
//
// The hellos are read from the first TLS record of a direction, over segments in order, in plain Ethernet and IPv4.
// usage: ja4 CAPTURE ROUNDS
#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ja.h"

#define HELLOS_MAX 64

static struct ja_hello hellos[HELLOS_MAX];
static unsigned nhellos;
static char room[JA3_FULL_MAX], text[64];

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void extension(struct ja_hello *h, unsigned type, const uint8_t *p, unsigned len)
{
	if (h->nexts < JA_LIST_MAX)
		h->exts[h->nexts++] = (uint16_t)type;
	h->sni |= type == 0;
	if (type == 10 && len > 2)
		h->groups = (struct ja_list){p + 2, (len - 2) / 2};
	if (type == 11 && len > 1) {
		h->points = p + 1;
		h->npoints = (uint16_t)(len - 1);
	}
	if (type == 13 && len > 2)
		h->sigalgs = (struct ja_list){p + 2, (len - 2) / 2};
	if (type == 16 && len > 3 && p[2] + 3u <= len) {
		h->alpn = p + 3;
		h->alpn_len = p[2];
	}
	if (type == 43 && len > 1)
		h->versions = (struct ja_list){p + 1, (len - 1) / 2};
}

// Body of a ClientHello: RFC 8446 4.1.2. Trusts a capture of ours but for its lengths.
static bool hello(struct ja_hello *h, const uint8_t *p, unsigned len)
{
	unsigned at = 35 + (len > 34 ? p[34] : 0);
	if (at + 2 > len)
		return false;
	*h = (struct ja_hello){.transport = 't', .version = (uint16_t)be16(p)};
	h->ciphers = (struct ja_list){p + at + 2, be16(p + at) / 2};
	at += 2 + be16(p + at);
	if (at >= len || at + 1 + p[at] + 2 > len)
		return false;
	at += 1 + p[at] + 2;
	while (at + 4 <= len && at + 4 + be16(p + at + 2) <= len) {
		extension(h, be16(p + at), p + at + 4, be16(p + at + 2));
		at += 4 + be16(p + at + 2);
	}
	return at == len;
}

static uint8_t flight[65536]; // a first flight, its segments in order as our captures have them
static unsigned flight_len, flight_port;

static void frame(const uint8_t *p, unsigned len)
{
	if (len < 54 || be16(p + 12) != 0x0800 || p[23] != 6 || nhellos == HELLOS_MAX)
		return;
	unsigned tcp = 14 + (p[14] & 15) * 4u, at, end = 14 + be16(p + 16);
	if (tcp + 20 > len || (at = tcp + (p[tcp + 12] >> 4) * 4u) >= end || end > len || end - at > 16384)
		return;
	if (p[at] == 22 && end - at > 9 && p[at + 5] == 1) {
		flight_len = 0;
		flight_port = be16(p + tcp);
	} else if (flight_port != be16(p + tcp) || flight_len + end - at > sizeof(flight)) {
		return;
	}
	memcpy(flight + flight_len, p + at, end - at);
	flight_len += end - at;
	unsigned body = be16(flight + 7);
	if (flight_len < 9 + body)
		return;
	uint8_t *copy = malloc(body);
	memcpy(copy, flight + 9, body);
	nhellos += hello(&hellos[nhellos], copy, body);
	flight_port = 0;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) void bench_ja4(unsigned rounds);
__attribute__((noinline)) void bench_ja3(unsigned rounds);

void bench_ja4(unsigned rounds)
{
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < nhellos; i++)
			ja_ja4(&hellos[i], room, text);
}

void bench_ja3(unsigned rounds)
{
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < nhellos; i++)
			ja_ja3(&hellos[i], room, text);
}

int main(int argc, char **argv)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const u_char *data;
	pcap_t *p = argc == 3 ? pcap_open_offline(argv[1], error) : NULL;
	if (!p) {
		fprintf(stderr, "usage: ja4 CAPTURE ROUNDS\n");
		return 2;
	}
	while (pcap_next_ex(p, &head, &data) == 1)
		frame(data, head->caplen);
	pcap_close(p);
	unsigned rounds = (unsigned)strtoul(argv[2], NULL, 10);
	if (!nhellos || !rounds) {
		fprintf(stderr, "ja4: %s: no whole hello\n", argv[1]);
		return 1;
	}
	ja_ja4(&hellos[0], room, text);
	printf("%u hellos, the first is %.*s\n", nhellos, JA4_LEN, text);
	uint64_t t[3] = {now_ns()};
	bench_ja4(rounds);
	t[1] = now_ns();
	bench_ja3(rounds);
	t[2] = now_ns();
	double n = (double)rounds * nhellos;
	printf("ja4 %.0f ns a hello, ja3 %.0f ns\n", (double)(t[1] - t[0]) / n, (double)(t[2] - t[1]) / n);
	return 0;
}
