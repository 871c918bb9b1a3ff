// SPDX-License-Identifier: BSD-3-Clause
//
// Which answer, and with which numbers. In comes a denial and the packet at which it fell; out go frames by tx_own, in
// the place of the walk behind that packet. Worker's thread.
//
//   default     TCP: RST to both ends; HTTP: page; DNS: NXDOMAIN; UDP, QUIC and the rest: ICMP unreachable; ICMP:
//   silence
//   unreachable of TCP: ICMP to a handshake; once the connection is open, RST to both ends behind it
//
// TCP believes a RST only at the very byte that it expects next (RFC 5961 3.2), and data only there, too. So numbers
// are those of what left this box: to the client, the end of what the server's side let through; to the server, the
// line up to which client bytes were let out. Where that is not known (a flow that was settled), the packet at hand
// says it: what it acknowledges, where it begins. An end that expects another byte answers with an ACK of its own,
// which says which, and is answered exactly (RFC 9293 3.10.7). What was on its way to an end when its flow was denied
// moves the line at which it believes; so an ACK that asks for more than the one before is answered, too, and the first
// packet of each direction that does not leave says where the other end stands.
//
// Bounded: to each end ANSWERS_AT_ONCE answers, then one a second; and ANSWERS_MOVED more to ACKs that move on, no more
// than packets that came. In replay, where nobody hears, it is one account for both. A RST, an ICMP error and what
// carries a signature of TCP (RFC 2385, RFC 5925: only its sender could sign an answer) are never answered.
#include <netinet/in.h>
#include <string.h>

#include "act_in.h"
#include "judge_in.h"
#include "rooms.h"
#include "stream_pool.h"

#define FIN 1
#define SYN 2
#define RST 4
#define PSH 8
#define ACK 16
#define ANSWERS_AT_ONCE 3
#define ANSWERS_MOVED 1000 // more than a window of 64 MiB has ACKs, at an ACK each 64 KiB
#define AGAIN_NS 1000000000ull
#define MSS4 536 // that any receiver takes (RFC 9293 3.7.1)
#define MSS6 1220
#define WINDOW 8192
#define DNS_FRAME 2 // length in front of a message on TCP (RFC 1035 4.2.2)

// ---- what the rule says ---------------------------------------------------------------------------------------------

uint8_t act_response(const struct ruleset *rs, const struct flow *f, uint32_t rule, unsigned dir)
{
	uint8_t r = rule < rs->nrules     ? rs->rules[rule].response
		    : rule == RULE_KILLED ? RESPONSE_RESET
					  : rs->default_response;
	return act_suits(r, f->key.proto, f->app);
}

