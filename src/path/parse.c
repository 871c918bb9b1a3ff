// SPDX-License-Identifier: BSD-3-Clause
//
// Headers of layers 3 and 4. Two callers, both on the worker's thread: decap, which asks parse_ip for each IP header
// that it meets on its walk, and the corridor, which calls parse_burst to look at the sums of what was found.
//
// In comes hostile input, out go facts about it in struct layer, or one reason. A fault is what a receiving stack
// throws away; what every stack accepts passes, however odd. Two kinds of shortness must never be confused: bytes
// that the headers promise and the *wire* did not have (a fault), and bytes that were there but were not captured
// (span.end < span.wire_end: read as far as they go, flagged LAYER_CUT, counted, never dropped).
//
// Sums come after structure, in a room of their own, because they touch the payload: the walk has then told
// how far it reaches, and the lines of the next packet's headers are on their way. Rejected: DPDK's
// rte_net_get_hdr_lens (it stops at one tunnel, and trusts lengths), and sums by rte_ipv4_udptcp_cksum_verify
// (two bytes a step without vector units, and it wants whole, contiguous, well-formed packets).
#include "parse.h"

#include <string.h>

#include <netinet/in.h>

#include <rte_common.h>

#include "checksum.h"
#include "rooms.h"
#include "base/senders.h"
#include "base/vouched.h"

#define IPV6_HEADERS_MAX 16 // extension headers in a chain; RFC 8200 4.1 has at most 7 with each kind once

#define PROTO_MOBILITY 135 // RFC 6275
#define PROTO_HIP 139      // RFC 7401
#define PROTO_SHIM6 140    // RFC 5533

// n bytes at off do not fit: is it the wire's fault or the capture's?
static enum parse_result too_short(const struct span *s, uint32_t off, uint32_t n, uint16_t *reason, uint16_t fault)
{
	if (s->end < s->wire_end && off + n <= s->wire_end)
		return PARSE_CUT;
	*reason = fault;
	return PARSE_FAULT;
}

// Narrows s to the datagram of `total` bytes at off. A total beyond the frame, in a capture that says that nothing
// was cut: live, that is what a receiver throws away. A capture is in doubt: many were cut by tools that rewrote the
// original length too (mirrors, exporters, editors), hence there it is read like a cut frame.
static bool narrow(struct span *s, uint32_t off, uint32_t total, struct layer *l)
{
	uint32_t wire_end = off + total;
	if (unlikely(wire_end > s->end)) {
		if (wire_end > s->wire_end && s->strict)
			return false;
		l->flags |= LAYER_CUT;
	} else {
		s->end = wire_end;
	}
	s->wire_end = wire_end;
	return true;
}

// RFC 791 3.1: end, no-operation, or type and length.
static bool ip4_options_sound(const uint8_t *o, uint32_t len)
{
	for (uint32_t i = 0; i < len;) {
		if (o[i] == 0)
			return true;
		if (o[i] == 1) {
			i++;
			continue;
		}
		if (len - i < 2 || o[i + 1] < 2 || o[i + 1] > len - i)
			return false;
		i += o[i + 1];
	}
	return true;
}

// RFC 4302 in front of something else: length in 4-byte words, less 2.
static enum parse_result skip_ah(const uint8_t *d, struct span *s, struct layer *l, uint16_t *reason)
{
	for (unsigned n = 0; l->proto == IPPROTO_AH && n < IPV6_HEADERS_MAX; n++) {
		if (l->l4 + 12u > s->end)
			return too_short(s, l->l4, 12, reason, REASON_PARSE_IP_OPTIONS);
		uint32_t len = (d[l->l4 + 1] + 2u) * 4;
		if (l->l4 + len > s->end)
			return too_short(s, l->l4, len, reason, REASON_PARSE_IP_OPTIONS);
		l->proto = d[l->l4];
		l->l4 += len;
	}
	return PARSE_OK;
}

