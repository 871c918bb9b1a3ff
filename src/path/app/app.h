// SPDX-License-Identifier: BSD-3-Clause
//
// What a protocol parser is given and what it answers. A parser reads bytes, writes facts and transactions, and
// keeps no pointer. It runs on the worker's thread: no allocation, no system call, no unbounded loop; its input
// is hostile. One protocol a file; inspect.c holds the table of them.
#pragma once

#include "../stream.h"

#define APP_SCRATCH_BYTES (160 * 1024)

typedef uint64_t txn_t; // 0: none

// txn.c's: the record of the transaction that was written to last, so that it is not looked for at each fact.
struct txn_pen {
	txn_t t;
	struct record *record;
	uint32_t room; // bytes that it may have
};

struct app_in {
	struct worker *w;
	struct flow *f;
	void *state;         // APP_STATE_BYTES, zeroed when the parser takes over (TCP); NULL for datagrams
	const uint8_t *data; // contiguous bytes not consumed yet (TCP), or one datagram
	uint32_t len;
	uint8_t dir;        // 0: from the initiator
	bool end;           // no byte follows: parse what is whole, as far as it goes
	bool last;          // the flow ends: neither direction will move again, waiting is in vain
	bool after_gap;     // bytes before data[0] are missing: look for a place to start again
	bool cut;           // datagram shorter than it was on the wire
	bool upgraded;      // HTTP/1 was left by agreement before
	bool decoded;       // data is no part of the stream: all of it was made of run.from bytes that lie at run
	uint64_t offset;    // of data[0] in the direction (TCP), 0 in a datagram
	struct rte_mbuf *m; // datagrams: the packet
	uint8_t *scratch;   // APP_SCRATCH_BYTES to work in; contents last until the parser returns

	struct stream_run run; // app_origin's: bytes of data that came together
	struct txn_pen pen;
	// Not 0: a glimpse (inspect_glimpse.c), which leaves nothing behind. No transaction before this one is written
	// to, none is ended, no anomaly said; what would be denied is, by in->drop alone.
	txn_t since;

	// answers
	uint32_t consumed; // bytes done with, from data[0]
	uint64_t skip;     // then pass over this many without storing them (a body)
	uint32_t need;     // call again when this many bytes are there (0: at any new byte)
	uint16_t drop;     // enum reason: the packet in work is dropped for it; set by app_refuse
	uint32_t allowed;  // with drop: bytes of data before the message that is refused
	bool hold;         // datagrams: what it says is not whole yet, and is judged when it is
	bool judged;       // judge.c's: a transaction was judged in this call
};

// What lies from data[consumed] on does not leave. The first reason stays.
static inline void app_refuse(struct app_in *in, uint16_t reason)
{
	if (in->drop)
		return;
	in->drop = reason;
	in->allowed = in->consumed;
}

enum app_step {
	APP_MORE,    // go on with this parser; consumed/skip/need say how
	APP_WAIT,    // nothing to be done before the other direction has moved; bytes stay
	APP_SWITCH,  // this protocol ended (CONNECT, STARTTLS, SOCKS): what follows, both ways, is detected anew
	APP_UPGRADE, // the same, and what follows is another protocol than HTTP/1 (101)
	APP_DONE,    // rest of this direction is of no interest
	APP_CLOSE,   // rest of both directions is of no interest (opaque)
	APP_NOT,     // not this protocol after all: detect again
};

// The same as app_origin, for a place of which in->run does not tell.
struct origin app_origin_find(const struct app_in *in, uint64_t offset, uint32_t len);

// Where p[0..len) of in->data came from.
static inline struct origin app_origin(const struct app_in *in, const void *p, uint32_t len)
{
	uint64_t offset = in->offset + (size_t)((const uint8_t *)p - in->data), in_run = offset - in->run.from;
	if (likely(in_run < in->run.len))
		return (struct origin){in->run.frame, in->run.off + (uint32_t)in_run, len};
	return app_origin_find(in, offset, len);
}

// ---- transactions and facts: txn.c -------------------------------------------------------------
// A transaction is a record in the making, in the worker's arena, until it is ended. The arena is a ring: when it
// is full the oldest is written as it stands (counter facts_evicted), so nothing is lost. A handle whose record
// is gone is accepted and ignored.
txn_t txn_begin(const struct app_in *in, enum record_kind kind, uint32_t max_bytes);
void txn_str(const struct app_in *in, txn_t t, enum fact_field f, const void *p,
	     uint32_t len); // p inside in->data: origin known