uint8_t act_suits(uint8_t r, uint8_t proto, uint8_t app)
{
	bool tcp = proto == IPPROTO_TCP, dns = app == APP_DNS;
	if (r == RESPONSE_DROP || proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return RESPONSE_DROP;
	if (r == RESPONSE_UNREACHABLE)
		return r;
	if (dns && r == RESPONSE_SINKHOLE)
		return r;
	if (dns && (r == RESPONSE_DEFAULT || r == RESPONSE_NXDOMAIN))
		return RESPONSE_NXDOMAIN;
	if (tcp && app == APP_HTTP && (r == RESPONSE_DEFAULT || r == RESPONSE_PAGE))
		return RESPONSE_PAGE;
	if (tcp && app == APP_TLS && r == RESPONSE_TLS_ALERT)
		return r;
	return tcp ? RESPONSE_RESET : RESPONSE_UNREACHABLE;
}

static void about(const struct ruleset *rs, uint64_t flow_id, uint32_t rule, uint32_t tx_id, struct answer_about *a)
{
	static const uint8_t by_default[] = "default";
	*a = (struct answer_about){
		.id = by_default, .id_len = sizeof(by_default) - 1, .flow_id = flow_id, .tx_id = tx_id};
	if (rule >= rs->nrules)
		return;
	const struct ruleset_deed *d = &rs->deeds[rule];
	a->id = rs->bytes + d->id;
	a->id_len = d->id_len;
	a->reason = rs->bytes + d->reason;
	a->reason_len = d->reason_len;
}

// ---- what was said --------------------------------------------------------------------------------------------------

static struct said *said_set(struct act *a, uint64_t flow_id)
{
	uint64_t h = flow_id * 0x9e3779b97f4a7c15ull;
	return a->said[h >> 32 & (ACT_SAID_SETS - 1)];
}

// NULL: nothing was said, or it made place for a newer one.
static struct said *said_of(struct act *a, uint64_t flow_id)
{
	struct said *set = said_set(a, flow_id);
	for (unsigned i = 0; i < ACT_SAID_WAYS; i++)
		if (set[i].flow_id == flow_id)
			return &set[i];
	return NULL;
}

// The newest stands first; the oldest falls out.
static struct said *said_new(struct worker *w, const struct denial *d)
{
	struct said *s = said_set(w->act, d->f->id), *old = said_of(w->act, d->f->id);
	unsigned before = old ? (unsigned)(old - s) : ACT_SAID_WAYS - 1;
	memmove(s + 1, s, before * sizeof(*s));
	*s = (struct said){.flow_id = d->f->id,
			   .at_ns = {w->now_ns, w->now_ns},
			   .version = w->judge->policy->version,
			   .rule = d->rule,
			   .tx_id = d->tx_id,
			   .response = d->response,
			   .dir = d->dir,
			   .head = d->head,
			   .heard = (uint8_t)(1 << pkt_of(d->m)->dir),
			   .times = {1, 1}};
	return s;
}

// To the end that sends `dir` and asks for `ack`.
static bool may_again(struct worker *w, struct said *s, unsigned dir, uint32_t ack)
{
	unsigned to = w->config->live ? dir : 0;
	bool moves = w->config->live && s->ack[to] != ack && s->moves[to] < ANSWERS_MOVED;
	if (!moves && s->times[to] >= ANSWERS_AT_ONCE && w->now_ns - s->at_ns[to] < AGAIN_NS)
		return false;
	if (moves)
		s->moves[to]++;
	else if (s->times[to] <= ANSWERS_AT_ONCE)
		s->times[to]++;
	s->ack[to] = ack;
	s->at_ns[to] = w->now_ns;
	return true;
}

// False: nothing could be made.
static bool send_own(struct worker *w, const struct flow *f, struct rte_mbuf *m)
{
	if (m)
		tx_own(w, m, f->id);
	return m != NULL;
}

// ---- TCP ------------------------------------------------------------------------------------------------------------

static bool readable(const struct rte_mbuf *m, const struct layer *l)
{
	return l->payload >= l->l4 + 20 && l->payload <= m->data_len;
}

// A direction's next byte as its receiver expects it: the later of what is known.
static uint32_t later(bool known, uint32_t a, uint32_t b)
{
	return known && (int32_t)(a - b) > 0 ? a : b;
}

// Segment to the end that direction `dir` leads to, in answer to m, which was seen as s.
static struct answer_tcp segment_to(struct worker *w, struct rte_mbuf *m, const struct answer_seen *s, unsigned dir)
{
	const struct pkt *p = pkt_of(m);
	bool back = dir != p->dir;
	struct answer_tcp t = {.timestamps = s->timestamps && !(s->flags & SYN), .window = WINDOW};
	uint32_t left;
	bool known = act_left_to(w, p->flow, dir, &left);
	if (back) {
		t.seq = later(known, left, s->ack);
		t.ack = s->end;
		t.ts = s->ts_echo;
		t.ts_echo = s->ts;
	} else {
		t.seq = known ? left : s->seq;
		t.ack = s->ack;
		t.ts = s->ts;
		t.ts_echo = s->ts_echo;
	}
	return t;
}

static void reset_to(struct worker *w, struct rte_mbuf *m, const struct answer_seen *s, unsigned dir)
{
	const struct pkt *p = pkt_of(m);
	bool back = dir != p->dir;
	struct answer_tcp t = segment_to(w, m, s, dir);
	t.flags = RST | ACK;
	if (!(s->flags & ACK)) { // RFC 9293 3.10.7.1; and of an end that has not spoken yet nothing is known
		if (!back)
			return;
		t.seq = 0;
	}
	if ((s->flags & SYN) && !back && !(s->flags & ACK))
		return; // it heard nothing
	t.window = 0;
	send_own(w, p->flow, answer_tcp(w, m, back ? ANSWER_BACK : ANSWER_ON, &t));
}

static bool look(struct worker *w, struct rte_mbuf *m, struct answer_seen *s)
{
	const struct layer *l = pkt_of(m)->inner;
	if (!readable(m, l))
		return false;
	answer_seen(pkt_data(m), l, s);
	if (s->signature)
		count(w, COUNTER_UNANSWERED);
	return !s->signature && !(s->flags & RST);
}

void act_reset(struct worker *w, const struct denial *d)
{
	struct answer_seen s;
	if (!look(w, d->m, &s))
		return;
	reset_to(w, d->m, &s, 0);
	reset_to(w, d->m, &s, 1);
}

// Data and FIN to the end that `dir` leads to, in segments that it takes. Returns the number behind the FIN.
static uint32_t say_to(struct worker *w, struct rte_mbuf *m, unsigned dir, struct answer_tcp *t, const uint8_t *text,
		       uint32_t len)
{
	const struct pkt *p = pkt_of(m);
	uint32_t mss = p->inner->version == 4 ? MSS4 : MSS6;
	if (t->timestamps)
		mss -= 12;
	for (uint32_t at = 0; at < len;) {
		t->len = RTE_MIN(mss, len - at);
		t->data = text + at;
		at += t->len;
		t->flags = ACK | (at == len ? PSH | FIN : 0);
		if (!send_own(w, p->flow, answer_tcp(w, m, dir != p->dir ? ANSWER_BACK : ANSWER_ON, t)))
			return t->seq;
		t->seq += t->len;
	}
	return t->seq + 1;
}

// The client's bytes as far as they came in one piece, so that it does not send them again.
static uint32_t client_bytes(const struct worker *w, const struct flow *f, unsigned dir, uint32_t otherwise)
{
	const struct stream *st = stream_of(w, f);
	if (!st || !(st->side[dir].flags & STREAM_BASED))
		return otherwise;
	return later(true, st->side[dir].base_seq + (uint32_t)st->side[dir].next, otherwise);
}

static uint32_t text_of(const struct ruleset *rs, uint64_t flow_id, const struct denial *d,
			uint8_t out[ANSWER_TEXT_MAX])
{
	struct answer_about a;
	about(rs, flow_id, d->rule, d->tx_id, &a);
	switch (d->response) {
	case RESPONSE_PAGE:
		return answer_page(&a, d->head, out);
	case RESPONSE_TLS_ALERT:
		return answer_alert(out);
	case RESPONSE_NXDOMAIN:
	case RESPONSE_SINKHOLE:
		break;
	default:
		return 0;
	}
	const uint8_t *address = NULL;
	uint32_t len = 0;
	if (d->response == RESPONSE_SINKHOLE && d->rule < rs->nrules) {
		address = rs->bytes + rs->deeds[d->rule].sinkhole;
		len = rs->deeds[d->rule].sinkhole_len;
	}
	return answer_dns(d->query, d->query_len, &a, len ? address : NULL, len, out);
}

// DNS on TCP has its length in front.
static uint32_t tcp_text(struct worker *w, const struct denial *d, uint8_t out[ANSWER_TEXT_MAX + DNS_FRAME])
{
	if (d->f->app != APP_DNS)
		return text_of(w->rules, d->f->id, d, out);
	uint32_t n = text_of(w->rules, d->f->id, d, out + DNS_FRAME);
	out[0] = (uint8_t)(n >> 8);
	out[1] = (uint8_t)n;
	return n ? n + DNS_FRAME : 0;
}

// Page, alert or DNS answer, then FIN, to who asked; the other end is reset.
static void say(struct worker *w, const struct denial *d)
{
	uint8_t text[ANSWER_TEXT_MAX + DNS_FRAME];
	struct answer_seen s;
	uint32_t len = tcp_text(w, d, text);
	unsigned to = !d->dir; // the direction that leads to who asked
	if (!look(w, d->m, &s))
		return;
	if (!len || !(s.flags & ACK)) {
		act_reset(w, d);
		return;
	}
	struct answer_tcp t = segment_to(w, d->m, &s, to);
	t.ack = client_bytes(w, d->f, d->dir, t.ack);
	struct said *said = said_new(w, d);
	said->seq = t.seq;
	said->end = say_to(w, d->m, to, &t, text, len);
	reset_to(w, d->m, &s, d->dir);
}

static void tcp(struct worker *w, const struct denial *d)
{
	switch (d->response) {
	case RESPONSE_PAGE:
	case RESPONSE_TLS_ALERT:
	case RESPONSE_NXDOMAIN:
	case RESPONSE_SINKHOLE:
		say(w, d);
		return;
	default:
		said_new(w, d);
		act_reset(w, d);
	}
}

// ---- datagrams ------------------------------------------------------------------------------------------------------

// A query is answered to who sent it; in place of an answer that is refused, the one we make goes on.
static void dns(struct worker *w, const struct denial *d)
{
	uint8_t text[ANSWER_TEXT_MAX];
	const struct pkt *p = pkt_of(d->m);
	uint32_t len = text_of(w->rules, d->f->id, d, text);
	bool answer = d->query_len > 2 && (d->query[2] & 0x80), same = p->dir == d->dir;
	if (len)
		send_own(w, d->f, answer_udp(w, d->m, answer == same ? ANSWER_ON : ANSWER_BACK, text, len));
}

// Of a TCP connection that is open, or that its server has taken? There ICMP is an advice that stacks keep for later
// (RFC 5927 4.1): only a RST ends it.
static bool is_open(struct rte_mbuf *m)
{
	const struct layer *l = pkt_of(m)->inner;
	return pkt_of(m)->flow->key.proto == IPPROTO_TCP && readable(m, l) &&
	       (pkt_data(m)[l->l4 + 13] & (SYN | ACK)) != SYN;
}

static void unreachable(struct worker *w, const struct denial *d)
{
	said_new(w, d);
	if (pkt_of(d->m)->dir == 0) // who began is told; a server that answers what was denied is not
		send_own(w, d->f, answer_unreachable(w, d->m));
	if (is_open(d->m))
		act_reset(w, d);
}

void act_answer(struct worker *w, const struct denial *d)
{
	worker_at(w, pkt_of(d->m));
	if (d->response == RESPONSE_DROP)
		return;
	bool names = d->response == RESPONSE_NXDOMAIN || d->response == RESPONSE_SINKHOLE;
	if (d->response == RESPONSE_UNREACHABLE || (names && !d->query_len))
		unreachable(w, d);
	else if (d->f->key.proto == IPPROTO_TCP)
		tcp(w, d);
	else
		dns(w, d);
}

// ---- HTTP: the page waits -------------------------------------------------------------------------------------------

void act_ending_begins(struct worker *w, const struct denial *d)
{
	worker_at(w, pkt_of(d->m));
	said_new(w, d);
}

bool act_ending(struct worker *w, struct rte_mbuf *m, struct denial *d)
{
	struct flow *f = pkt_of(m)->flow;
	const struct said *s = said_of(w->act, f->id);
	d->query_len = 0;
	d->f = f;
	d->m = m;
	if (!s || s->version != w->judge->policy->version)
		return false;
	d->tx_id = s->tx_id;
	d->rule = s->rule;
	d->response = s->response;
	d->dir = s->dir;
	d->head = s->head;
	return true;
}

void act_deny_still(struct worker *w, const struct flow *f)
{
	struct said *s = said_of(w->act, f->id);
	if (!s)
		return;
	s->rule = f->rule;
	s->version = w->judge->policy->version;
}

// ---- after that -----------------------------------------------------------------------------------------------------

// Acknowledges the client's FIN, or says once more what it has not understood.
static void said_to_client(struct worker *w, struct rte_mbuf *m, const struct answer_seen *s, struct said *said)
{
	struct answer_tcp t = segment_to(w, m, s, !said->dir);
	struct denial d = {.f = pkt_of(m)->flow,
			   .m = m,
			   .rule = said->rule,
			   .tx_id = said->tx_id,
			   .response = said->response,
			   .dir = said->dir,
			   .head = said->head};
	uint8_t text[ANSWER_TEXT_MAX];
	if ((s->flags & FIN) && s->ack == said->end) {
		t.seq = said->end;
		t.flags = ACK;
		send_own(w, d.f, answer_tcp(w, m, ANSWER_BACK, &t));
		return;
	}
	if (!s->len || (int32_t)(s->ack - said->end) >= 0)
		return;
	uint32_t len = said->version == w->judge->policy->version ? text_of(w->rules, d.f->id, &d, text) : 0;
	if (said->response != RESPONSE_PAGE && said->response != RESPONSE_TLS_ALERT)
		len = 0; // the query is not kept
	if (!len) {
		reset_to(w, m, s, !said->dir);
		return;
	}
	t.seq = said->seq;
	t.ack = client_bytes(w, d.f, said->dir, s->end);
	say_to(w, m, !said->dir, &t, text, len);
}

static void tcp_again(struct worker *w, struct rte_mbuf *m, struct said *said)
{
	const struct pkt *p = pkt_of(m);
	struct answer_seen s;
	if (!look(w, m, &s))
		return;
	bool told = said->end != said->seq && p->dir == said->dir;
	if (told && !s.len && !(s.flags & FIN)) // acknowledges what was said
		return;
	if (!may_again(w, said, p->dir, s.ack))
		return;
	bool first = w->config->live && !(said->heard & 1 << p->dir);
	said->heard |= (uint8_t)(1 << p->dir);
	if (told) {
		said_to_client(w, m, &s, said);
		return;
	}
	// of a flow that is no more here (RFC 9293 3.10.7.1): exactly what it expects
	struct answer_tcp t = {.timestamps = s.timestamps && !(s.flags & SYN), .ts = s.ts_echo, .ts_echo = s.ts};
	t.seq = s.flags & ACK ? s.ack : 0;
	t.ack = s.end;
	t.flags = RST | ACK;
	send_own(w, p->flow, answer_tcp(w, m, ANSWER_BACK, &t));
	if (first && said->end == said->seq)
		reset_to(w, m, &s, p->dir);
}

// Of TCP what fell out of the table is said anew, as a reset: an end that heard nothing would wait for its time-out.
static bool forgotten(const struct worker *w, const struct flow *f)
{
	struct judge_word word;
	return f->key.proto == IPPROTO_TCP && judge_word(w, f, &word) && word.response != RESPONSE_DROP;
}

bool act_answered(const struct worker *w, const struct flow *f, unsigned dir)
{
	const struct said *s = said_of(w->act, f->id);
	bool apart = w->config->live && f->key.proto == IPPROTO_TCP; // and once more after a second
	if (!s)
		return !forgotten(w, f);
	return s->response == RESPONSE_DROP || s->times[apart ? dir : 0] >= ANSWERS_AT_ONCE + apart;
}

bool act_answer_again(struct worker *w, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	struct said *said = said_of(w->act, p->flow->id);
	if (!said)
		return !forgotten(w, p->flow);
	if (said->response == RESPONSE_DROP)
		return true;
	worker_at(w, p);
	if (said->response == RESPONSE_UNREACHABLE && !is_open(m)) {
		if (p->dir == 0 && may_again(w, said, 0, 0))
			send_own(w, p->flow, answer_unreachable(w, m));
	} else if (p->flow->key.proto == IPPROTO_TCP) {
		tcp_again(w, m, said);
	}
	return true;
}
