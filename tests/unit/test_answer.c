// SPDX-License-Identifier: BSD-3-Clause
//
// Answers, read by the rooms that read what comes in: every packet of the golden captures (each encapsulation has one)
// is answered both ways, and cut, and what was made must have the same layers, tags and tenant, addresses exchanged or
// kept, right lengths and checksums throughout. What has no way back is listed here. Then what is said: pages, DNS,
// ICMP. usage: test_answer GOLDEN CAPTURES
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <dirent.h>
#include <netinet/in.h>

#include "../frames.h"
#include "base/capture.h"
#include "path/answer.h"
#include "path/checksum.h"

static const char *golden, *captures;
static struct frames t;
static unsigned made[2], refused[2];

// Cases some of whose packets cannot be answered back: labels, ids and signatures of one way; and on: numbered ones
// too.
static const char *const no_way_back[] = {"mpls",   "ayiya", "gtp", "l2tp",     "erspan",
					  "teredo", "tags",  "gre", "link_ppp", "gre_wlan"};
static const char *const no_way_on[] = {"ayiya", "l2tp", "erspan", "gre", "gre_wlan"};

static const char *case_name;

static bool may_be_refused(bool back)
{
	for (unsigned i = 0; back && i < RTE_DIM(no_way_back); i++)
		if (!strcmp(no_way_back[i], case_name))
			return true;
	for (unsigned i = 0; !back && i < RTE_DIM(no_way_on); i++)
		if (!strcmp(no_way_on[i], case_name))
			return true;
	return false;
}

static bool same_way(const uint8_t *a, const uint8_t *b, unsigned version, bool back)
{
	uint32_t n = version == 4 ? 4 : 16, at = version == 4 ? 12 : 8;
	return !memcmp(a + at, b + at + (back ? n : 0), n) && !memcmp(a + at + n, b + at + (back ? 0 : n), n);
}

// What was made, as the corridor reads it.
static void reads(struct rte_mbuf *like, struct rte_mbuf *m, bool back, bool piece)
{
	const struct pkt *p = pkt_of(like);
	struct pkt *q = pkt_of(m);
	struct burst b = {.m = {m}, .n = 1};
	struct pkt said = *q; // to the way out, which does not read it again
	assert_int_equal(q->flags & ~(PKT_BACK | PKT_TRANSPORT), PKT_OWN);
	q->flags &= (uint16_t)~PKT_TRANSPORT;
	q->nvlans = q->nlayers = 0;
	assert_true((q->flags & PKT_BACK) || !back); // in gwlb all goes back
	assert_int_equal(q->wire_len, m->data_len);
	decap_burst(&t.w, &b);
	parse_burst(&t.w, &b);
	if (q->reason || q->done || q->nlayers != p->nlayers)
		print_message("%s: frame %lu: %s, %u layers of %u\n", case_name, (unsigned long)p->frame,
			      q->reason ? reason_names[q->reason] : "", q->nlayers, p->nlayers);
	assert_int_equal(q->reason, 0);
	assert_int_equal(q->done, 0);
	assert_int_equal(q->nlayers, p->nlayers);
	assert_int_equal(said.layer[0].l3, q->layer[0].l3);
	assert_int_equal(said.layer[0].version, q->layer[0].version);
	assert_int_equal(said.nvlans, q->nvlans);
	assert_int_equal(said.flags & PKT_TRANSPORT, q->flags & PKT_TRANSPORT);
	assert_true(!(said.flags & PKT_TRANSPORT) || said.transport_l3 == q->transport_l3);
	assert_int_equal(q->tenant, p->tenant);
	assert_int_equal(q->nvlans, p->nvlans);
	assert_memory_equal(q->vlan, p->vlan, p->nvlans * sizeof(p->vlan[0]));
	assert_int_equal(q->nvnis, p->nvnis);
	assert_memory_equal(q->vni, p->vni, p->nvnis * sizeof(p->vni[0]));
	for (unsigned i = 0; i < p->nlayers; i++) {
		assert_int_equal(q->layer[i].version, p->layer[i].version);
		assert_true(same_way(pkt_data(like) + p->layer[i].l3, pkt_data(m) + q->layer[i].l3, p->layer[i].version,
				     back));
		assert_int_equal(q->layer[i].flags & (LAYER_CUT | LAYER_FRAGMENT | LAYER_CSUM_BAD), 0);
		if (!piece)
			assert_int_equal(q->layer[i].ttl, 64);
	}
	if (p->flags & PKT_TRANSPORT)
		assert_true(same_way(pkt_data(like) + p->transport_l3, pkt_data(m) + q->transport_l3,
				     pkt_data(m)[q->transport_l3] >> 4, !piece));
	const struct layer *l = &q->layer[q->nlayers - 1];
	assert_int_equal(l->payload + l->payload_len, m->data_len); // nothing behind
}