void txn_str_from(const struct app_in *in, txn_t t, enum fact_field f, const void *value, uint32_t len,
		  struct origin o);
void txn_num(const struct app_in *in, txn_t t, enum fact_field f, uint64_t value, struct origin o);
// Room for a value of len bytes, of any length, that the caller writes there at once. NULL: there is none (counted).
void *txn_reserve(const struct app_in *in, txn_t t, enum fact_field f, uint32_t len, struct origin o);
void txn_kind(const struct app_in *in, txn_t t, uint8_t tx_kind);
struct record *txn_record(const struct app_in *in, txn_t t); // as it stands; NULL: gone
void txn_end(const struct app_in *in, txn_t t);              // writes the record
// The transaction that will be begun next; those from `since` on were never begun.
txn_t txn_next(const struct worker *w);
void txn_forget(struct worker *w, txn_t since);

// An anomaly of the flow, with an optional value.
void app_anomaly(const struct app_in *in, enum anomaly a, const void *p, uint32_t len);
// The same, with the place of the bytes that it is about; a value may be absent (NULL).
void app_anomaly_from(const struct app_in *in, enum anomaly a, const void *value, uint32_t len, struct origin o);
// One without a value, about p[0..len) of in->data, whose place is said.
static inline void app_anomaly_at(const struct app_in *in, enum anomaly a, const void *p, uint32_t len)
{
	app_anomaly_from(in, a, NULL, 0, app_origin(in, p, len));
}

// ---- parsers ------------------------------------------------------------------------------------------------
enum app_step tls_data(struct app_in *in);
enum app_step http_data(struct app_in *in);
// Requests that were read and wait for the end of their responses. UNKNOWN: nor will it be known where that is.
enum http_rest { HTTP_REST_NONE, HTTP_REST_SOME, HTTP_REST_UNKNOWN };
enum http_rest http_rest(const void *state);
enum app_step http2_data(struct app_in *in);
enum app_step dns_data(struct app_in *in); // TCP
enum app_step ssh_data(struct app_in *in);
enum app_step prelude_data(struct app_in *in); // SMTP, FTP, IMAP, POP3 up to STARTTLS
enum app_step socks_data(struct app_in *in);
void tls_end(struct app_in *in); // the flow ends: write what is open. in->data is NULL
void http_end(struct app_in *in);
void http2_end(struct app_in *in);
void ssh_end(struct app_in *in);

// Datagrams. True: it was this protocol.
bool dns_datagram(struct app_in *in);
bool quic_datagram(struct app_in *in);
bool dtls_datagram(struct app_in *in);
bool quic_waits(const struct app_in *in, const struct flow *f); // something of it, for a hello that is not whole
// What comes under short headers tells nothing more: what its one connection says was judged.
bool quic_settled(const struct worker *w, const struct flow *f);
void quic_rest(struct app_in *in); // hellos that are not whole: all that will be there
void dtls_rest(struct app_in *in); // the same
void quic_end(struct app_in *in);
void dtls_end(struct app_in *in);
// Is this the protocol? 1 yes, 0 no, -1 cannot be told from so few bytes. Strict: random bytes never say yes.
int tls_looks(const uint8_t *p, uint32_t len);
// Where a ClientHello's record begins, as strictly as can be, in the midst of other bytes. len: nowhere.
uint32_t tls_hello_within(const uint8_t *p, uint32_t len);
int dtls_looks(const uint8_t *p, uint32_t len);
int http_looks(const uint8_t *p, uint32_t len);
int http_looks_midway(const uint8_t *p, uint32_t len); // where p[0] need not be a message's first byte
int http2_looks(const uint8_t *p, uint32_t len);
int http2_looks_midway(const uint8_t *p, uint32_t len); // no preface is there: a server's side, or a later part
int ssh_looks(const uint8_t *p, uint32_t len);
int prelude_looks(const uint8_t *p, uint32_t len);
int socks_looks(const uint8_t *p, uint32_t len);
int dns_looks(const uint8_t *p, uint32_t len, bool tcp);
int dns_looks_home(const struct flow *f, const uint8_t *p, uint32_t len); // TCP, port 53
// Memory of the datagram protocols' handshakes (config->apps), reached through worker->inspect.
struct quic *quic_new(const struct path_config *c);
void quic_free(struct quic *q);
struct http2 *http2_new(const struct path_config *c); // of connections
void http2_free(struct http2 *h);
struct dtls *dtls_new(const struct path_config *c);
void dtls_free(struct dtls *d);
