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
#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "base/eal.h"
#include "flow_table.h"
#include "record_out.h"

#define NS 1000000000ull
#define BUCKETS 1024
#define WAYS 4
#define LEVELS 3
#define LAST 1024 // the sum of all that found no other
#define SUMS (LAST + 1)
#define WORK 8   // records written a call
#define LOOKS 64 // sums looked at a call

// What the flows of a sum have in common, in words: all of it is hashed and compared.
struct key {
	uint64_t tenant;
	uint64_t word[2]; // what the policy says, as a record has it
	uint64_t of;      // version, protocol, layer, port
	uint64_t prefix;  // in its lowest byte how many bits it has
};
#define WORD offsetof(struct record, reason)
static_assert(offsetof(struct record, start_ns) - WORD == sizeof(((struct key *)0)->word), "it stands in one place");

struct sum {
	struct record r;
	struct key key;
};

struct flood {
	struct flood_bucket {
		uint32_t second, open; // begun in it, and not answered
	} buckets[2][BUCKETS];         // [1]: of layers outside the innermost, which the front counts
	uint32_t most;                 // open of a bucket
	unsigned used, sweep;          // sums that hold something; the next to be looked at
	uint64_t swept;                // second of which earlier ones were written
	uint64_t second_now, began_ns; // that which it was last, and its beginning
	// of a sum: its key's hash in its second, and that + 1. 0: it is free
	uint64_t hash[SUMS], second[SUMS];
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

static inline uint64_t second_of(struct flood *d, uint64_t time_ns)
{
	if (unlikely(time_ns - d->began_ns >= NS)) {
		d->second_now = time_ns / NS;
		d->began_ns = d->second_now * NS;
	}
	return d->second_now;
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
	uint32_t second = (uint32_t)second_of(w->flood, time_ns);
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
	r->time_ns = RTE_MIN(d->second[i] * NS, RTE_MAX(w->now_ns, r->end_ns));
	record_put(w, r);
	d->second[i] = d->hash[i] = 0;
	d->used--;
}

// A slot that is free, or whose sum is of an earlier second.
static struct record *take(struct worker *w, unsigned i, uint64_t hash, const struct flow *f)
{
	struct flood *d = w->flood;
	struct record *r = &d->sums[i].r;
	if (d->second[i])
		write_sum(w, i);
	d->hash[i] = hash;
	d->second[i] = d->second_now + 1;
	d->used++;
	record_clear(w, r, RECORD_FLOOD);
	r->packet = hash & ((1ull << FRAME_BITS) - 1); // the shipper's sort key: of no packet
	r->start_ns = f->start_ns;
	r->end_ns = f->last_ns;
	return r;
}

static __rte_noinline struct sum *begin_sum(struct worker *w, unsigned i, uint64_t hash, const struct key *key,
					    const struct flow *f, enum flow_end why)
{
	struct sum *s = &w->flood->sums[i];
	struct record *r = take(w, i, hash, f);
	uint64_t prefix_be = rte_cpu_to_be_64(key->prefix & ~0xffull);
	s->key = *key;
	flow_record(w, f, r);
	memcpy((uint8_t *)r + WORD, key->word, sizeof(key->word));
	r->flow_id = 0;
	memset(r->src, 0, sizeof(r->src));
	memcpy(r->src, &prefix_be, r->ip_version == 4 ? 4 : 8);
	r->sport = 0;
	r->app = APP_NONE;
	r->icmp_type = r->icmp_code = 0;
	r->tx_kind = (uint8_t)key->prefix;
	r->flow_end = (uint8_t)why;
	return s;
}

static __rte_noinline struct sum *sum_of_all(struct worker *w, const struct flow *f)
{
	if (w->flood->second[LAST] != w->flood->second_now + 1)
		take(w, LAST, 0, f);
	return &w->flood->sums[LAST];
}

// Of the slots of a set those that are as `want`, as bits.
#define ALL_WAYS ((1u << WAYS) - 1)
static inline unsigned alike(const uint64_t set[WAYS], uint64_t want)
{
	__m256i like =
		_mm256_cmpeq_epi64(_mm256_loadu_si256((const __m256i *)set), _mm256_set1_epi64x((long long)want));
	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(like));
}

