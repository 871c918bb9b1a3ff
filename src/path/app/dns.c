// SPDX-License-Identifier: BSD-3-Clause
//
// DNS messages (RFC 1035, 2136 update, 1996 notify, 6762 mDNS, 4795 LLMNR). In comes a datagram, or a TCP stream
// with a two-byte length before each message (RFC 1035 4.2.2); out goes one record a message, whole at once, so it
// is built in the record scratch and not in the arena of transactions. Runs on the worker's thread.
//
// Two thresholds. On port 53 (5353, 5355), or on a flow that has spoken DNS, a message is read as far as it goes:
// a frame cut by the snap length still gives its question. Anywhere else a message must be beyond doubt: sane
// header, known types, read to exactly its last byte. NetBIOS names (port 137) have the same layout and are not DNS.
//
// What must never happen: a name that the message does not hold. A name is given whole or not at all.
// A name that no server can have been meant to read (loops, forward pointers, over-long), and bytes behind a
// question count of zero, are how two readers are made to see two names: the packet is dropped (dns_bad_name).
//
// Rejected: one lenient reader everywhere (one datagram in some thousands of other protocols then reads as a
// query for the root), and a transaction that waits for its answer (an answer is a transaction of its own here,
// since the policy judges it by itself).
#include "dns.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include "../act.h"
#include "../judge.h"
#include "../record_out.h"
#include "base/be.h"
#include "bytes.h"
#include "dns_in.h"

#define PORT_DNS 53
#define PORT_NBNS 137
#define PORT_MDNS 5353
#define PORT_LLMNR 5355

#define RDATA_MAX 6144 // kept of one record's data: fits a fact (FACT_VALUE_MAX) with its name
#define HOME_MAX 1024  // bytes of a first message; queries have 20 to 500
#define JUNK_MAX 8
#define RR_ROOM (RDATA_MAX + 2048)

enum {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_PTR = 12,
	TYPE_MX = 15,
	TYPE_AAAA = 28,
	TYPE_SRV = 33,
	TYPE_DNAME = 39,
	TYPE_OPT = 41
};

// ---- one message into one record ---------------------------------------------------------------------------

struct reading {
	struct app_in *in;
	const uint8_t *p; // the message
	uint32_t len, at;
	struct dns_header h;
	struct record *record;
	bool cut; // bytes are missing at its end, and that is the capture's doing
	bool mdns;
	bool shortened; // ends before what its counts promise
	bool bad_name;
	uint16_t rcode_high;         // of EDNS (RFC 6891 6.1.3)
	struct dns_name asked, last; // last question; last name given as an answer
};

static bool on_port(const struct flow *f, uint16_t port)
{
	return f->key.aport_be == htons(port) || f->key.bport_be == htons(port);
}

static void open_record(struct reading *r)
{
	struct app_in *in = r->in;
	struct record *rec = in->w->rules ? record_begin_aside(in->w, RECORD_DNS) : record_begin(in->w, RECORD_DNS);
	r->record = rec;
	flow_record(in->w, in->f, rec);
	rec->dir = in->dir;
	rec->app = APP_DNS;
	rec->tx_id = in->f->tx_count;
	rec->tx_kind = dns_is_answer(&r->h);
	record_num(in->w, FACT_DNS_ID, r->h.id, app_origin(in, r->p, 2));
	record_num(in->w, FACT_DNS_FLAGS, r->h.flags, app_origin(in, r->p + 2, 2));
}

static void close_record(struct reading *r)
{
	struct app_in *in = r->in;
	if (dns_is_answer(&r->h))
		record_num(in->w, FACT_DNS_RCODE, r->rcode_high | (r->h.flags & 15), app_origin(in, r->p + 3, 1));
	if (unlikely(in->w->rules)) {
		act_query(in->w, r->p, r->len);
		judge_record(in, r->record);
		act_query(in->w, NULL, 0);
		if (in->since || !judge_said(in->w, r->record))
			return;
	}
	record_write(in->w);
}

