// SPDX-License-Identifier: BSD-3-Clause
//
// Frames of our own, in the envelope of a packet of the flow: all headers around its innermost IP header are taken
// over, with their addresses exchanged where the frame goes back, and lengths and checksums made anew from the inside
// out.
//
//   like    | Ethernet | VLAN | IP | UDP | VXLAN | Ethernet | IP | TCP | payload
//   answer  | Ethernet'| VLAN | IP'| UDP'| VXLAN | Ethernet'| ip | tcp | what is said
//
// Which headers there are is asked of decap's walk, so that both read a frame alike. In gwlb the GENEVE header goes
// back byte for byte, and the outer addresses are exchanged whichever end is meant: every frame goes back to the
// balancer.
//
// Some envelopes hold for one way only, since each side chose its own number for the other: MPLS labels, TEIDs of
// GTP-U, ids of L2TP and PPTP, signatures of AYIYA, ports of VNTag and 802.1BR, FabricPath's switch ids, Teredo with an
// indication, paths of NSH; or have been one-way from the start: ERSPAN, WCCP, 802.11. There, only the other end can be
// told. Numbered ones (GRE and L2TP with sequence numbers) cannot be used in either way. What cannot be said is
// counted, and the verdict is a drop. Rejected: to guess (a wrong MPLS label delivers to another customer), to remember
// an envelope of each direction in every flow (64 bytes and more a flow, for what is rare).
#include "answer.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "checksum.h"
#include "decap.h"

#define HOPS 64 // of what is made here, RFC 1700's default
#define ALLOC_TRIES 1000
#define ENVELOPE_MAX 1024 // bytes around the innermost IP header
#define PLAIN_L3 14

enum mode { MODE_BACK = ANSWER_BACK, MODE_ON = ANSWER_ON, MODE_PIECE };

// A frame in the making.
struct draft {
	struct worker *w;
	struct rte_mbuf *like; // whose envelope and addresses
	struct rte_mbuf *m;
	enum mode mode;
	uint32_t l3, l4, end; // in m
	uint8_t version, proto;
	uint16_t link_type;
	unsigned nheaders;
	struct decap_header header[DECAP_HEADERS_MAX];
};

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static void put_sum(uint8_t *at, uint64_t sum)
{
	uint16_t v = (uint16_t)~checksum_fold(sum);
	memcpy(at, &v, sizeof(v));
}

static void exchange(uint8_t *a, uint8_t *b, uint32_t len)
{
	uint8_t kept[16];
	memcpy(kept, a, len);
	memcpy(a, b, len);
	memcpy(b, kept, len);
}

// ---- the envelope -----------------------------------------------------------------------------------------------

// The frame in which a packet came; of a datagram put together, the one that brought its first bytes.
static struct rte_mbuf *frame_of(struct rte_mbuf *m)
{
	for (unsigned depth = 0; m && (pkt_of(m)->flags & PKT_VIRTUAL) && depth < LAYERS_MAX; depth++) {
		struct rte_mbuf *f = pkt_of(m)->fragments;
		for (; f; f = pkt_of(f)->next) {
			const struct pkt *p = pkt_of(f);
			const struct layer *l = p->nlayers ? &p->layer[p->nlayers - 1] : NULL;
			const uint8_t *h = l ? pkt_data(f) + l->l3 : NULL;
			if (l &&
			    (l->version == 4 ? !(be16(h + 6) & 0x1fff) : !(be16(pkt_data(f) + l->l4 - 6) & 0xfff8)))
				break;
		}
		m = f;
	}
	return m;
}

// Lengths around a datagram that was put together are those of its first fragment: they become such that the walk does
// not find it too long. The answer has its own.
static void stretch(const struct pkt *p, uint8_t *out, uint32_t before)
{
	for (unsigned i = 0; i + 1u < p->nlayers; i++) {
		const struct layer *l = &p->layer[i];
		uint8_t *h = out + before + l->l3, *l4 = out + before + l->l4;
		if (l->version == 4)
			put16(h + 2, UINT16_MAX - before - l->l3);
		else
			put16(h + 4, UINT16_MAX - before - l->l3 - 40u);
		if (l->proto == IPPROTO_UDP)
			put16(l4 + 4, UINT16_MAX - before - l->l4);
	}
}