static void one_way(struct rte_mbuf *m, bool back)
{
	struct answer_tcp say = {.seq = 7, .ack = 9, .flags = 0x18, .data = (const uint8_t *)"hello", .len = 5};
	struct rte_mbuf *tcp = answer_tcp(&t.w, m, back ? ANSWER_BACK : ANSWER_ON, &say);
	struct rte_mbuf *udp = answer_udp(&t.w, m, back ? ANSWER_BACK : ANSWER_ON, "hi!", 3);
	assert_int_equal(!tcp, !udp);
	if (!tcp) {
		if (!may_be_refused(back))
			print_message("%s: frame %lu cannot be answered %s\n", case_name,
				      (unsigned long)pkt_of(m)->frame, back ? "back" : "on");
		assert_true(may_be_refused(back));
		refused[back]++;
		return;
	}
	made[back]++;
	reads(m, tcp, back, false);
	const struct layer *l = pkt_of(tcp)->inner;
	assert_int_equal(l->sport_be, back ? pkt_of(m)->inner->dport_be : pkt_of(m)->inner->sport_be);
	assert_memory_equal(pkt_data(tcp) + l->payload, "hello", 5);
	// a UDP answer on a tunnel's port may look like anything
	rte_pktmbuf_free(tcp);
	rte_pktmbuf_free(udp);
}

static void pieces(struct rte_mbuf *m)
{
	const struct layer *l = pkt_of(m)->inner;
	if (l->proto != IPPROTO_TCP || l->payload_len < 3 || (pkt_of(m)->flags & PKT_VIRTUAL) || l->flags)
		return;
	uint32_t cut = l->payload_len / 2;
	for (unsigned i = 0; i < 2; i++) {
		struct rte_mbuf *piece = answer_piece(&t.w, m, i ? cut : 0, i ? l->payload_len : cut);
		struct answer_seen a, b;
		assert_non_null(piece);
		reads(m, piece, false, true);
		const struct layer *k = pkt_of(piece)->inner;
		answer_seen(pkt_data(m), l, &a);
		answer_seen(pkt_data(piece), k, &b);
		assert_int_equal(b.seq, a.seq + (i ? cut : 0));
		assert_int_equal(b.ack, a.ack);
		assert_int_equal(b.flags & 1, i ? a.flags & 1 : 0);
		assert_int_equal(k->ttl, l->ttl);
		assert_memory_equal(pkt_data(piece) + k->payload, pkt_data(m) + l->payload + (i ? cut : 0),
				    k->payload_len);
		rte_pktmbuf_free(piece);
	}
}

static void icmp(struct rte_mbuf *m)
{
	const struct layer *l = pkt_of(m)->inner;
	struct rte_mbuf *e = answer_unreachable(&t.w, m);
	if (!e)
		return;
	assert_int_not_equal(l->proto, IPPROTO_ICMP);
	assert_int_not_equal(l->proto, IPPROTO_ICMPV6);
	reads(m, e, true, false);
	const struct layer *k = pkt_of(e)->inner;
	assert_true(k->flags & LAYER_ICMP_ERROR);
	assert_int_equal(k->icmp_type, l->version == 4 ? 3 : 1);
	assert_int_equal(k->icmp_code, l->version == 4 ? 13 : 1);
	assert_memory_equal(pkt_data(e) + k->payload, pkt_data(m) + l->l3, k->payload_len);
	rte_pktmbuf_free(e);
}

