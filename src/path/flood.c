// SPDX-License-Identifier: BSD-3-Clause
//
// A flood's flows as one record a second and source, RECORD_FLOOD, counted exactly. In come flows that begin, are
// answered, and end; out go sums. Worker's thread. At 4 M new flows a second two records each are more than one core
// can put into words: without this they are lost, and promise 3 with them.
//
//   begins ---> its bucket of the hash: so many begun and not answered in this second?
//                  few: RECORD_FLOW_START, as ever
//                  many: flow.unsaid ---> answered ---> RECORD_FLOW_START, late, and all is as ever
//                                    ---> ends half-open ---> sum of its source, no RECORD_FLOW
//
// So one SYN without an answer has its records, and so have the first config->flood of each second; what was answered
// always has them, and so has what raised an alert, or had a transaction. flows begun = RECORD_FLOWs + flows_summed +
// those that a rule's `log` keeps out, whatever the load.
//
// What is many is asked of the 1,024 buckets by which steer shares flows out: a bucket is one worker's, so replay sums
// the same flows for any number of workers (the shipper adds up what they say of one source at one place). Rejected: a
// rate a source prefix (shared by the workers, and 4 million sources send one packet each), the table's fill (depends
// on its size), to sum all that ends half-open (a single probe is what people look for).
//
// A source is an IPv4 /24 or an IPv6 /48: the longest that networks announce to each other (RFC 7454 6.1.3), so the
// least that belongs to one who can be asked to stop; an IPv6 site has a /48 (RFC 6177), a /64 is one of its LANs.
// Apart stand tenants, protocols, ports and verdicts. The table is bounded: where it is full a flow counts for a
// shorter prefix, and at last for /0 of all: never for none.
//
//   level 0   128 sets of 4   /24  /48        level 2   64 sets of 4   /8  /16
//   level 1    64 sets of 4   /16  /32        level 3    1             /0  /0, whatever it is
#include "flood.h"

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>

#include "base/eal.h"
#include "record_out.h"
#include "ruleset.h"
#include "steer.h"

#define NS 1000000000ull
#define BUCKETS 1024
#define WAYS 4
#define LEVELS 3
#define LAST 1024 // the sum of all that found no other
#define SUMS (LAST + 1)
#define WORK 8   // records written a call
#define LOOKS 64 // sums looked at a call

struct key {
	uint64_t tenant, prefix;
	uint32_t rule, would;
	uint16_t policy;
	uint8_t bits, version, proto, layer, port, action, response, judged, would_action, pad;
};
static_assert(sizeof(struct key) == 40, "hashed by words, and none is left out");

struct sum {
	struct record r;
	struct key key;
};

// Of a sum, what says whether it is the one: looked at a thousand times for once that the sum is touched.
struct slot {
	uint64_t hash, second; // + 1; 0: free
};

struct flood {
	struct flood_bucket {
		uint32_t second, open; // begun in it, and not answered
	} buckets[2][BUCKETS];         // [1]: of layers outside the innermost, which the front counts
	uint32_t most;                 // open of a bucket
	unsigned used, sweep;          // sums that hold something; the next to be looked at
	uint64_t swept;                // second of which earlier ones were written
	struct slot slots[SUMS];
	struct sum sums[SUMS];
};

int flood_init(struct worker *w)
{
	if (!w->config->flood || w->config->ear) // who asks why wants to know all
		return 0;
	w->flood = mem_take(sizeof(*w->flood));
	if (!w->flood)
		return -ENOMEM;
	w->flood->most = RTE_MAX(w->config->flood / BUCKETS, 1u);
	return 0;
}

void flood_fini(struct worker *w)
{
	if (w->flood)
		mem_give(w->flood, sizeof(*w->flood));
	w->flood = NULL;
}

// ---- what is many -----------------------------------------------------------------------------------------------

static struct flood_bucket *bucket_of(struct flood *d, uint32_t hash, bool outer)
{
	return &d->buckets[outer][hash >> 22]; // as steer_owner
}

bool flood_begins(struct worker *w, uint32_t hash, bool outer, uint64_t time_ns)
{
	if (!w->flood)
		return false;
	struct flood_bucket *b = bucket_of(w->flood, hash, outer);
	uint32_t second = (uint32_t)(time_ns / NS);
	if (b->second != second)
		*b = (struct flood_bucket){.second = second};
	return b->open++ >= w->flood->most;
}

void flood_answered(struct worker *w, uint32_t hash, bool outer, uint64_t start_ns)
{
	if (!w->flood)
		return;
	struct flood_bucket *b = bucket_of(w->flood, hash, outer);
	if (b->second == (uint32_t)(start_ns / NS) && b->open)
		b->open--;
}

// ---- sums -------------------------------------------------------------------------------------------------------

static void write_sum(struct worker *w, unsigned i)
{
	struct flood *d = w->flood;
	struct record *r = &d->sums[i].r;
	r->time_ns = RTE_MIN(d->slots[i].second * NS, RTE_MAX(w->now_ns, r->end_ns));
	record_put(w, r);
	d->slots[i].second = 0;
	d->used--;
}