// A message of 64 KiB can unfold to more than a record holds: it goes on in another of the same transaction.
static void make_room(struct reading *r)
{
	if (r->record->len + RR_ROOM <= RECORD_MAX)
		return;
	close_record(r);
	open_record(r);
}

static enum dns_name_end name_at(struct reading *r, uint32_t at, struct dns_name *n)
{
	enum dns_name_end e = dns_name_read(r->p, r->len, at, n);
	r->bad_name |= e == DNS_NAME_BAD;
	r->shortened |= e == DNS_NAME_CUT;
	return e;
}

static bool same_name(const struct dns_name *a, const struct dns_name *b)
{
	if (a->len != b->len)
		return false;
	for (uint32_t at = 0; at < a->len; at += 16) {
		__m128i x = bytes_lower(bytes_load(a->text + at, a->len - at));
		__m128i y = bytes_lower(bytes_load(b->text + at, b->len - at));
		if (bytes_bits(_mm_cmpeq_epi8(x, y)) != 0xffff)
			return false;
	}
	return true;
}

static void say_host(struct reading *r, const struct dns_name *n, struct origin o)
{
	uint8_t host[DNS_NAME_MAX + 1]; // whole blocks of 16
	if (n->len == 0)
		return;
	for (uint32_t at = 0; at < n->len; at += 16)
		_mm_storeu_si128((__m128i *)(host + at), bytes_lower(bytes_load(n->text + at, n->len - at)));
	record_fact(r->in->w, FACT_HOST, host, n->len, o);
}

// False: nothing behind it can be read.
static bool read_question(struct reading *r)
{
	struct worker *w = r->in->w;
	if (name_at(r, r->at, &r->asked) != DNS_NAME_OK)
		return false;
	struct origin o = app_origin(r->in, r->p + r->at, r->asked.wire);
	make_room(r);
	record_fact(w, FACT_DNS_QNAME, r->asked.text, r->asked.len, o);
	say_host(r, &r->asked, o);
	r->at += r->asked.wire;
	if (r->at + 4 > r->len) {
		r->shortened = true;
		return false;
	}
	record_num(w, FACT_DNS_QTYPE, be16(r->p + r->at), app_origin(r->in, r->p + r->at, 2));
	r->at += 4;
	return true;
}

struct rdata {
	uint16_t type;
	uint32_t at, len;     // where it stands in the message
	uint8_t *out;         // its form is written here, at most RDATA_MAX bytes
	uint32_t n;           // so many were
	struct dns_name name; // the name it gives, for dns.answer
	bool named;
};

static void put(struct rdata *d, const void *v, uint32_t len)
{
	memcpy(d->out + d->n, v, len);
	d->n += len;
}

static void put_numbers(const struct reading *r, struct rdata *d, unsigned skip, unsigned n, unsigned bytes)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = r->p + d->at + skip + i * bytes;
		uint16_t half = be16(p);
		uint32_t whole = bytes == 4 ? be32(p) : 0;
		put(d, bytes == 4 ? (void *)&whole : (void *)&half, bytes);
	}
}

// A name inside rdata, that must end with it or leave `tail` bytes.
static bool rdata_name(struct reading *r, struct rdata *d, uint32_t skip, uint32_t tail)
{
	if (d->len < skip + tail + 1 || name_at(r, d->at + skip, &d->name) != DNS_NAME_OK)
		return false;
	return skip + d->name.wire + tail == d->len;
}

static bool form_name(struct reading *r, struct rdata *d)
{
	if (!rdata_name(r, d, 0, 0))
		return false;
	put(d, d->name.text, d->name.len);
	return d->named = true;
}

static bool form_mx(struct reading *r, struct rdata *d)
{
	if (!rdata_name(r, d, 2, 0))
		return false;
	put_numbers(r, d, 0, 1, 2);
	put(d, d->name.text, d->name.len);
	return d->named = true;
}

static bool form_srv(struct reading *r, struct rdata *d)
{
	if (!rdata_name(r, d, 6, 0))
		return false;
	put_numbers(r, d, 0, 3, 2);
	put(d, d->name.text, d->name.len);
	return d->named = true;
}

