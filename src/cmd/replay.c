// SPDX-License-Identifier: BSD-3-Clause
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "base/eal.h"
#include "path/path.h"
#include "record_ring.h"

int replay_main(int argc, char **argv);

static void drain(struct worker *w)
{
	const struct record *r;
	while ((r = record_peek(w->records))) {
		printf("%s frame %lu flow %lu", record_kind_names[r->kind], r->frame, r->flow_id);
		const struct fact *f = record_first(r);
		for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f)) {
			printf(" %s=", fact_names[f->field]);
			if (fact_types[f->field] == FACT_TYPE_NUM)
				printf("%lu", *(const uint64_t *)f->value);
			else
				for (uint32_t n = 0; n < f->len; n++)
					putchar(f->value[n] >= 32 && f->value[n] < 127 ? f->value[n] : '?');
			printf("@%lu+%u", f->origin.frame, f->origin.off);
		}
		putchar('\n');
		record_done(w->records, r);
	}
}

int replay_main(int argc, char **argv)
{
	static struct worker w;
	struct path_config c = {.flows = 65536, .streams = 16384, .chunks = 8192, .apps = 1024, .fragments = 1024,
				.arena_bytes = 8 << 20, .record_cells = 1 << 16, .transports = TRANSPORT_GWLB | TRANSPORT_VLAN,
				.checksum = CHECKSUM_IGNORE, .seed = 42};
	char err[PCAP_ERRBUF_SIZE];
	if (argc < 2 || eal_init(128) < 0)
		return 3;
	w.frames = eal_pool("frames", 4095, 2048);
	w.giants = eal_pool("giants", 127, 65407);
	if (!w.frames || !w.giants || path_init(&w, &c) < 0)
		return 3;
	pcap_t *p = pcap_open_offline_with_tstamp_precision(argv[1], PCAP_TSTAMP_PRECISION_NANO, err);
	if (!p) {
		fprintf(stderr, "%s\n", err);
		return 3;
	}
	struct pcap_pkthdr *h;
	const u_char *d;
	struct burst b = {0};
	int rc;
	do {
		rc = pcap_next_ex(p, &h, &d);
		if (rc == 1) {
			uint32_t n = h->caplen > 65407 ? 65407 : h->caplen;
			struct rte_mbuf *m = rte_pktmbuf_alloc(n > 2048 ? w.giants : w.frames);
			if (!m)
				return 3;
			struct pkt *k = pkt_of(m);
			memset(k, 0, sizeof(*k));
			k->frame = ++w.rx;
			k->stamp_ns = k->time_ns = h->ts.tv_sec * 1000000000ull + h->ts.tv_usec;
			k->wire_len = h->len;
			k->link_type = pcap_datalink(p) == 12 ? 101 : pcap_datalink(p);
			if (h->caplen < h->len)
				k->flags |= PKT_CUT;
			memcpy(rte_pktmbuf_append(m, n), d, n);
			b.m[b.n++] = m;
			if (k->time_ns > w.now_ns)
				w.now_ns = k->time_ns;
		}
		if (b.n == BURST_SIZE || (rc != 1 && b.n)) {
			path_burst(&w, &b);
			drain(&w);
		}
	} while (rc == 1);
	path_drain(&w);
	drain(&w);
	fprintf(stderr, "rx %lu tx %lu held %lu in use %u\n", w.rx, w.tx, w.held,
		rte_mempool_in_use_count(w.frames) + rte_mempool_in_use_count(w.giants));
	for (unsigned i = 1; i < REASON_COUNT; i++)
		if (w.drops[i])
			fprintf(stderr, "drop %s %lu\n", reason_names[i], w.drops[i]);
	return 0;
}