static inline bool same_key(const struct key *a, const struct key *b)
{
	return ((a->tenant ^ b->tenant) | (a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->of ^ b->of) |
		(a->prefix ^ b->prefix)) == 0;
}

// Of all but the source, in this second: one of an earlier is no other's.
static inline uint64_t key_hash(const struct worker *w, const struct key *key, uint64_t now)
{
	uint64_t h = steer_mix(key->tenant ^ w->steer.k[0], key->word[0] ^ w->steer.k[1]);
	return steer_mix(h ^ key->word[1] ^ now, key->of ^ w->steer.k[2]);
}

// The sum of a flow, begun anew where there is none: of its prefix, or a shorter one where others have the set.
static __rte_noinline struct sum *sum_of(struct worker *w, const struct flow *f, const struct record *judged,
					 enum flow_end why)
{
	static const uint16_t first[LEVELS] = {0, 512, 768}, sets[LEVELS] = {128, 64, 64};
	struct flood *d = w->flood;
	uint64_t now = second_of(d, w->now_ns) + 1;
	uint64_t address = rte_be_to_cpu_64(steer_load64(flow_ends(f).src)); // of IPv4 the rest is 0
	unsigned step = f->key.version == 4 ? 8 : 16, bits = LEVELS * step;
	struct key key = {.tenant = f->key.tenant,
			  .of = f->key.version | f->key.proto << 8 | flow_layer(f) << 16 | flow_port(w, f) << 24};
	memcpy(key.word, (const uint8_t *)judged + WORD, sizeof(key.word));
	uint64_t apart = key_hash(w, &key, now);
#pragma GCC unroll 3
	for (unsigned level = 0; level < LEVELS; level++, bits -= step) {
		key.prefix = (address & ~0ull << (64 - bits)) | bits;
		uint64_t hash = steer_mix(apart ^ key.prefix, w->steer.k[3]);
		unsigned from = first[level] + (unsigned)(hash & (sets[level] - 1u)) * WAYS;
		unsigned is = alike(&d->hash[from], hash);
		if (is && likely(same_key(&d->sums[from + (unsigned)__builtin_ctz(is)].key, &key)))
			return &d->sums[from + (unsigned)__builtin_ctz(is)];
		unsigned old = alike(&d->second[from], now) ^ ALL_WAYS;
		if (unlikely(old))
			return begin_sum(w, from + (unsigned)__builtin_ctz(old), hash, &key, f, why);
	}
	return sum_of_all(w, f);
}

void flood_sum(struct worker *w, const struct flow *f, const struct record *judged, enum flow_end why)
{
	struct sum *s = sum_of(w, f, judged, why);
	struct flow_ends e = flow_ends(f);
	bool tcp = f->key.proto == IPPROTO_TCP;
	struct record_flood_part one = {
		.dst = e.dst,
		.start_ns = f->start_ns,
		.end_ns = f->last_ns,
		.pkts = {f->pkts[0], f->pkts[1]},
		.bytes = {f->bytes[0], f->bytes[1]},
		.flows = 1,
		.dport = e.dport,
		.tcp_flags = {tcp ? f->side[0].tcp_flags : 0, tcp ? f->side[1].tcp_flags : 0},
		.flow_end = (uint8_t)why,
		.direction = judged->direction,
	};
	record_flood_add(&s->r, &one);
	count(w, COUNTER_FLOWS_SUMMED);
}

bool flood_age(struct worker *w, uint64_t time_ns)
{
	struct flood *d = w->flood;
	uint64_t now = d ? second_of(d, time_ns) + 1 : 0;
	unsigned work = WORK, looks = LOOKS;
	if (likely(!d || !d->used || d->swept == now))
		return false;
	for (; d->sweep < SUMS && work && looks; d->sweep++, looks--) {
		if (!d->second[d->sweep] || d->second[d->sweep] == now)
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
		if (d->second[i])
			write_sum(w, i);
	memset(d->buckets, 0, sizeof(d->buckets));
	d->swept = d->sweep = 0;
}