static bool form_soa(struct reading *r, struct rdata *d)
{
	struct dns_name rname;
	if (d->len < 22 || name_at(r, d->at, &d->name) != DNS_NAME_OK ||
	    name_at(r, d->at + d->name.wire, &rname) != DNS_NAME_OK ||
	    (uint32_t)d->name.wire + rname.wire + 20 != d->len)
		return false;
	put_numbers(r, d, d->len - 20, 5, 4);
	put(d, &d->name.len, 2);
	put(d, d->name.text, d->name.len);
	put(d, rname.text, rname.len);
	return d->named = true;
}

static bool form_address(struct reading *r, struct rdata *d)
{
	if (d->len != (d->type == TYPE_A ? 4 : 16))
		return false;
	put(d, r->p + d->at, d->len);
	return true;
}

static const struct {
	uint16_t type;
	uint8_t form;
	bool (*read)(struct reading *, struct rdata *);
} forms[] = {
	{TYPE_A, DNS_RDATA_ADDRESS, form_address}, {TYPE_AAAA, DNS_RDATA_ADDRESS, form_address},
	{TYPE_CNAME, DNS_RDATA_NAME, form_name},   {TYPE_NS, DNS_RDATA_NAME, form_name},
	{TYPE_PTR, DNS_RDATA_NAME, form_name},     {TYPE_DNAME, DNS_RDATA_NAME, form_name},
	{TYPE_MX, DNS_RDATA_MX, form_mx},          {TYPE_SRV, DNS_RDATA_SRV, form_srv},
	{TYPE_SOA, DNS_RDATA_SOA, form_soa},
};

static uint8_t rdata_form(struct reading *r, uint16_t type, struct rdata *d)
{
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (type == forms[i].type && forms[i].read(r, d))
			return forms[i].form;
	d->n = 0;
	put(d, r->p + d->at, d->len < RDATA_MAX ? d->len : RDATA_MAX);
	return DNS_RDATA_RAW;
}

// dns.answer: every name and address of the answer section; an owner only where it is neither what was asked nor
// the name just given (a chain of CNAMEs repeats each).
static void say_answer(struct reading *r, const struct dns_name *owner, uint32_t owner_at, const struct rdata *d,
		       uint8_t form)
{
	struct worker *w = r->in->w;
	uint8_t text[40];
	if (owner->len && !same_name(owner, &r->asked) && !same_name(owner, &r->last))
		record_fact(w, FACT_DNS_ANSWER, owner->text, owner->len,
			    app_origin(r->in, r->p + owner_at, owner->wire));
	struct origin o = app_origin(r->in, r->p + d->at, d->len);
	if (form == DNS_RDATA_ADDRESS)
		record_fact(w, FACT_DNS_ANSWER, text, dns_address_text(d->out, d->n, text), o);
	if (d->named) {
		record_fact(w, FACT_DNS_ANSWER, d->name.text, d->name.len, o);
		r->last = d->name;
	}
}

// False: nothing behind it can be read.
static bool read_rr(struct reading *r, uint8_t section)
{
	struct dns_rr rr = {.section = section};
	struct dns_name owner;
	uint32_t start = r->at;
	if (name_at(r, start, &owner) != DNS_NAME_OK)
		return false;
	const uint8_t *p = r->p + start + owner.wire;
	if (start + owner.wire + RR_FIXED > r->len || start + owner.wire + RR_FIXED + be16(p + 8) > r->len) {
		r->shortened = true;
		return false;
	}
	rr.type = be16(p);
	rr.class = be16(p + 2);
	rr.ttl = be32(p + 4);
	if (rr.type == TYPE_OPT && section == DNS_ADDITIONAL)
		r->rcode_high = (uint16_t)(p[4] << 4);
	uint8_t *head = r->in->scratch;
	struct rdata d = {.type = rr.type, .at = start + owner.wire + RR_FIXED, .len = be16(p + 8)};
	d.out = head + sizeof(rr) + owner.len;
	rr.form = rdata_form(r, rr.type, &d);
	rr.cut = rr.form == DNS_RDATA_RAW && d.len > d.n;
	rr.name_len = owner.len;
	rr.rdata_len = d.n;
	memcpy(head, &rr, sizeof(rr));
	memcpy(head + sizeof(rr), owner.text, owner.len);
	make_room(r);
	record_fact(r->in->w, FACT_DNS_RR, head, sizeof(rr) + owner.len + d.n,
		    app_origin(r->in, r->p + start, owner.wire + RR_FIXED + d.len));
	if (section == DNS_ANSWER && dns_is_answer(&r->h))
		say_answer(r, &owner, start, &d, rr.form);
	r->at = d.at + d.len;
	return true;
}