static struct key key_of(const struct record *r)
{
	return (struct key){.tenant = r->tenant,
			    .rule = r->rule,
			    .would = r->would,
			    .policy = r->policy,
			    .version = r->ip_version,
			    .proto = r->proto,
			    .layer = r->layer,
			    .port = r->port,
			    .action = r->action,
			    .response = r->response,
			    .judged = r->judged,
			    .would_action = r->would_action};
}

// Of all but the source.
static uint64_t key_hash(const struct worker *w, const struct key *key)
{
	uint64_t k[5];
	memcpy(k, key, sizeof(k));
	uint64_t h = steer_mix(k[0] ^ w->steer.k[0], k[2] ^ w->steer.k[1]);
	return steer_mix(h ^ k[3], k[4] ^ w->steer.k[2]);
}

static void begin_sum(struct worker *w, unsigned i, const struct key *key, const struct record *r, struct slot slot)
{
	struct sum *s = &w->flood->sums[i];
	uint64_t prefix_be = rte_cpu_to_be_64(key->prefix);
	if (w->flood->slots[i].second)
		write_sum(w, i);
	w->flood->slots[i] = slot;
	w->flood->used++;
	s->key = *key;
	s->r = *r;
	s->r.kind = RECORD_FLOOD;
	s->r.len = sizeof(s->r);
	s->r.nfacts = 0;
	s->r.flow_id = 0;
	s->r.packet = slot.hash & ((1ull << FRAME_BITS) - 1); // the shipper's sort key: of no packet
	memset(s->r.src, 0, sizeof(s->r.src));
	memcpy(s->r.src, &prefix_be, key->version == 4 ? 4 : 8);
	s->r.sport = 0;
	s->r.app = APP_NONE;
	s->r.icmp_type = s->r.icmp_code = s->r.tcp_state = 0;
	s->r.tx_kind = key->bits;
	s->r.weight = 0;
	s->r.tx_count = 0;
	s->r.pkts[0] = s->r.pkts[1] = s->r.bytes[0] = s->r.bytes[1] = 0;
}

// The sum of a key in its set, begun anew where there is none. NULL: others have the set.
static struct sum *sum_of(struct worker *w, unsigned level, const struct key *key, uint64_t apart,
			  const struct record *r, uint64_t now)
{
	static const uint16_t first[LEVELS] = {0, 512, 768}, sets[LEVELS] = {128, 64, 64};
	struct flood *d = w->flood;
	uint64_t hash = steer_mix(apart ^ key->prefix ^ key->bits, w->steer.k[3]);
	unsigned from = first[level] + (unsigned)(hash & (sets[level] - 1u)) * WAYS, old = SUMS;
	for (unsigned i = from; i < from + WAYS; i++) {
		if (d->slots[i].second != now)
			old = i;
		else if (d->slots[i].hash == hash && likely(memcmp(&d->sums[i].key, key, sizeof(*key)) == 0))
			return &d->sums[i];
	}
	if (old == SUMS)
		return NULL;
	begin_sum(w, old, key, r, (struct slot){hash, now});
	return &d->sums[old];
}

static struct sum *sum_of_all(struct worker *w, const struct record *r, uint64_t now)
{
	struct record all = {.rule = RULE_NONE, .would = RULE_NONE, .start_ns = r->start_ns, .end_ns = r->end_ns};
	if (w->flood->slots[LAST].second != now)
		begin_sum(w, LAST, &(struct key){0}, &all, (struct slot){0, now});
	return &w->flood->sums[LAST];
}

void flood_sum(struct worker *w, struct record *flow)
{
	static const uint8_t bits[2][LEVELS] = {{24, 16, 8}, {48, 32, 16}};
	uint64_t now = w->now_ns / NS + 1;
	struct key key = key_of(flow);
	struct sum *s = NULL;
	uint64_t apart = key_hash(w, &key);
	uint64_t address = rte_be_to_cpu_64(steer_load64(flow->src)); // of IPv4 the rest is 0
	for (unsigned level = 0; level < LEVELS && !s; level++) {
		key.bits = bits[flow->ip_version != 4][level];
		key.prefix = address & ~0ull << (64 - key.bits);
		s = sum_of(w, level, &key, apart, flow, now);
	}
	if (unlikely(!s))
		s = sum_of_all(w, flow, now);
	flow->tx_count = 1;
	record_flood_add(&s->r, flow);
	count(w, COUNTER_FLOWS_SUMMED);
}

bool flood_age(struct worker *w, uint64_t time_ns)
{
	struct flood *d = w->flood;
	uint64_t now = time_ns / NS + 1;
	unsigned work = WORK, looks = LOOKS;
	if (likely(!d || !d->used || d->swept == now))
		return false;
	for (; d->sweep < SUMS && work && looks; d->sweep++, looks--) {
		if (!d->slots[d->sweep].second || d->slots[d->sweep].second == now)
			continue;
		write_sum(w, d->sweep);
		work--;
	}
	if (d->sweep < SUMS)
		return true;
	d->sweep = 0;
	d->swept = now;
	return false;
}

void flood_drain(struct worker *w)
{
	struct flood *d = w->flood;
	if (!d)
		return;
	for (unsigned i = 0; i < SUMS && d->used; i++)
		if (d->slots[i].second)
			write_sum(w, i);
	memset(d->buckets, 0, sizeof(d->buckets));
	d->swept = d->sweep = 0;
}