static enum parse_result ip4(const uint8_t *d, uint32_t off, struct span *s, struct layer *l, uint16_t *reason)
{
	if (off + 20 > s->end)
		return too_short(s, off, 20, reason, REASON_PARSE_IP_TRUNCATED);
	const uint8_t *h = d + off;
	uint32_t header = (h[0] & 15u) * 4, total = be16(h + 2), fragment = be16(h + 6) & 0x3fff;
	if (total == 0) // segmentation left to the network card: the frame is the datagram
		total = s->wire_end - off;
	if (unlikely(h[0] >> 4 != 4 || header < 20 || total < header)) {
		*reason = REASON_PARSE_IP_MALFORMED;
		return PARSE_FAULT;
	}
	l->l4 = off + header;
	l->version = 4;
	l->ttl = h[8];
	l->proto = h[9];
	if (off + header > s->end)
		return too_short(s, off, header, reason, REASON_PARSE_IP_TRUNCATED);
	if (unlikely(!narrow(s, off, total, l))) {
		*reason = REASON_PARSE_IP_TRUNCATED;
		return PARSE_FAULT;
	}
	if (unlikely(header > 20) && !ip4_options_sound(h + 20, header - 20)) {
		*reason = REASON_PARSE_IP_OPTIONS;
		return PARSE_FAULT;
	}
	if (unlikely(fragment)) {
		l->flags |= LAYER_FRAGMENT;
		return PARSE_OK;
	}
	return likely(l->proto != IPPROTO_AH) ? PARSE_OK : skip_ah(d, s, l, reason);
}

// RFC 8200 4.2: Pad1, or type and length; they must end where the header ends.
static bool ip6_options_sound(const uint8_t *o, uint32_t len)
{
	for (uint32_t i = 0; i < len;) {
		if (o[i] == 0) {
			i++;
			continue;
		}
		if (len - i < 2 || 2u + o[i + 1] > len - i)
			return false;
		i += 2u + o[i + 1];
	}
	return true;
}

uint32_t parse_ip6_header_len(uint8_t kind, const uint8_t *h)
{
	switch (kind) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case PROTO_MOBILITY:
	case PROTO_HIP:
	case PROTO_SHIM6:
		return (h[1] + 1u) * 8;
	case IPPROTO_AH:
		return (h[1] + 2u) * 4;
	case IPPROTO_FRAGMENT:
		return 8;
	}
	return 0;
}

bool parse_ip_is_header(uint8_t kind)
{
	static const uint8_t some[8] = {0};
	return parse_ip6_header_len(kind, some) != 0;
}

// Walks the chain of extension headers; l->proto and l->l4 are what stands behind it. Order is free but for
// hop-by-hop, which every stack takes in the first place only (RFC 8200 4.1).
static enum parse_result ip6_headers(const uint8_t *d, struct span *s, struct layer *l, uint16_t *reason)
{
	for (unsigned n = 0; parse_ip_is_header(l->proto); n++) {
		uint8_t kind = l->proto;
		uint32_t at = l->l4;
		if (n == IPV6_HEADERS_MAX || (kind == IPPROTO_HOPOPTS && n > 0)) {
			*reason = REASON_PARSE_IP_OPTIONS;
			return PARSE_FAULT;
		}
		if (at + 8 > s->end)
			return too_short(s, at, 8, reason, REASON_PARSE_IP_OPTIONS);
		uint32_t len = parse_ip6_header_len(kind, d + at);
		if (at + len > s->end)
			return too_short(s, at, len, reason, REASON_PARSE_IP_OPTIONS);
		if ((kind == IPPROTO_HOPOPTS || kind == IPPROTO_DSTOPTS) && !ip6_options_sound(d + at + 2, len - 2)) {
			*reason = REASON_PARSE_IP_OPTIONS;
			return PARSE_FAULT;
		}
		// these two may stand last, as packets of their own: then they are the protocol
		if ((kind == PROTO_MOBILITY || kind == PROTO_HIP) && d[at] == IPPROTO_NONE)
			return PARSE_OK;
		l->proto = d[at];
		l->l4 = at + len;
		// offset 0 and no more to come: an atomic fragment, whole in itself (RFC 6946)
		if (kind == IPPROTO_FRAGMENT && (be16(d + at + 2) & 0xfff9)) {
			l->flags |= LAYER_FRAGMENT;
			return PARSE_OK;
		}
	}
	return PARSE_OK;
}

