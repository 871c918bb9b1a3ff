// SPDX-License-Identifier: BSD-3-Clause
//
// The smallest worker that a fast path can have, for fastpath_test.py and bench/fastpath_test.py: two AF_XDP ports,
// each frame that comes up goes out of the other. It asks for an entry once a flow has had so many frames, and counts
// each flow's frames wherever they went. On SIGTERM (SIGUSR1: and goes on) it says what it counted, in JSON. usage:
// fastpath_bridge PORT PORT closed|peer|kernel FRAMES DENIED_PORT metadata|prefix|sink
//        sink: no entries, and nothing goes on: the AF_XDP path's own cost
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_ring_elem.h>

#include "base/eal.h"
#include "base/port.h"
#include "ctl/fastpath.h"

#define FLOWS 4096

static struct flow_seen {
	struct fastpath_key key;
	uint64_t frames, bytes, fast_frames, fast_bytes;
	bool asked;
} flows[FLOWS];
static struct rte_hash *index_of;
static struct fastpath *f;
static struct port ports[2];
static uint64_t untagged, came, ended, settle_after;
static uint16_t denied_be;
static bool sink;
static volatile sig_atomic_t stopping, asked_to_say;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		asked_to_say = 1;
	else
		stopping = 1;
}

static uint64_t coarse_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void key_of(struct fastpath_key *k, const uint8_t *d, const struct fastpath_tag *t, unsigned port)
{
	*k = (struct fastpath_key){.port = port, .version = t->version, .proto = t->proto};
	unsigned size = t->version == 4 ? 4 : 16, at = t->l3 + (t->version == 4 ? 12 : 8);
	memcpy(k->src, d + at, size);
	memcpy(k->dst, d + at + size, size);
	memcpy(&k->sport_be, d + t->l4, 4);
	for (unsigned i = 0; i < t->vlans; i++)
		k->vlan[i] = FASTPATH_TAGGED | (d[14 + i * 4] & 15) << 8 | d[15 + i * 4];
}

static void ask(struct flow_seen *s, enum fastpath_ask what)
{
	struct fastpath_op op = {.key = s->key,
				 .ask = what,
				 .verdict = s->key.dport_be == denied_be ? FASTPATH_DROP : FASTPATH_FORWARD,
				 .flow = s - flows};
	s->asked = rte_ring_sp_enqueue_elem(fastpath_ops(f, 0), &op, sizeof(op)) == 0;
}

// False: it does not go on.
static bool count_frame(const uint8_t *d, uint32_t len, const struct fastpath_tag *t, unsigned port)
{
	struct fastpath_key key;
	if (t->l4 == 0)
		return true;
	key_of(&key, d, t, port);
	int at = rte_hash_add_key(index_of, &key);
	if (at < 0)
		return true;
	struct flow_seen *s = &flows[at];
	s->key = key;
	s->frames++;
	s->bytes += len;
	if (!s->asked && s->frames >= settle_after && t->why == FASTPATH_DOOR_UP_NEW)
		ask(s, FASTPATH_ADD);
	return key.dport_be != denied_be;
}

static void bridge(unsigned port)
{
	struct rte_mbuf *m[BURST_SIZE];
	struct fastpath_port *shared = fastpath_port(f, port);
	unsigned n = port_rx(&ports[port], 0, m, BURST_SIZE), kept = 0;
	fastpath_beat(shared, 0, coarse_ns());
	came += n;
	for (unsigned i = 0; i < n; i++) {
		struct fastpath_tag t;
		const uint8_t *d = rte_pktmbuf_mtod(m[i], uint8_t *);
		bool prefix = shared->carrier == FASTPATH_PREFIX, goes_on = false;
		uint32_t len = m[i]->data_len - (prefix ? FASTPATH_TAG_BYTES : 0);
		if (!fastpath_tag_read(prefix ? d : d - FASTPATH_TAG_BYTES, len, shared, &t))
			untagged++;
		else if (!sink)
			goes_on = count_frame(prefix ? d + FASTPATH_TAG_BYTES : d, len, &t, port);
		if (prefix)
			rte_pktmbuf_adj(m[i], FASTPATH_TAG_BYTES);
		if (goes_on)
			m[kept++] = m[i];
		else
			rte_pktmbuf_free(m[i]);
	}
	for (unsigned sent = 0; sent < kept;)
		sent += port_tx(&ports[!port], 0, m + sent, kept - sent);
}

static void take_counts(void)
{
	struct fastpath_count c;
	while (!rte_ring_sc_dequeue_elem(fastpath_counts(f, 0), &c, sizeof(c))) {
		struct flow_seen *s = &flows[c.flow];
		s->fast_frames += c.packets;
		s->fast_bytes += c.bytes;
		if (c.end) {
			s->asked = false;
			ended++;
		}
	}
}

