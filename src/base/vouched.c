// SPDX-License-Identifier: BSD-3-Clause
//
// Two bounded tables: directions (a tuple one way, tenant included) by open addressing, and the wrong segments in them,
// which vouched_settle sorts by direction and number and makes disjoint. On the thread of the corridor's front, in the
// first pass over a capture; vouched_for also on the walk itself, where it must not allocate and does not.
//
// What does not fit is not vouched for. Hostile input costs a logarithm a segment: segments that are contradicted
// are stepped over from then on. Rejected: one reading (what contradicts a segment may stand before it).
#include "base/vouched.h"

#include <stdlib.h>
#include <string.h>

#include "base/senders.h"

#define DIRECTIONS (1u << 16)
#define SEGMENTS (1u << 18)
#define PROBES 16

enum { SYN = 0x02, RST = 0x04, ACK = 0x10, TCP = 6 };

struct key {
	uint64_t tenant;
	uint8_t src[16], dst[16];
	uint16_t sport_be, dport_be;
	uint8_t version, pad[3]; // version 0: a free slot
};

struct direction {
	struct key key;
	uint32_t base;       // number of the first segment noted: all others are relative to it
	int32_t acked;       // highest ACK by the other side, relative; valid with ack_ns
	uint64_t ack_ns;     // when it was last seen; 0: none
	uint32_t first, end; // its segments, once settled
};

struct wrong {
	uint32_t direction;
	int32_t at; // relative to the direction's base
	uint32_t len;
	uint32_t skip; // next segment that is not contradicted, from here; itself: this one is not
	uint64_t time_ns, hash;
};

struct vouched {
	uint64_t seed;
	struct senders *senders; // set: settled
	bool used, doubtful;
	uint32_t n;
	struct direction *directions;
	struct wrong *segments; // and one more, where skips end
};

struct vouched *vouched_new(uint64_t seed)
{
	struct vouched *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->seed = seed;
	v->directions = calloc(DIRECTIONS, sizeof(*v->directions));
	v->segments = calloc(SEGMENTS + 1, sizeof(*v->segments));
	if (v->directions && v->segments)
		return v;
	vouched_free(v);
	return NULL;
}

void vouched_free(struct vouched *v)
{
	if (!v)
		return;
	free(v->directions);
	free(v->segments);
	free(v);
}

void vouched_clear(struct vouched *v)
{
	if (v->used)
		memset(v->directions, 0, DIRECTIONS * sizeof(*v->directions));
	v->n = 0;
	v->senders = NULL;
	v->used = v->doubtful = false;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * 0x9e3779b97f4a7c15u; // golden ratio, as in Knuth 6.4
	return h ^ (h >> 32);
}

static uint64_t hash(uint64_t h, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t word = 0;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		h = mix(h, word);
	}
	word = len;
	memcpy((uint8_t *)&word + 1, p, len);
	return mix(h, word);
}

// The slot of a direction, or the free one where it would go; NULL: neither within reach. back: the other way.
static struct direction *find(const struct vouched *v, const struct vouched_segment *s, bool back)
{
	struct key k = {.tenant = s->tenant,
			.version = s->version,
			.sport_be = back ? s->dport_be : s->sport_be,
			.dport_be = back ? s->sport_be : s->dport_be};
	size_t len = s->version == 4 ? 4 : 16;
	memcpy(k.src, back ? s->dst : s->src, len);
	memcpy(k.dst, back ? s->src : s->dst, len);
	uint64_t h = hash(v->seed, &k, sizeof(k));
	for (unsigned i = 0; i < PROBES; i++) {
		struct direction *d = &v->directions[(h + i) % DIRECTIONS];
		if (!d->key.version || memcmp(&d->key, &k, sizeof(k)) == 0)
			return d;
	}
	return NULL;
}

// ---- the first reading

static void remember(struct vouched *v, const struct vouched_segment *s)
{
	if (!s->wrong || s->len == 0 || (s->flags & (SYN | RST)) || v->n == SEGMENTS)
		return;
	struct direction *d = find(v, s, false);
	if (!d)
		return;
	if (!d->key.version) {
		size_t len = s->version == 4 ? 4 : 16;
		d->key = (struct key){
			.tenant = s->tenant, .version = s->version, .sport_be = s->sport_be, .dport_be = s->dport_be};
		memcpy(d->key.src, s->src, len);
		memcpy(d->key.dst, s->dst, len);
		d->base = s->seq;
		v->used = true;
	}
	v->segments[v->n++] = (struct wrong){.direction = (uint32_t)(d - v->directions),
					     .at = (int32_t)(s->seq - d->base),
					     .len = s->len,
					     .time_ns = s->time_ns,
					     .hash = hash(v->seed, s->bytes, s->len)};
}