#define HIDDEN_MAX 8 // questions that no count tells of

// Questions behind all that the counts tell of: most servers pass over them, and some do not look at the counts. Where
// there is a policy their names count. Nothing else changes: that bytes were left is said as before.
static void read_hidden(struct reading *r)
{
	uint32_t at = r->at;
	struct dns_name name;
	for (unsigned i = 0; i < HIDDEN_MAX && at < r->len; i++) {
		if (dns_name_read(r->p, r->len, at, &name) != DNS_NAME_OK || name.len == 0 ||
		    at + name.wire + 4 > r->len || be16(r->p + at + name.wire) == 0)
			break;
		struct origin o = app_origin(r->in, r->p + at, name.wire);
		make_room(r);
		record_fact(r->in->w, FACT_DNS_QNAME, name.text, name.len, o);
		say_host(r, &name, o);
		at += name.wire + 4;
	}
}

static void read_body(struct reading *r)
{
	for (unsigned i = 0; i < r->h.count[0]; i++)
		if (!read_question(r))
			return;
	for (unsigned s = DNS_ANSWER; s <= DNS_ADDITIONAL; s++)
		for (unsigned i = 0; i < r->h.count[s]; i++)
			if (!read_rr(r, s))
				return;
	if (unlikely(r->in->w->rules && r->at < r->len && !r->cut && !dns_is_answer(&r->h)))
		read_hidden(r);
}

// No question, and bytes behind the header that its other counts do not explain. Explained are: mDNS answers
// (RFC 6762 6), the later messages of a zone transfer (RFC 5936 2.2), a query for a cookie alone (RFC 7873 5.4).
static bool hides_question(const struct reading *r)
{
	bool whole = r->at == r->len && !r->shortened && !r->bad_name;
	return r->h.count[0] == 0 && r->len > DNS_HEADER_BYTES && !whole && !r->cut && !r->mdns;
}

static void judge(struct reading *r)
{
	struct app_in *in = r->in;
	bool hidden = hides_question(r);
	bool malformed = r->bad_name || hidden || (!r->cut && (r->shortened || r->at < r->len));
	// mDNS asks several questions at once, and answers without one (RFC 6762 5.3, 6)
	if (r->h.count[0] != 1 && !r->mdns)
		app_anomaly(in, ANOMALY_DNS_QDCOUNT, r->p + 4, 2);
	if (malformed) { // where reading stopped, or all of it
		uint32_t at = r->at < r->len ? r->at : 0;
		app_anomaly_at(in, ANOMALY_DNS_MALFORMED, r->p + at, r->len - at);
	}
	if ((r->bad_name || hidden) && !in->w->config->fail.dns_name_pass)
		app_refuse(in, REASON_DNS_BAD_NAME);
}

static void read_message(struct app_in *in, const uint8_t *p, uint32_t len, bool cut)
{
	struct reading r;
	memset(&r, 0, offsetof(struct reading, asked));
	r.in = in;
	r.p = p;
	r.len = len;
	r.at = DNS_HEADER_BYTES;
	r.cut = cut;
	r.asked.len = r.last.len = 0; // all that counts of a name that was not read
	r.mdns = on_port(in->f, PORT_MDNS);
	dns_header_read(p, len, &r.h);
	in->f->app = APP_DNS;
	open_record(&r);
	read_body(&r);
	close_record(&r);
	if (in->f->tx_count < UINT16_MAX)
		in->f->tx_count++;
	judge(&r);
}