static enum parse_result ip6(const uint8_t *d, uint32_t off, struct span *s, struct layer *l, uint16_t *reason)
{
	if (off + 40 > s->end)
		return too_short(s, off, 40, reason, REASON_PARSE_IP_TRUNCATED);
	const uint8_t *h = d + off;
	if (unlikely(h[0] >> 4 != 6)) {
		*reason = REASON_PARSE_IP_MALFORMED;
		return PARSE_FAULT;
	}
	uint32_t total = 40u + be16(h + 4);
	// length 0: a jumbogram (RFC 2675), or segmentation left to the network card; and with nothing behind, nothing
	if (total == 40 && h[6] != IPPROTO_NONE)
		total = s->wire_end - off;
	l->l4 = off + 40;
	l->version = 6;
	l->proto = h[6];
	l->ttl = h[7];
	if (unlikely(!narrow(s, off, total, l))) {
		*reason = REASON_PARSE_IP_TRUNCATED;
		return PARSE_FAULT;
	}
	return likely(!parse_ip_is_header(l->proto)) ? PARSE_OK : ip6_headers(d, s, l, reason);
}

// What all L4 parsers leave: payload behind a header of `header` bytes, of which not all need to have been captured.
static void payload(struct layer *l, const struct span *s, uint32_t header)
{
	uint32_t at = l->l4 + header;
	l->payload = at < s->end ? at : s->end;
	l->payload_len = s->end - l->payload;
	l->wire_len = s->wire_end > at ? s->wire_end - at : 0;
}

static uint16_t tcp(const uint8_t *h, struct span *s, struct layer *l)
{
	uint32_t wire = s->wire_end - l->l4, here = s->end - l->l4;
	if (wire < 20)
		return REASON_PARSE_L4_TRUNCATED;
	if (here >= 4) {
		memcpy(&l->sport_be, h, 2);
		memcpy(&l->dport_be, h + 2, 2);
	}
	uint32_t header = 20;
	if (here >= 14) {
		header = (h[12] >> 4) * 4u;
		l->tcp_flags = h[13];
		if (l->tcp_flags & 0x20)
			l->flags |= LAYER_TCP_URG;
		if (header < 20)
			return REASON_PARSE_L4_MALFORMED;
		if (header > wire)
			return REASON_PARSE_L4_TRUNCATED;
	}
	payload(l, s, header);
	return 0;
}

static uint16_t udp(const uint8_t *h, struct span *s, struct layer *l)
{
	uint32_t wire = s->wire_end - l->l4, here = s->end - l->l4;
	if (wire < 8)
		return REASON_PARSE_L4_TRUNCATED;
	if (here >= 4) {
		memcpy(&l->sport_be, h, 2);
		memcpy(&l->dport_be, h + 2, 2);
	}
	uint32_t len = here >= 6 ? be16(h + 4) : wire;
	if (len == 0) // jumbogram (RFC 2675 4), or left to the network card
		len = wire;
	if (len < 8)
		return REASON_PARSE_L4_MALFORMED;
	if (len > wire)
		return REASON_PARSE_L4_TRUNCATED;
	// a datagram shorter than its IP payload: the rest is nobody's
	s->wire_end = l->l4 + len;
	if (s->end > s->wire_end)
		s->end = s->wire_end;
	payload(l, s, 8);
	return 0;
}

static uint16_t icmp(const uint8_t *h, struct span *s, struct layer *l)
{
	uint32_t wire = s->wire_end - l->l4, here = s->end - l->l4;
	// RFC 792: 8 bytes in every message; RFC 4443 2.1: 4 and a body, of at least 4 in every message known
	if (wire < 8)
		return REASON_PARSE_L4_TRUNCATED;
	if (here >= 2) {
		l->icmp_type = h[0];
		l->icmp_code = h[1];
	}
	// unreachable, quench, redirect, time exceeded, parameter problem; ICMPv6 errors are below 128 (RFC 4443 2.1)
	bool error = l->proto == IPPROTO_ICMP
			     ? (l->icmp_type >= 3 && l->icmp_type <= 5) || l->icmp_type == 11 || l->icmp_type == 12
			     : l->icmp_type < 128;
	if (error && here >= 2)
		l->flags |= LAYER_ICMP_ERROR;
	payload(l, s, 8);
	return 0;
}