static void say(void)
{
	struct fastpath_doors doors;
	printf("{\"untagged\":%lu,\"came\":%lu,\"ended\":%lu,\"ports\":[", untagged, came, ended);
	for (unsigned p = 0; p < 2; p++) {
		fastpath_doors(f, p, &doors);
		printf("%s{\"rx\":%lu", p ? "," : "", doors.rx);
		for (unsigned i = 0; i < FASTPATH_DOOR_COUNT; i++)
			printf(",\"%s\":%lu", fastpath_door_rows[i].word, doors.frames[i]);
		printf("}");
	}
	printf("],\"flows\":[");
	const char *comma = "";
	for (struct flow_seen *s = flows; s < flows + FLOWS; s++) {
		if (!s->frames)
			continue;
		printf("%s{\"version\":%u,\"proto\":%u,\"port\":%u,\"sport\":%u,\"dport\":%u,\"frames\":%lu,\"bytes\":%"
		       "lu,"
		       "\"fast_frames\":%lu,\"fast_bytes\":%lu}",
		       comma, s->key.version, s->key.proto, s->key.port, rte_be_to_cpu_16(s->key.sport_be),
		       rte_be_to_cpu_16(s->key.dport_be), s->frames, s->bytes, s->fast_frames, s->fast_bytes);
		comma = ",";
	}
	printf("]}\n");
	fflush(stdout);
}

static void run(void)
{
	while (!stopping) {
		bridge(0);
		bridge(1);
		take_counts();
		if (asked_to_say)
			asked_to_say = 0, say();
	}
	struct fastpath_numbers n = {.entries = 1};
	fastpath_void(f, false);
	while (n.entries) {
		bridge(0);
		bridge(1);
		take_counts();
		fastpath_numbers(f, &n);
	}
	take_counts();
	say();
}

static bool start(char **argv, const char *carrier)
{
	char why[256];
	struct port_config config[2] = {0};
	struct fastpath_link links[2] = {{.peer = 1}, {.peer = 0}};
	for (unsigned i = 0; i < 2; i++) {
		config[i].type = PORT_AF_XDP;
		config[i].queues = 1;
		snprintf(config[i].name, sizeof(config[i].name), "%s", argv[1 + i]);
		snprintf(config[i].device, sizeof(config[i].device), "%s", argv[1 + i]);
		snprintf(links[i].interface, sizeof(links[i].interface), "%s", argv[1 + i]);
		links[i].fail = !strcmp(argv[3], "peer")     ? FASTPATH_OPEN_PEER
				: !strcmp(argv[3], "kernel") ? FASTPATH_OPEN_KERNEL
							     : FASTPATH_CLOSED;
	}
	const struct eal_live live = {.ports = config, .nports = 2, .mem_mb = 160, .pages = EAL_PAGES_SMALL};
	if (eal_init_live(&live) < 0)
		return false;
	struct rte_mempool *pool = eal_pool("bridge", 16383, 2048 + 256);
	struct fastpath_options o = {
		.links = links, .nlinks = 2, .workers = 1, .ring = 4096, .idle_ms = 30000, .stale_ms = 1000};
	if (!pool || fastpath_open(&f, &o, why, sizeof(why)))
		return fprintf(stderr, "%s\n", why), false;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(config[i].xdp_prog, sizeof(config[i].xdp_prog), "%s", fastpath_object(f));
		if (fastpath_take(f, i, why, sizeof(why)) ||
		    port_open(&ports[i], &config[i], pool, 1, NULL, why, sizeof(why)))
			return fprintf(stderr, "%s\n", why), false;
		if (!strcmp(carrier, "prefix"))
			fastpath_port(f, i)->carrier = FASTPATH_PREFIX;
	}
	return fastpath_start(f) == 0;
}

int main(int argc, char **argv)
{
	struct rte_hash_parameters p = {
		.name = "index", .entries = FLOWS, .key_len = sizeof(struct fastpath_key), .hash_func = rte_jhash};
	if (argc != 7)
		return 2;
	settle_after = strtoull(argv[4], NULL, 10);
	denied_be = rte_cpu_to_be_16(atoi(argv[5]));
	sink = !strcmp(argv[6], "sink");
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	if (!start(argv, argv[6]) || !(index_of = rte_hash_create(&p)))
		return 1;
	puts("ready");
	fflush(stdout);
	run();
	port_close(&ports[0]);
	port_close(&ports[1]);
	fastpath_close(f);
	return 0;
}