// The bytes before and of the innermost headers of `like`, into `out`. Returns how many, of which *l3 come before the
// innermost IP header; 0: not to be had.
static uint32_t envelope(struct draft *d, uint8_t out[ENVELOPE_MAX])
{
	struct rte_mbuf *m = d->like, *frame = frame_of(m);
	const struct layer *l = pkt_of(m)->inner;
	if (!frame || !l)
		return 0;
	uint32_t before = 0, len = l->payload;
	d->link_type = pkt_of(frame)->link_type;
	if (m !=
	    frame) { // a datagram put together keeps the headers before it, or only a link header is missing (defrag.c)
		const struct pkt *fp = pkt_of(frame);
		bool whole = fp->nlayers > 1 || (fp->flags & PKT_TRANSPORT);
		before = whole ? 0 : fp->layer[fp->nlayers - 1].l3;
	}
	if (before + len > ENVELOPE_MAX || len > m->data_len || before > frame->data_len)
		return 0;
	memcpy(out, pkt_data(frame), before);
	memcpy(out + before, pkt_data(m), len);
	if (m != frame)
		stretch(pkt_of(m), out, before);
	d->l3 = before + l->l3;
	return before + len;
}

static bool is_ip(const struct decap_header *h)
{
	return h->kind == HEADER_IP || h->kind == HEADER_IP4 || h->kind == HEADER_IP6;
}

// Lists the headers of the envelope in d->header. False: the walk does not come to its innermost IP header.
static bool read_envelope(struct draft *d, const uint8_t *bytes, uint32_t len)
{
	struct path_config config = *d->w->config;
	struct worker probe = {.config = &config};
	if (d->link_type == 1 && d->l3 == PLAIN_L3) {
		d->header[0] = (struct decap_header){HEADER_ETHER, 0};
		d->nheaders = 1;
		return true;
	}
	// what is beyond these bytes counts as cut
	const struct pkt *like = pkt_of(d->like);
	config.transports = decap_transports(d->w, like);
	uint32_t wire_len = like->flags & PKT_VIRTUAL ? UINT16_MAX : like->wire_len;
	unsigned n = decap_headers(&probe, bytes, len, wire_len, d->link_type, d->header, DECAP_HEADERS_MAX);
	for (unsigned i = 0; i < n; i++) {
		if (d->header[i].off == d->l3 && is_ip(&d->header[i])) {
			d->nheaders = i;
			return true;
		}
	}
	return false;
}