static uint16_t sctp(const uint8_t *h, struct span *s, struct layer *l)
{
	uint32_t wire = s->wire_end - l->l4, here = s->end - l->l4;
	if (wire < 12)
		return REASON_PARSE_L4_TRUNCATED;
	if (here >= 4) {
		memcpy(&l->sport_be, h, 2);
		memcpy(&l->dport_be, h + 2, 2);
	}
	payload(l, s, 12);
	return 0;
}

uint16_t parse_l4(const uint8_t *d, struct span *s, struct layer *l)
{
	const uint8_t *h = d + l->l4;
	switch (l->proto) {
	case IPPROTO_TCP:
		return tcp(h, s, l);
	case IPPROTO_UDP:
		return udp(h, s, l);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return icmp(h, s, l);
	case IPPROTO_SCTP:
		return sctp(h, s, l);
	}
	payload(l, s, 0);
	return 0;
}

enum parse_result parse_ip(const uint8_t *d, uint32_t off, unsigned version, struct span *s, struct layer *l,
			   uint16_t *reason)
{
	memset(l, 0, sizeof(*l));
	l->l3 = off;
	if (version == 0)
		version = off < s->end ? d[off] >> 4 : 4;
	enum parse_result r;
	if (likely(version == 4)) {
		r = ip4(d, off, s, l, reason);
	} else if (version == 6) {
		r = ip6(d, off, s, l, reason);
	} else {
		*reason = REASON_PARSE_IP_MALFORMED;
		r = PARSE_FAULT;
	}
	if (unlikely(r != PARSE_OK))
		return r;
	if (unlikely(l->flags & LAYER_FRAGMENT)) {
		payload(l, s, 0);
		return PARSE_OK;
	}
	*reason = parse_l4(d, s, l);
	return *reason ? PARSE_FAULT : PARSE_OK;
}

bool parse_plausible_ip(const uint8_t *d, uint32_t off, const struct span *s)
{
	if (off >= s->end)
		return false;
	uint32_t wire = s->wire_end - off;
	if (d[off] >> 4 == 4) {
		if (off + 20 > s->end || (d[off] & 15) < 5)
			return false;
		uint32_t total = be16(d + off + 2); // 0: segmentation left to the network card, as parse_ip has it
		return total == 0 || (total >= (d[off] & 15u) * 4 && total <= wire);
	}
	return d[off] >> 4 == 6 && off + 40 <= s->end && be16(d + off + 4) + 40u <= wire;
}

uint32_t parse_l4_header_len(uint8_t proto, const uint8_t *l4, uint32_t len)
{
	switch (proto) {
	case IPPROTO_TCP:
		return len >= 13 ? RTE_MAX((l4[12] >> 4) * 4u, 20u) : 20u;
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 8;
	case IPPROTO_SCTP:
		return 12;
	}
	return 1;
}

uint32_t parse_chain_len(const struct layer *l, const uint8_t *bytes, uint32_t len)
{
	uint8_t proto = l->proto;
	uint32_t at = 0;
	for (unsigned n = 0; l->version == 6 && parse_ip_is_header(proto) && n < IPV6_HEADERS_MAX; n++) {
		if (at + 8 > len)
			return at + 8;
		uint32_t header = parse_ip6_header_len(proto, bytes + at);
		proto = bytes[at];
		at += header;
	}
	return at + parse_l4_header_len(proto, bytes + at, at < len ? len - at : 0);
}

static const uint8_t *source(const struct layer *l, const uint8_t *d)
{
	return d + l->l3 + (l->version == 4 ? 12 : 8);
}

// Which sums of a sender stand and fall together: all, but what a middlebox or a tool has cut anew has right ones while
// the SYNs and ACKs beside it are as the host handed them over. So segments without data are judged apart, and so are
// fragments. Rejected: segments with data apart from those without, the other way round, for then a sender of right
// ACKs and one inserted segment of wrong sum would be believed.
static uint8_t kind_l4(const struct layer *l)
{
	return l->proto == IPPROTO_TCP && l->wire_len == 0 ? SENDERS_TCP_EMPTY : l->proto;
}