static void answered(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	if (pkt_decided(p) || !p->inner || (p->inner->flags & LAYER_FRAGMENT) || (p->flags & PKT_DEEPER))
		return;
	one_way(m, true);
	one_way(m, false);
	pieces(m);
	icmp(m);
}

static void read_capture(const char *path)
{
	char err[CAPTURE_ERROR_MAX];
	struct capture *c = capture_open(path, 65536, err, sizeof(err));
	struct burst b = {0};
	enum capture_state state;
	if (!c)
		return;
	do {
		state = capture_burst(c, &t.w, &b);
		decap_burst(&t.w, &b);
		parse_burst(&t.w, &b);
		for (unsigned depth = 0; depth < LAYERS_MAX && defrag_burst(&t.w, &b) > 0; depth++) {
			decap_burst(&t.w, &b);
			parse_burst(&t.w, &b);
		}
		for (unsigned i = 0; i < b.n; i++)
			answered(b.m[i]);
		tx_burst(&t.w, &b);
	} while (state == CAPTURE_MORE);
	capture_close(c);
	defrag_drain(&t.w);
}

static void open_frames(enum checksum_mode mode)
{
	static struct rte_mempool *frames, *giants;
	struct path_config config = {.fragments = 64, .transports = TRANSPORT_GWLB | TRANSPORT_VLAN, .checksum = mode};
	frames_open(&t, config);
	if (!frames) {
		frames = eal_pool("whole", 1023, CAPTURE_FRAME_ROOM);
		giants = eal_pool("whole_giants", 63, CAPTURE_GIANT_ROOM);
	}
	t.w.frames = frames;
	t.w.giants = giants;
}

static void every_encapsulation(void **state)
{
	DIR *dir = opendir(golden);
	struct dirent *e;
	assert_non_null(dir);
	open_frames(CHECKSUM_IGNORE); // of what comes; what is made has right ones, seen below
	while ((e = readdir(dir))) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s/in.pcap", golden, e->d_name);
		case_name = e->d_name;
		read_capture(path);
	}
	closedir(dir);
	assert_true(made[0] > 300 && made[1] > 300);
	assert_true(refused[1] > 5);
	defrag_fini(&t.w);
}

static void every_sum(void **state)
{
	char path[4096];
	open_frames(CHECKSUM_ENFORCE);
	static const char *const names[] = {"tour", "http", "http6", "dns", "tls13", "fragments"};
	for (unsigned i = 0; i < RTE_DIM(names); i++) {
		snprintf(path, sizeof(path), "%s/%s.pcap", captures, names[i]);
		case_name = names[i];
		read_capture(path);
	}
	defrag_fini(&t.w);
}

// ---- what is said
// -----------------------------------------------------------------------------------------------------

static const struct answer_about rule = {.id = (const uint8_t *)"no-<games>",
					 .id_len = 10,
					 .reason = (const uint8_t *)"Closed & \"quoted\"",
					 .reason_len = 17,
					 .flow_id = 0x1f8,
					 .tx_id = 12};

static void page(void **state)
{
	uint8_t out[ANSWER_TEXT_MAX + 1], head[ANSWER_TEXT_MAX];
	uint32_t n = answer_page(&rule, false, out), h = answer_page(&rule, true, head);
	out[n] = '\0';
	const char *text = (const char *)out, *body = strstr(text, "\r\n\r\n");
	assert_non_null(body);
	assert_int_equal(h, body + 4 - text);
	assert_memory_equal(out, head, h);
	assert_int_equal(strncmp(text, "HTTP/1.1 403 ", 13), 0);
	assert_int_equal(atoi(strstr(text, "Content-Length: ") + 16), strlen(body + 4));
	assert_non_null(strstr(text, "Connection: close\r\n"));
	assert_non_null(strstr(body, "Closed &amp; &quot;quoted&quot;"));
	assert_non_null(strstr(body, "Rule: no-&lt;games&gt;"));
	assert_non_null(strstr(body, "Incident: 1f8.12"));
}