static struct rte_mbuf *take_mbuf(struct worker *w, uint32_t len)
{
	struct rte_mempool *pool =
		len + RTE_PKTMBUF_HEADROOM <= rte_pktmbuf_data_room_size(w->frames) ? w->frames : w->giants;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	for (unsigned i = 0; !m && w->wait && i < ALLOC_TRIES; i++) {
		w->wait(w);
		m = rte_pktmbuf_alloc(pool);
	}
	if (m && !rte_pktmbuf_append(m, (uint16_t)len)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

// Is the outermost IP header that of a balancer's GENEVE?
static bool from_balancer(const struct draft *d)
{
	const struct pkt *p = pkt_of(d->like);
	if (!(p->flags & PKT_TRANSPORT) || !(decap_transports(d->w, p) & TRANSPORT_GWLB))
		return false;
	for (unsigned i = 0; i < d->nheaders; i++)
		if (d->header[i].kind == HEADER_UDP)
			return be16(pkt_data(d->m) + d->header[i].off + 2) == 6081;
	return false;
}

// 802.3: a length in place of the type.
static void mend_length(const struct draft *d, uint32_t at)
{
	uint8_t *p = pkt_data(d->m) + at;
	if (be16(p) <= 1500)
		put16(p, d->end - (at + 2));
}

static bool back_here(const struct draft *d, bool outermost_gwlb, unsigned i)
{
	if (d->mode == MODE_PIECE)
		return false;
	// the first IP header, its UDP and what is before: the balancer's
	if (outermost_gwlb) {
		for (unsigned k = 0; k < i; k++)
			if (d->header[k].kind == HEADER_UDP)
				return d->mode == MODE_BACK;
		return true;
	}
	return d->mode == MODE_BACK;
}

static bool mend_ip4(const struct draft *d, uint32_t off, bool back)
{
	uint8_t *h = pkt_data(d->m) + off;
	uint32_t len = (h[0] & 15) * 4u;
	put16(h + 2, d->end - off);
	if (back)
		exchange(h + 12, h + 16, 4);
	if (d->mode != MODE_PIECE) {
		h[8] = HOPS;
		put16(h + 6, be16(h + 6) & 0x4000); // a datagram put together is one no more
	}
	put16(h + 10, 0);
	put_sum(h + 10, checksum_add(h, len));
	return true;
}

// Addresses of a route that is not at its end do not simply change places (RFC 8200 4.4).
static bool mend_ip6(const struct draft *d, uint32_t off, uint32_t next, bool back)
{
	uint8_t *h = pkt_data(d->m) + off;
	uint8_t kind = h[6];
	for (uint32_t at = off + 40; back && at + 8 <= next;) {
		const uint8_t *x = pkt_data(d->m) + at;
		if (kind == IPPROTO_ROUTING && x[3] != 0)
			return false;
		uint32_t len = parse_ip6_header_len(kind, x);
		if (!len)
			break;
		kind = x[0];
		at += len;
	}
	put16(h + 4, d->end - off - 40);
	if (back)
		exchange(h + 8, h + 24, 16);
	if (d->mode != MODE_PIECE)
		h[7] = HOPS;
	return true;
}

#define GRE_SUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_SEQ 0x1000

static bool mend_gre(const struct draft *d, uint32_t off, bool back)
{
	uint8_t *h = pkt_data(d->m) + off;
	uint16_t flags = (uint16_t)be16(h);
	if ((flags & 7) == 1) { // RFC 2637: numbered, and the call id is the receiver's
		if (d->mode != MODE_PIECE)
			return false;
		uint32_t head = 8 + (flags & GRE_SEQ ? 4 : 0) + (flags & 0x80 ? 4 : 0);
		put16(h + 4, d->end - off - head);
		return true;
	}
	if (d->mode != MODE_PIECE && ((flags & GRE_SEQ) || (back && (flags & GRE_ROUTING))))
		return false;
	if (flags & GRE_SUM) { // RFC 2784 2.3: over header and payload
		put16(h + 4, 0);
		put_sum(h + 4, checksum_add(h, d->end - off));
	}
	return true;
}

// What is behind a UDP header, by the port that made decap look for it.
static bool mend_tunnel(const struct draft *d, uint8_t *udp, uint32_t off, bool back)
{
	uint32_t sport = be16(udp), dport = be16(udp + 2);
	uint8_t *h = udp + 8;
	switch (dport) {
	case 4789: // RFC 7348, RFC 8926: the port is the receiver's in both ways, the sender's tells flows apart
	case 8472:
	case 4790:
	case 6081:
		return true;
	case 2152:
		put16(h + 2, d->end - off - 8 - 8);
		return !back;
	}
	if (sport == 1701 || dport == 1701) {
		if (back || ((h[0] & 0x08) && d->mode != MODE_PIECE))
			return false;
		if (h[0] & 0x40)
			put16(h + 2, d->end - off - 8);
		return true;
	}
	if (sport == 3544 || dport == 3544) {
		if (back && h[0] == 0) // an indication
			return false;
		if (back)
			exchange(udp, udp + 2, 2);
		return true;
	}
	return d->mode == MODE_PIECE; // AYIYA signs what it carries
}

static bool mend_udp(const struct draft *d, uint32_t off, uint32_t ip, bool back)
{
	uint8_t *h = pkt_data(d->m) + off, *iph = pkt_data(d->m) + ip;
	bool summed = be16(h + 6) != 0;
	if (!mend_tunnel(d, h, off, back))
		return false;
	put16(h + 4, d->end - off);
	put16(h + 6, 0);
	if (summed) {
		uint64_t sum = checksum_pseudo(iph, iph[0] >> 4, IPPROTO_UDP, d->end - off);
		put_sum(h + 6, sum + checksum_add(h, d->end - off));
		if (be16(h + 6) == 0)
			put16(h + 6, 0xffff); // RFC 768
	}
	return true;
}

// IP header that the i-th header lies in.
static uint32_t ip_before(const struct draft *d, unsigned i)
{
	while (i > 0 && !is_ip(&d->header[i - 1]))
		i--;
	return i ? d->header[i - 1].off : 0;
}

static bool mend(const struct draft *d, unsigned i, bool back)
{
	uint32_t off = d->header[i].off, next = i + 1 < d->nheaders ? d->header[i + 1].off : d->l3;
	uint8_t *h = pkt_data(d->m) + off;
	switch ((enum header)d->header[i].kind) {
	case HEADER_ETHER:
		if (back)
			exchange(h, h + 6, 6);
		mend_length(d, off + 12);
		return true;
	case HEADER_VLAN:
	case HEADER_CHDLC:
		mend_length(d, off + 2);
		return true;
	case HEADER_VNTAG:
	case HEADER_ETAG:
	case HEADER_CMD:
		mend_length(d, next - 2);
		return !back;
	case HEADER_PPPOE:
		put16(h + 4, d->end - off - 6);
		return true;
	case HEADER_IP:
	case HEADER_IP4:
	case HEADER_IP6:
		return h[0] >> 4 == 4 ? mend_ip4(d, off, back) : mend_ip6(d, off, next, back);
	case HEADER_GRE:
		return mend_gre(d, off, back);
	case HEADER_UDP:
		return mend_udp(d, off, ip_before(d, i), back);
	case HEADER_MPLS:
	case HEADER_NSH:
	case HEADER_FABRICPATH:
		return !back;
	case HEADER_ERSPAN2:
	case HEADER_ERSPAN3:
	case HEADER_WCCP:
	case HEADER_WLAN:
		return d->mode == MODE_PIECE;
	default: // PPP, PBB, LLC, EtherIP, the pseudo headers of captures: nothing in them has a length or a way
		return true;
	}
}

// Lengths, addresses and checksums of what is around the innermost IP header, from the inside out.
static bool wrap(const struct draft *d)
{
	bool balancer = from_balancer(d);
	for (unsigned i = d->nheaders; i > 0; i--)
		if (!mend(d, i - 1, back_here(d, balancer, i - 1)))
			return false;
	return true;
}

// ---- the packet inside --------------------------------------------------------------------------------------------

static struct rte_mbuf *unanswered(struct draft *d)
{
	count(d->w, COUNTER_UNANSWERED);
	rte_pktmbuf_free(d->m);
	return NULL;
}

// The mbuf with its envelope and an empty innermost packet of the same IP version. NULL: counted.
static uint8_t *begin(struct draft *d, uint8_t proto, uint32_t l4_len)
{
	uint8_t bytes[ENVELOPE_MAX];
	uint32_t len = envelope(d, bytes);
	if (!len || !read_envelope(d, bytes, len)) {
		unanswered(d);
		return NULL;
	}
	const struct layer *l = pkt_of(d->like)->inner;
	d->version = l->version;
	d->proto = proto;
	d->l4 = d->l3 + (l->version == 4 ? 20 : 40);
	d->end = d->l4 + l4_len;
	d->m = take_mbuf(d->w, d->end);
	if (!d->m) {
		unanswered(d);
		return NULL;
	}
	memcpy(pkt_data(d->m), bytes, d->l3);
	uint8_t *h = pkt_data(d->m) + d->l3;
	const uint8_t *from = bytes + d->l3;
	memset(h, 0, d->end - d->l3);
	if (l->version == 4) { // RFC 6864 4.1: never in pieces, so the id means nothing
		h[0] = 0x45;
		put16(h + 2, 20 + l4_len);
		put16(h + 6, 0x4000);
		h[8] = HOPS;
		h[9] = proto;
		memcpy(h + 12, from + (d->mode == MODE_BACK ? 16 : 12), 4);
		memcpy(h + 16, from + (d->mode == MODE_BACK ? 12 : 16), 4);
		put_sum(h + 10, checksum_add(h, 20));
	} else {
		h[0] = 0x60;
		put16(h + 4, l4_len);
		h[6] = proto;
		h[7] = HOPS;
		memcpy(h + 8, from + (d->mode == MODE_BACK ? 24 : 8), 16);
		memcpy(h + 24, from + (d->mode == MODE_BACK ? 8 : 24), 16);
	}
	return pkt_data(d->m) + d->l4;
}

// The L4 checksum at `at` of the L4 header, then the envelope.
static struct rte_mbuf *finish(struct draft *d, uint32_t at)
{
	uint8_t *data = pkt_data(d->m), *l4 = data + d->l4;
	uint32_t len = d->end - d->l4;
	uint64_t sum = d->proto == IPPROTO_ICMP ? 0 : checksum_pseudo(data + d->l3, d->version, d->proto, len);
	put16(l4 + at, 0);
	put_sum(l4 + at, sum + checksum_add(l4, len));
	if (d->proto == IPPROTO_UDP && be16(l4 + at) == 0)
		put16(l4 + at, 0xffff);
	if (!wrap(d))
		return unanswered(d);
	const struct pkt *like = pkt_of(d->like);
	struct pkt *p = pkt_of(d->m);
	pkt_begin(p, like->frame, like->stamp_ns, like->time_ns, d->end, d->link_type, false);
	p->order = like->order;
	p->port = like->port;
	p->flags = PKT_OWN | (like->flags & PKT_TRANSPORT);
	// by these the way out finds the headers that it turns round or routes by (egress.c)
	p->transport_l3 = like->transport_l3;
	p->nvlans = like->nvlans;
	p->nlayers = 1;
	p->layer[0] = like->layer[0];
	p->layer[0].l3 = (uint16_t)(p->layer[0].l3 + d->l3 - like->inner->l3);
	if (d->mode == MODE_BACK || (d->mode == MODE_ON && from_balancer(d)))
		p->flags |= PKT_BACK;
	return d->m;
}

void answer_seen(const uint8_t *frame, const struct layer *l, struct answer_seen *s)
{
	const uint8_t *t = frame + l->l4, *o = t + 20, *end = frame + l->payload;
	*s = (struct answer_seen){.seq = be32(t + 4),
				  .ack = be32(t + 8),
				  .flags = t[13],
				  .window = (uint16_t)be16(t + 14),
				  .len = l->wire_len};
	s->end = s->seq + s->len + !!(s->flags & 2) + (s->flags & 1);
	while (o < end && *o != 0) { // RFC 9293 3.1: kind, length
		if (*o == 1) {
			o++;
			continue;
		}
		if (end - o < 2 || o[1] < 2 || o[1] > end - o)
			return;
		if (*o == 8 && o[1] == 10) {
			s->timestamps = true;
			s->ts = be32(o + 2);
			s->ts_echo = be32(o + 6);
		}
		s->signature |= *o == 19 || *o == 29;
		o += o[1];
	}
}

struct rte_mbuf *answer_tcp(struct worker *w, struct rte_mbuf *like, enum answer_way way, const struct answer_tcp *t)
{
	struct draft d = {.w = w, .like = like, .mode = (enum mode)way};
	const struct layer *l = pkt_of(like)->inner;
	uint32_t header = t->timestamps ? 32 : 20;
	uint8_t *h = begin(&d, IPPROTO_TCP, header + t->len);
	if (!h)
		return NULL;
	memcpy(h, way == ANSWER_BACK ? &l->dport_be : &l->sport_be, 2);
	memcpy(h + 2, way == ANSWER_BACK ? &l->sport_be : &l->dport_be, 2);
	put32(h + 4, t->seq);
	put32(h + 8, t->ack);
	h[12] = (uint8_t)(header << 2);
	h[13] = t->flags;
	put16(h + 14, t->window);
	if (t->timestamps) {
		put32(h + 20, 0x0101080a);
		put32(h + 24, t->ts);
		put32(h + 28, t->ts_echo);
	}
	if (t->len)
		memcpy(h + header, t->data, t->len);
	return finish(&d, 16);
}

struct rte_mbuf *answer_udp(struct worker *w, struct rte_mbuf *like, enum answer_way way, const void *data,
			    uint32_t len)
{
	struct draft d = {.w = w, .like = like, .mode = (enum mode)way};
	const struct layer *l = pkt_of(like)->inner;
	uint8_t *h = begin(&d, IPPROTO_UDP, 8 + len);
	if (!h)
		return NULL;
	memcpy(h, way == ANSWER_BACK ? &l->dport_be : &l->sport_be, 2);
	memcpy(h + 2, way == ANSWER_BACK ? &l->sport_be : &l->dport_be, 2);
	put16(h + 4, 8 + len);
	memcpy(h + 8, data, len);
	return finish(&d, 6);
}

// ---- ICMP -----------------------------------------------------------------------------------------------------------

// RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4 (e): what no ICMP error may be about.
static bool unspeakable(struct rte_mbuf *m, const struct layer *l)
{
	const uint8_t *frame = pkt_data(m), *ip = frame + l->l3;
	if (l->flags & (LAYER_ICMP_ERROR | LAYER_FRAGMENT))
		return true;
	if (pkt_of(m)->link_type == 1 && (frame[0] & 1)) // link-layer broadcast or multicast
		return true;
	if (l->version == 4) {
		uint8_t from = ip[12], to = ip[16];
		return from == 0 || from == 127 || from >= 224 || to >= 224 || to == 0;
	}
	static const uint8_t none[16];
	return ip[8] == 0xff || ip[24] == 0xff || !memcmp(ip + 8, none, 16);
}

// As much of the packet as fits (RFC 1812 4.3.2.3: 576 bytes; RFC 4443 2.4 (c): 1280).
static uint32_t quoted(const struct rte_mbuf *m, const struct layer *l)
{
	uint32_t all = l->payload + (uint32_t)l->payload_len - l->l3;
	uint32_t room = l->version == 4 ? 576 - 20 - 8 : 1280 - 40 - 8;
	return RTE_MIN(RTE_MIN(all, room), (uint32_t)m->data_len - l->l3);
}

struct rte_mbuf *answer_error(struct worker *w, struct rte_mbuf *m, const struct answer_error *e)
{
	struct draft d = {.w = w, .like = m, .mode = MODE_BACK};
	const struct layer *l = pkt_of(m)->inner;
	if (unspeakable(m, l))
		return NULL;
	bool v4 = l->version == 4;
	uint32_t n = quoted(m, l);
	uint8_t *h = begin(&d, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 8 + n);
	if (!h)
		return NULL;
	h[0] = e->type;
	h[1] = e->code;
	put32(h + 4, e->word);
	memcpy(h + 8, pkt_data(m) + l->l3, n);
	uint8_t *ip = pkt_data(d.m) + d.l3;
	if (e->from)
		memcpy(ip + (v4 ? 12 : 8), e->from, v4 ? 4 : 16);
	if (e->from && v4) {
		put16(ip + 10, 0);
		put_sum(ip + 10, checksum_add(ip, 20));
	}
	return finish(&d, 2);
}

struct rte_mbuf *answer_unreachable(struct worker *w, struct rte_mbuf *m)
{
	const struct layer *l = pkt_of(m)->inner;
	bool v4 = l->version == 4;
	if (l->proto == IPPROTO_ICMP || l->proto == IPPROTO_ICMPV6) // pings are denied in silence
		return NULL;
	return answer_error(w, m, &(struct answer_error){.type = v4 ? 3 : 1, .code = v4 ? 13 : 1});
}

// ---- a piece of a segment ------------------------------------------------------------------------------------------

struct rte_mbuf *answer_piece(struct worker *w, struct rte_mbuf *m, uint32_t from, uint32_t to)
{
	const struct layer *l = pkt_of(m)->inner;
	const uint8_t *frame = pkt_data(m);
	to = RTE_MIN(to, l->payload_len);
	struct draft d = {.w = w, .like = m, .mode = MODE_PIECE, .l3 = l->l3, .l4 = l->l4, .version = l->version};
	if (l->l3 > ENVELOPE_MAX || (pkt_of(m)->flags & PKT_VIRTUAL) || from > to)
		return unanswered(&d);
	d.link_type = pkt_of(m)->link_type;
	d.proto = IPPROTO_TCP;
	d.end = l->payload + to - from;
	if (!read_envelope(&d, frame, m->data_len) || !(d.m = take_mbuf(w, d.end)))
		return unanswered(&d);
	uint8_t *copy = pkt_data(d.m), *t = copy + l->l4;
	memcpy(copy, frame, l->payload);
	memcpy(copy + l->payload, frame + l->payload + from, to - from);
	put32(t + 4, be32(t + 4) + from);
	if (to < l->wire_len)
		t[13] &= (uint8_t) ~(1 | 8); // FIN, PSH
	if (l->version == 4)
		mend_ip4(&d, l->l3, false);
	else
		mend_ip6(&d, l->l3, l->l4, false);
	return finish(&d, 16);
}