// On its own port: is there enough to call it DNS? The first question is whole, or the header is sane (then what
// follows may be cut, or bad).
static bool message_lenient(const uint8_t *p, uint32_t len, uint32_t size)
{
	struct dns_header h;
	struct dns_name n;
	if (!dns_header_read(p, len, &h))
		return false;
	if (h.count[0] == 0)
		return dns_header_sane(&h, size) ||
		       (dns_header_sane(&h, 1 << 20) && h.count[1] + h.count[2] + h.count[3] < 64);
	uint32_t end = DNS_HEADER_BYTES + 4;
	if (dns_name_read(p, len, DNS_HEADER_BYTES, &n) == DNS_NAME_OK && (end += n.wire) <= len &&
	    dns_class_known(be16(p + end - 2)))
		return true;
	return dns_header_sane(&h, size);
}

// A stream to port 53 whose first message would not do elsewhere: an odd opcode, no question, bytes behind it.
int dns_looks_home(const struct flow *f, const uint8_t *p, uint32_t len)
{
	uint32_t empty = dns_stream_empty(p, len);
	p += empty, len -= empty;
	uint32_t size = len < 2 ? HOME_MAX : be16(p);
	if (!on_port(f, PORT_DNS) || size > HOME_MAX || size < DNS_HEADER_BYTES)
		return 0;
	if (len < 2 + size)
		return -1;
	return message_lenient(p + 2, size, size);
}

bool dns_datagram(struct app_in *in)
{
	struct flow *f = in->f;
	bool known = f->app == APP_DNS;
	bool own_port = on_port(f, PORT_DNS) || on_port(f, PORT_MDNS) || on_port(f, PORT_LLMNR);
	if (in->len < DNS_HEADER_BYTES || (!known && on_port(f, PORT_NBNS)))
		return false;
	if (known || (own_port && (f->app == APP_NONE || f->app == APP_OTHER))) {
		if (!message_lenient(in->data, in->len, in->cut ? in->len + UINT16_MAX : in->len))
			return false;
	} else if (!dns_message_strict(in->data, in->len)) {
		return false;
	}
	read_message(in, in->data, in->len, in->cut);
	return true;
}

bool dns_message_begins(const uint8_t *p, uint32_t size)
{
	struct dns_header h;
	return dns_header_read(p, DNS_HEADER_BYTES, &h) && h.count[0] && dns_header_sane(&h, size);
}

bool dns_message(struct app_in *in, const uint8_t *p, uint32_t len)
{
	uint8_t app = in->f->app;
	if (!dns_message_strict(p, len))
		return false;
	read_message(in, p, len, false);
	in->f->app = app;
	return true;
}

// ---- TCP -----------------------------------------------------------------------------------------------------

// After a hole the framing is lost: look for the next place where a message stands beyond doubt.
static uint32_t resync(const uint8_t *p, uint32_t len)
{
	for (uint32_t at = 0; at < len; at++)
		if (dns_stream_looks(p + at, len - at) != 0)
			return at;
	return len;
}

// What in->state remembers of a stream.
struct dns_stream {
	uint8_t junk; // framed messages that were none
};

// The framing still leads to the next message, as it does for a server that answers FORMERR; but a stream of
// nothing else is no DNS.
static bool junk(struct app_in *in, const uint8_t *p, uint32_t len)
{
	struct dns_stream *s = in->state;
	app_anomaly_at(in, ANOMALY_DNS_MALFORMED, p, len);
	return ++s->junk > JUNK_MAX;
}

enum app_step dns_data(struct app_in *in)
{
	if (in->after_gap)
		in->consumed = resync(in->data, in->len);
	while (in->len - in->consumed >= 2) {
		const uint8_t *p = in->data + in->consumed;
		uint32_t have = in->len - in->consumed - 2, size = be16(p);
		if (have < size && !in->end) {
			in->need = 2 + size;
			return APP_MORE;
		}
		if (have > size)
			have = size;
		if (message_lenient(p + 2, have, size))
			read_message(in, p + 2, have, have < size);
		else if (have == size && junk(in, p, 2 + have))
			return APP_CLOSE;
		in->consumed += 2 + have;
	}
	in->need = 2;
	return APP_MORE;
}