static void page_of_long_words(void **state)
{
	static uint8_t many[60000];
	uint8_t out[ANSWER_TEXT_MAX + 1];
	for (unsigned i = 0; i < sizeof(many); i++)
		many[i] = i % 2 ? 0xa9 : 0xc3; // é
	struct answer_about a = {many, many, sizeof(many) - 1, sizeof(many) - 1, UINT64_MAX, UINT32_MAX};
	uint32_t n = answer_page(&a, false, out);
	out[n] = '\0';
	const char *body = strstr((const char *)out, "\r\n\r\n") + 4;
	assert_int_equal(atoi(strstr((const char *)out, "Content-Length: ") + 16), strlen(body));
	assert_non_null(strstr(body, "</html>"));
	assert_true(n < 3 * 536);
	memset(many, '"', sizeof(many)); // the longest escape
	n = answer_page(&a, false, out);
	out[n] = '\0';
	assert_non_null(strstr((const char *)out, "\r\n\r\n"));
	assert_int_equal(atoi(strstr((const char *)out, "Content-Length: ") + 16),
			 strlen(strstr((const char *)out, "\r\n\r\n") + 4));
}

static const uint8_t query[] = {0x12, 0x34, 0x01, 0x10, 0, 1, 0, 0, 0,  0,  0, 1, 3, 'w',  'w', 'w', 2, 'e',
				'x',  0,    0,    1,    0, 1, 0, 0, 41, 16, 0, 0, 0, 0x80, 0,   0,   0};

static void dns(void **state)
{
	uint8_t out[ANSWER_TEXT_MAX];
	const uint8_t four[4] = {192, 0, 2, 1}, six[16] = {0x20, 1, 0xd, 0xb8};
	uint32_t n = answer_dns(query, sizeof(query), &rule, NULL, 0, out);
	assert_int_equal(n, 24 + 11 + 4 + 2 + 10);
	assert_int_equal(be16(out), 0x1234);
	assert_int_equal(be16(out + 2), 0x8193); // QR, RD, RA, CD, NXDOMAIN
	assert_int_equal(be32(out + 4), 0x00010000);
	assert_int_equal(be32(out + 8), 0x00000001);
	assert_memory_equal(out + 12, query + 12, 12);
	assert_int_equal(be16(out + 24 + 5 + 2), 0x8000); // DO
	assert_int_equal(be16(out + 24 + 11), 15);
	assert_memory_equal(out + n - 10, "no-<games>", 10);
	n = answer_dns(query, 24, &rule, four, 4, out); // no EDNS
	assert_int_equal(n, 24 + 16);
	assert_int_equal(be16(out + 2), 0x8190);
	assert_int_equal(be16(out + 6), 1);
	assert_int_equal(be16(out + 24), 0xc00c);
	assert_memory_equal(out + 36, four, 4);
	n = answer_dns(query, 24, &rule, six, 16, out); // an AAAA for who asks for A: none, but the name exists
	assert_int_equal(n, 24);
	assert_int_equal(be16(out + 2), 0x8190);
}

// Wherever it ends, whatever it counts: an answer of sane size, or none.
static void dns_anything(void **state)
{
	uint8_t out[ANSWER_TEXT_MAX], in[sizeof(query)];
	const uint8_t four[4] = {0};
	for (uint32_t len = 0; len <= sizeof(query); len++) {
		for (unsigned at = 0; at < len * 256; at++) {
			uint8_t *copy = malloc(len ? len : 1);
			memcpy(in, query, sizeof(in));
			in[at / 256] = (uint8_t)at;
			memcpy(copy, in, len);
			uint32_t n = answer_dns(copy, len, &rule, at & 1 ? four : NULL, 4, out);
			assert_true(n <= len + 64 && (n == 0) == (len < 12));
			free(copy);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_encapsulation), cmocka_unit_test(every_sum), cmocka_unit_test(page),
		cmocka_unit_test(page_of_long_words),  cmocka_unit_test(dns),       cmocka_unit_test(dns_anything),
	};
	if (argc < 3)
		return 2;
	golden = argv[1];
	captures = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