static uint8_t kind_joined(struct rte_mbuf *m, const struct layer *l)
{
	return l->proto == IPPROTO_UDP && (pkt_of(m)->flags & PKT_VIRTUAL) ? SENDERS_UDP_JOINED : kind_l4(l);
}

static uint8_t kind_ip(const struct layer *l)
{
	if (l->flags & LAYER_FRAGMENT)
		return SENDERS_IP_FRAGMENT;
	return kind_l4(l) == SENDERS_TCP_EMPTY ? SENDERS_IP_EMPTY : SENDERS_IP;
}

static const uint8_t anybody[16]; // whoever came in fragments: it is the tool that shows itself, not a host

static void note_sum(struct worker *w, const struct layer *l, const uint8_t *src, uint8_t kind, bool good)
{
	senders_note(w->senders_pass, l->version, kind == SENDERS_UDP_JOINED ? anybody : src, kind, good);
	if (kind == SENDERS_TCP_EMPTY)
		senders_note(w->senders_pass, l->version, src, IPPROTO_TCP, good);
	else if (kind == SENDERS_IP_EMPTY)
		senders_note(w->senders_pass, l->version, src, SENDERS_IP, good);
	else if (kind == SENDERS_UDP_JOINED)
		senders_note(w->senders_pass, l->version, src, IPPROTO_UDP, good);
}

// A TCP segment as the first pass remembers it. False: the capture has not so much of its header.
static bool segment_of(struct rte_mbuf *m, const struct layer *l, bool wrong, struct vouched_segment *s)
{
	const uint8_t *d = pkt_data(m), *t = d + l->l4;
	if (l->l4 + 14u > m->data_len)
		return false;
	*s = (struct vouched_segment){.tenant = pkt_of(m)->tenant,
				      .time_ns = pkt_of(m)->time_ns,
				      .src = source(l, d),
				      .dst = source(l, d) + (l->version == 4 ? 4 : 16),
				      .bytes = d + l->payload,
				      .seq = be32(t + 4),
				      .ack = be32(t + 8),
				      .len = l->wire_len,
				      .sport_be = l->sport_be,
				      .dport_be = l->dport_be,
				      .version = l->version,
				      .flags = t[13],
				      .wrong = wrong};
	return true;
}

// First pass: what was found is noted, and nothing is judged.
static void note(struct worker *w, struct rte_mbuf *m, const struct layer *l, bool wrong)
{
	struct vouched_segment s;
	if (l->proto != IPPROTO_TCP || !w->vouched)
		return;
	if (segment_of(m, l, wrong, &s))
		vouched_note(w->vouched, &s);
	else
		vouched_doubt(w->vouched);
}

// A sum was found wrong. Returns true where the packet is to go on: the sender offloads, or this one sum is unfinished
// (hosts merge what they receive, and capture it so: then some of a sender's sums are wrong and others right), or the
// receiver is seen to have taken the segment (the capture was edited).
static bool excused(struct worker *w, struct rte_mbuf *m, const struct layer *l, uint8_t kind, bool unfinished)
{
	struct vouched_segment s;
	const uint8_t *src = source(l, pkt_data(m));
	if (w->senders_pass) {
		note_sum(w, l, src, kind, false);
		return true;
	}
	if (w->config->checksum != CHECKSUM_OFFLOAD_AWARE)
		return false;
	// a host that leaves the header sums of its ACKs to its card leaves all of them
	bool joined = kind == SENDERS_UDP_JOINED;
	if (unfinished ||
	    (w->senders && (senders_offload(w->senders, l->version, joined ? anybody : src, kind) ||
			    (joined && senders_offload(w->senders, l->version, src, IPPROTO_UDP)) ||
			    (kind == SENDERS_IP && senders_offload(w->senders, l->version, src, SENDERS_IP_EMPTY))))) {
		count(w, COUNTER_CSUM_OFFLOADED);
		return true;
	}
	if ((kind != IPPROTO_TCP && kind != SENDERS_TCP_EMPTY) || !w->vouched || !segment_of(m, l, true, &s) ||
	    !vouched_for(w->vouched, &s))
		return false;
	count(w, COUNTER_CSUM_ACKNOWLEDGED);
	return true;
}