static int by_place(const void *a, const void *b)
{
	const struct wrong *x = a, *y = b;
	if (x->direction != y->direction)
		return x->direction < y->direction ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

static int64_t end_of(const struct wrong *s)
{
	return (int64_t)s->at + s->len;
}

// Wrong segments that share bytes: which of them did the receiver take? The same one sent again is one.
static void make_disjoint(struct vouched *v)
{
	struct wrong *last = NULL; // the one that reaches furthest so far in its direction
	for (uint32_t i = 0; i < v->n; i++) {
		struct wrong *s = &v->segments[i];
		s->skip = 0;
		if (!last || last->direction != s->direction || end_of(last) <= s->at) {
			last = s;
			continue;
		}
		s->skip = 1;
		if (s->at != last->at || s->len != last->len || s->hash != last->hash)
			last->skip = 1;
		if (end_of(s) > end_of(last))
			last = s;
	}
}

size_t vouched_settle(struct vouched *v, struct senders *senders)
{
	uint32_t n = 0;
	qsort(v->segments, v->n, sizeof(*v->segments), by_place);
	make_disjoint(v);
	v->senders = senders;
	for (uint32_t i = 0; i < v->n; i++) {
		struct direction *d = &v->directions[v->segments[i].direction];
		if (v->segments[i].skip || senders_offload(senders, d->key.version, d->key.src, TCP))
			continue;
		v->segments[n] = v->segments[i];
		v->segments[n].skip = n;
		if (d->first == d->end)
			d->first = n;
		d->end = ++n;
	}
	v->segments[n].skip = n;
	v->n = n;
	return n;
}

// ---- the second reading

// The first segment of a direction that ends behind `at`.
static uint32_t first_behind(const struct vouched *v, const struct direction *d, int32_t at)
{
	uint32_t low = d->first, high = d->end;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (end_of(&v->segments[middle]) > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static uint32_t next_sound(struct vouched *v, uint32_t i)
{
	while (v->segments[i].skip != i) {
		v->segments[i].skip = v->segments[v->segments[i].skip].skip;
		i = v->segments[i].skip;
	}
	return i;
}

static void contradict(struct vouched *v, const struct direction *d, const struct vouched_segment *s)
{
	int32_t at = (int32_t)(s->seq + ((s->flags & SYN) != 0) - d->base);
	int64_t end = (int64_t)at + s->len;
	for (uint32_t i = next_sound(v, first_behind(v, d, at)); i < d->end && v->segments[i].at < end;
	     i = next_sound(v, i))
		v->segments[i].skip = i + 1;
}

static void acknowledge(struct direction *d, const struct vouched_segment *s)
{
	int32_t ack = (int32_t)(s->ack - d->base);
	if (!d->ack_ns || ack >= d->acked) {
		d->acked = ack;
		d->ack_ns = s->time_ns + 1;
	}
}

static void compare(struct vouched *v, const struct vouched_segment *s)
{
	if (s->wrong && !senders_offload(v->senders, s->version, s->src, TCP))
		return;
	struct direction *d;
	if (s->len && (d = find(v, s, false)) && d->key.version && d->first < d->end)
		contradict(v, d, s);
	if ((s->flags & (ACK | RST)) == ACK && (d = find(v, s, true)) && d->key.version)
		acknowledge(d, s);
}

void vouched_note(struct vouched *v, const struct vouched_segment *s)
{
	if (v->senders)
		compare(v, s);
	else
		remember(v, s);
}

void vouched_doubt(struct vouched *v)
{
	v->doubtful = true;
}

bool vouched_for(const struct vouched *v, const struct vouched_segment *s)
{
	if (!v->senders || v->doubtful || s->len == 0 || (s->flags & (SYN | RST)))
		return false;
	const struct direction *d = find(v, s, false);
	if (!d || !d->key.version || d->first == d->end || !d->ack_ns)
		return false;
	int32_t at = (int32_t)(s->seq - d->base);
	uint32_t i = first_behind(v, d, at);
	if (i == d->end)
		return false;
	const struct wrong *w = &v->segments[i];
	return w->skip == i && w->at == at && w->len == s->len && end_of(w) <= d->acked && w->time_ns < d->ack_ns &&
	       w->hash == hash(v->seed, s->bytes, s->len);
}
