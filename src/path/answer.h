// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that are made here: what is said to the ends of a flow, in the envelope of one of its packets. See answer.c.
// Worker's thread; memory is the worker's pool of frames. Every function gives NULL where no frame can be made, which
// is counted (unanswered): the pool is empty, or the envelope cannot be turned round.
#pragma once

#include "pkt.h"

struct worker;

// To whom: to the sender of `like`, a packet of the flow, or the way that it went.
enum answer_way { ANSWER_BACK, ANSWER_ON };

struct answer_tcp {
	uint32_t seq, ack;
	uint32_t ts, ts_echo; // RFC 7323; where `timestamps`
	bool timestamps;
	uint8_t flags;
	uint16_t window;
	const uint8_t *data;
	uint32_t len;
};

// What the TCP header of a packet says, of a layer whose header is there in full.
struct answer_seen {
	uint32_t seq, ack, ts, ts_echo;
	uint32_t end; // seq behind its last byte, SYN and FIN counted
	uint32_t len; // bytes of payload on the wire
	uint16_t window;
	uint8_t flags;
	bool timestamps, signature; // options of RFC 7323; of RFC 2385 or RFC 5925
};
void answer_seen(const uint8_t *frame, const struct layer *l, struct answer_seen *s);

struct rte_mbuf *answer_tcp(struct worker *w, struct rte_mbuf *like, enum answer_way way, const struct answer_tcp *t);
struct rte_mbuf *answer_udp(struct worker *w, struct rte_mbuf *like, enum answer_way way, const void *data,
			    uint32_t len);
// ICMP: communication administratively prohibited (RFC 792 and RFC 1812 5.2.7.1, RFC 4443 3.1), to the sender of m,
// quoting m. NULL without being counted: about such a packet nothing may be said.
struct rte_mbuf *answer_unreachable(struct worker *w, struct rte_mbuf *m);
// An ICMP or ICMPv6 error to the sender of m, quoting m, from an address of ours (NULL: from the one that m was for).
struct answer_error {
	uint8_t type, code;
	uint32_t word;       // bytes 4 to 7 of the header
	const uint8_t *from; // of m's IP version
};
struct rte_mbuf *answer_error(struct worker *w, struct rte_mbuf *m, const struct answer_error *e);
// Bytes [from, to) of the payload of a TCP segment as a segment of its own, all else as it was (in gwlb, too: it
// passes, and is turned round with all that does). A FIN stays with the last byte. Not for PKT_VIRTUAL.
struct rte_mbuf *answer_piece(struct worker *w, struct rte_mbuf *m, uint32_t from, uint32_t to);

// ---- what is said: answer_text.c, answer_dns.c. All give the bytes written, 0: none.

struct answer_about {
	const uint8_t *id, *reason; // of the rule
	uint32_t id_len, reason_len;
	uint64_t flow_id; // incident: flow id in hex, a dot, number of the transaction
	uint32_t tx_id;
};
#define ANSWER_TEXT_MAX 2048
// A response with the page (403). head: without its body.
uint32_t answer_page(const struct answer_about *a, bool head, uint8_t out[ANSWER_TEXT_MAX]);
// A fatal alert, access_denied (RFC 8446 6.2).
uint32_t answer_alert(uint8_t out[ANSWER_TEXT_MAX]);
// The answer to a DNS message (a query, or the answer that is refused). address: NULL: the name does not exist; else
// 4 or 16 bytes.
uint32_t answer_dns(const uint8_t *message, uint32_t len, const struct answer_about *a, const uint8_t *address,
		    uint32_t address_len, uint8_t out[ANSWER_TEXT_MAX]);