static uint16_t sum_ip4(struct worker *w, struct rte_mbuf *m, const struct layer *l)
{
	const uint8_t *d = pkt_data(m);
	if (unlikely((l->flags & LAYER_CUT) && l->l4 > m->data_len)) // what it is the sum of was not captured
		return 0;
	if (unlikely(!checksum_ip4(d + l->l3)))
		return excused(w, m, l, kind_ip(l), false) ? 0 : REASON_PARSE_IP_CSUM;
	if (unlikely(w->senders_pass != NULL) && !(pkt_of(m)->flags & PKT_VIRTUAL)) // whose header is defrag's
		note_sum(w, l, source(l, d), kind_ip(l), true);
	return 0;
}

// Live: the port says that the frame was never on a wire (its sender left the sum to a card that it does not have), or
// that its card has looked. The next port has no card either, so the sum is made here. False: it is simply wrong.
static bool finished(struct worker *w, struct rte_mbuf *m, const struct layer *l, bool unfinished)
{
	uint64_t marks = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (marks != RTE_MBUF_F_RX_L4_CKSUM_GOOD && !(unfinished && marks == RTE_MBUF_F_RX_L4_CKSUM_NONE))
		return false;
	if (l->proto != IPPROTO_TCP && l->proto != IPPROTO_UDP)
		return false;
	checksum_finish(pkt_data(m), l);
	count(w, COUNTER_CSUM_FINISHED);
	return true;
}

static uint16_t sum_l4(struct worker *w, struct rte_mbuf *m, struct layer *l)
{
	const uint8_t *d = pkt_data(m);
	enum checksum_result r = checksum_l4(d, l);
	bool unfinished = unlikely(r == CHECKSUM_BAD) && checksum_unfinished(d, l);
	if (unlikely(r == CHECKSUM_BAD) && !finished(w, m, l, unfinished)) {
		if (!excused(w, m, l, kind_joined(m, l), unfinished))
			return REASON_PARSE_L4_CSUM;
		l->flags |= LAYER_CSUM_BAD;
	}
	if (unlikely(w->senders_pass != NULL)) {
		if (r == CHECKSUM_GOOD)
			note_sum(w, l, source(l, d), kind_joined(m, l), true);
		note(w, m, l, r == CHECKSUM_BAD && !unfinished);
	}
	return 0;
}

static uint16_t sums(struct worker *w, struct rte_mbuf *m, struct layer *l)
{
	uint16_t reason = l->version == 4 ? sum_ip4(w, m, l) : 0;
	if (unlikely(reason || (l->flags & LAYER_FRAGMENT)))
		return reason;
	if (likely(!(l->flags & LAYER_CUT)))
		return sum_l4(w, m, l);
	if (w->senders_pass)
		note(w, m, l, false); // what it holds is not known to be wrong
	return 0;
}

// Of a transport only the IP header is summed: its UDP sum, if it has one, covers bytes that have sums of their own.
static uint16_t transport_sum(struct worker *w, struct rte_mbuf *m)
{
	uint16_t l3 = pkt_of(m)->transport_l3;
	struct layer l = {.l3 = l3, .version = pkt_data(m)[l3] >> 4};
	return l.version == 4 ? sum_ip4(w, m, &l) : 0;
}

void parse_burst(struct worker *w, struct burst *b)
{
	if (w->config->checksum == CHECKSUM_IGNORE && !w->senders_pass)
		return;
	for (unsigned i = 0; i < b->n; i++) {
		struct pkt *p = pkt_of(b->m[i]);
		if (unlikely(p->reason)) // what passes because it was cut has IP headers, too
			continue;
		if (unlikely((p->flags & PKT_TRANSPORT) && p->nparsed == 0))
			pkt_drop(p, transport_sum(w, b->m[i]));
		for (; p->nparsed < p->nlayers; p->nparsed++) {
			uint16_t reason = sums(w, b->m[i], &p->layer[p->nparsed]);
			if (unlikely(reason)) {
				pkt_drop(p, reason);
				p->hash = 0; // no flow's
				break;
			}
		}
	}
}
