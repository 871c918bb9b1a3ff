// SPDX-License-Identifier: BSD-3-Clause
//
// The kind `s3`: lines gather in objects, one for each class, tenant and hour, and go to a bucket. In: lines in the
// spool's order. Out: objects whose names and bytes follow from the spool alone. Its sink's thread.
//
//   put: line -> its object (s3_object.c: packed, parts leave as it grows)
//   an object is cut: size, age, memory, drain
//        -> its cut (first and last frame) beside the cursor, durable -> Complete -> done: the cursor may follow
//
// The cursor stands at the oldest frame of the objects that are open. After a crash all from there on is given again:
// what has arrived is left out, what was cut is cut at the same frame, and so overwrites itself with the same bytes;
// what was not cut begins at the same frame, and nobody has seen it yet.
// Never: more memory than memory_mb and one line, or a wait for the server other than by saying BUSY.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "record.h"
#include "ship/cuts.h"
#include "ship/s3_abort.h"
#include "ship/s3_object.h"
#include "ship/sink.h"
#include "ship/spool.h"

#define OBJECTS_MAX 512        // open at a time
#define CUTS_ROOM 128          // of the list of cuts, which the oldest object makes for others
#define RUN_BYTES (256u << 10) // of lines between two looks at the network
#define WAIT_MS 10
#define PAUSE_NS 10000000000ull
#define HOUR_NS 3600000000000ull

struct own {
	struct s3_target to;
	struct s3_abort *abort;
	struct s3_object *objects, *last; // last: where the line before went
	unsigned n;
	size_t memory, unseen; // of all objects; bytes of lines since the last run
	// all before `put` was taken; of what is before `seen` some may be there already; the cursor
	uint64_t put, seen, acked;
	bool rewound;      // the next item comes from before
	uint64_t pause_ns; // nothing is sent before
	char said[S3_WHY], node[S3_NAME];
	struct cuts cuts;
};

static const char *kms_of(const void *arg, uint64_t tenant, bool refused)
{
	const struct sink_config *c = arg;
	char *end;
	for (unsigned i = 0; i < c->nkms_tenants && !refused; i++)
		if (strtoull(c->kms_tenants[i], &end, 10) == tenant && *end == '=')
			return end + 1;
	return c->kms_key;
}

static int s3_sink_open(struct sink *k)
{
	struct own *o = k->own;
	const struct sink_config *c = k->config;
	char why[S3_WHY];
	struct s3_config s3 = s3_config_of(c);
	size_t share = ((size_t)c->object_mb << 20) / (S3_PARTS / 2);
	o->to = (struct s3_target){.s3 = s3_new(&s3, why),
				   .prefix = c->prefix,
				   .kind = c->compression,
				   .checksum = c->checksum,
				   .part_bytes = share > S3_PART_MIN ? share : S3_PART_MIN,
				   .kms = kms_of,
				   .arg = c};
	if (!o->to.s3) {
		log_say(LOG_ERROR, "ship", "sink=%s: %s", c->name, why);
		return -EINVAL;
	}
	o->abort = s3_abort_new(&o->to);
	cuts_read(&o->cuts, k->state, k->state_len);
	for (unsigned i = 0; i < o->cuts.n; i++)
		o->seen = o->cuts.of[i].end > o->seen ? o->cuts.of[i].end : o->seen;
	return o->abort ? 0 : -ENOMEM;
}

// ---- which object ------------------------------------------------------------------------------------------------

static void word(char *out, size_t size, const char *p, size_t n)
{
	size_t i = 0;
	for (; i < n && i + 1 < size; i++) {
		char c = p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
			     c == '_' || c == '.';
		out[i] = plain ? c : '_';
	}
	out[i] = '\0';
}

// What the line itself says it is: "event_type":"flow" of eve, "class_uid":4001 of ocsf. Text from the wire has its
// quotes escaped: it cannot look like a member.
static void class_of(const char *line, size_t n, const struct record *r, char out[33])
{
	static const struct {
		const char *member;
		size_t len;
		const char *end;
	} said[] = {{"\"event_type\":\"", 14, "\""}, {"\"class_uid\":", 12, ",}"}};
	for (unsigned i = 0; i < 2; i++) {
		const char *p = memmem(line, n, said[i].member, said[i].len);
		if (!p)
			continue;
		p += said[i].len;
		const char *end = p;
		while (end < line + n && !strchr(said[i].end, *end))
			end++;
		word(out, 33, p, (size_t)(end - p));
		return;
	}
	word(out, 33, record_kind_names[r->kind], strlen(record_kind_names[r->kind]));
}

static void node_of(const struct sink_item *item, char out[S3_NAME])
{
	const char *node = *item->node ? item->node : "replay"; // as the faces have it
	word(out, S3_NAME, node, strlen(node));
}

static uint64_t hash_of(const struct s3_of *of) // FNV-1a over what is told apart
{
	char text[160];
	int n = snprintf(text, sizeof(text), "%s/%llu/%lld/%llu/%s", of->class, (unsigned long long)of->tenant,
			 (long long)of->hour, (unsigned long long)of->boot, of->node);
	uint64_t h = 14695981039346656037u;
	for (int i = 0; i < n; i++)
		h = (h ^ (uint8_t)text[i]) * 1099511628211u;
	return h;
}

static void of_line(const struct sink_item *item, const char *line, size_t n, struct s3_of *of)
{
	memset(of, 0, sizeof(*of));
	class_of(line, n, item->record, of->class);
	node_of(item, of->node);
	of->tenant = item->record->tenant;
	of->boot = item->boot;
	of->hour = (int64_t)(item->record->time_ns / HOUR_NS);
}

// Is it open for a frame of this? One that is given again may be of an object before it.
static bool same(const struct s3_object *o, const struct s3_of *of, uint64_t at)
{
	return !o->sealed && o->first <= at && (!o->planned || at < o->planned) && o->of.tenant == of->tenant &&
	       o->of.hour == of->hour && o->of.boot == of->boot && !strcmp(o->of.class, of->class) &&
	       !strcmp(o->of.node, of->node);
}

// ---- cuts --------------------------------------------------------------------------------------------------------

static void weigh(struct own *o, struct s3_object *x, size_t before)
{
	o->memory += s3_object_memory(x) - before;
}

static void seal(struct own *o, struct s3_object *x)
{
	size_t before = s3_object_memory(x);
	// one that is made again ends where it did, or its rest would lie across what came behind it
	if (x->sealed || (x->end < x->planned && o->put < x->planned))
		return;
	if (!s3_object_seal(x))
		x->state = S3_LOST;
	const struct cut *c = cuts_find(&o->cuts, x->hash, x->first);
	x->recorded = c && c->durable && c->end == x->end;
	weigh(o, x, before);
	o->last = NULL;
}

static void remove_object(struct own *o, struct s3_object **at)
{
	struct s3_object *x = *at;
	*at = x->next;
	o->memory -= s3_object_memory(x);
	o->n--;
	o->last = NULL;
	s3_object_free(x);
}

// Said once.
static void down(struct sink *k, const char *why)
{
	struct own *o = k->own;
	if (!why && *o->said)
		sink_works(k);
	else if (why && strncmp(why, o->said, sizeof(o->said) - 1) != 0)
		sink_fails(k, "%s", why);
	snprintf(o->said, sizeof(o->said), "%s", why ? why : "");
}

// Cuts that nobody knows yet, to the disk. Nothing is shown before.
static void record_cuts(struct sink *k)
{
	struct own *o = k->own;
	uint8_t state[SPOOL_STATE_MAX];
	bool news = false;
	for (struct s3_object *x = o->objects; x; x = x->next) {
		struct cut *c = x->sealed && !x->recorded ? cuts_set(&o->cuts, x->hash, x->first, x->end) : NULL;
		news |= c != NULL;
		if (c)
			c->refused |= x->refused;
	}
	if (!news)
		return;
	sink_state(k, state, cuts_write(&o->cuts, state, sizeof(state)));
	if (!sink_acked(k, o->acked, true)) {
		down(k, "the cursor cannot be written");
		return;
	}
	for (unsigned i = 0; i < o->cuts.n; i++)
		o->cuts.of[i].durable = true;
	for (struct s3_object *x = o->objects; x; x = x->next)
		x->recorded |= x->sealed && cuts_find(&o->cuts, x->hash, x->first) != NULL;
}

// What has arrived goes, and the cursor behind it.
static void follow(struct sink *k)
{
	struct own *o = k->own;
	uint8_t state[SPOOL_STATE_MAX];
	uint64_t acked = o->put;
	for (struct s3_object *x = o->objects; x; x = x->next)
		acked = x->first < acked ? x->first : acked;
	if (acked <= o->acked)
		return;
	o->acked = acked;
	cuts_forget(&o->cuts, acked);
	sink_state(k, state, cuts_write(&o->cuts, state, sizeof(state)));
	sink_acked(k, acked, false);
}

// ---- what became of them -----------------------------------------------------------------------------------------

static void arrive(struct sink *k, struct s3_object **at)
{
	struct own *o = k->own;
	struct s3_object *x = *at;
	struct cut *c = cuts_find(&o->cuts, x->hash, x->first);
	if (c)
		c->done = true;
	sink_sent(k, x->packed);
	down(k, NULL);
	remove_object(o, at);
}

// It is made again from the spool; the others leave out what they have.
static void again(struct sink *k, struct s3_object **at)
{
	struct own *o = k->own;
	if ((*at)->sealed) // what came behind it is in another: it has to end where it did
		cuts_set(&o->cuts, (*at)->hash, (*at)->first, (*at)->end);
	o->put = o->acked;
	o->rewound = true;
	remove_object(o, at);
	sink_rewind(k);
}

static void spoilt(struct sink *k, struct s3_object **at)
{
	struct own *o = k->own;
	struct s3_object *x = *at;
	log_say(LOG_WARNING, "ship", "sink=%s: an object is refused: %s key=%s", k->config->name, x->why, x->key);
	if (s3_object_refuse(x))
		return;
	struct cut *c = cuts_set(&o->cuts, x->hash, x->first, x->end);
	if (c)
		c->refused = true;
	if (*x->upload)
		s3_abort_add(o->abort, x->key, x->upload);
	if (x->refused) { // nowhere to go: an operator has to help
		down(k, x->why);
		o->pause_ns = clock_ns(CLOCK_MONOTONIC) + PAUSE_NS;
	}
	again(k, at);
}

static void sweep(struct sink *k)
{
	struct own *o = k->own;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), age = (uint64_t)k->config->object_s * 1000000000ull;
	for (struct s3_object *x = o->objects; x; x = x->next)
		if (!x->sealed && (now - x->born_ns >= age || (x->planned && o->put >= x->planned)))
			seal(o, x);
	record_cuts(k);
	if (now >= o->pause_ns)
		o->pause_ns = 0;
	for (struct s3_object **at = &o->objects, *x; (x = *at);) {
		size_t before = s3_object_memory(x);
		if (s3_abort_ready(o->abort) && !o->pause_ns)
			s3_object_go(x);
		weigh(o, x, before);
		if (x->state == S3_ARRIVED)
			arrive(k, at);
		else if (x->state == S3_LOST)
			again(k, at);
		else if (x->state == S3_SPOILT)
			spoilt(k, at);
		if (*at == x)
			at = &x->next;
	}
	follow(k);
}

static void run(struct sink *k, unsigned wait_ms)
{
	struct own *o = k->own;
	o->unseen = 0;
	s3_run(o->to.s3, wait_ms);
	// what calls took and gave back while they ran
	o->memory = 0;
	for (const struct s3_object *x = o->objects; x; x = x->next)
		o->memory += s3_object_memory(x);
	sweep(k);
	if (s3_down(o->to.s3) || !o->pause_ns)
		down(k, s3_down(o->to.s3));
}

// ---- lines -------------------------------------------------------------------------------------------------------

static struct s3_object *largest(struct own *o)
{
	struct s3_object *best = NULL;
	for (struct s3_object *x = o->objects; x; x = x->next)
		if (!x->sealed && (!best || s3_object_memory(x) > s3_object_memory(best)))
			best = x;
	return best;
}

static struct s3_object *oldest(struct own *o)
{
	struct s3_object *best = NULL;
	for (struct s3_object *x = o->objects; x; x = x->next)
		if (!best || x->first < best->first)
			best = x;
	return best;
}

static bool any_sealed(const struct own *o)
{
	for (const struct s3_object *x = o->objects; x; x = x->next)
		if (x->sealed)
			return true;
	return false;
}

// Is there room for another record? Else what makes room has been begun.
static bool room(struct sink *k)
{
	struct own *o = k->own;
	bool full = o->memory >= (size_t)k->config->memory_mb << 20;
	if (full && !any_sealed(o) && largest(o))
		seal(o, largest(o));
	if (o->cuts.n + CUTS_ROOM > CUTS_MAX && oldest(o))
		seal(o, oldest(o));
	if (o->n >= OBJECTS_MAX && !any_sealed(o))
		seal(o, oldest(o));
	return !full && o->n < OBJECTS_MAX && o->cuts.n + o->n < CUTS_MAX;
}

static struct s3_object *object_for(struct own *o, const struct s3_of *of, uint64_t at)
{
	if (o->last && same(o->last, of, at))
		return o->last;
	for (struct s3_object **link = &o->objects, *x; (x = *link); link = &x->next)
		if (same(x, of, at)) { // to the front: of hundreds of tenants few are busy
			*link = x->next;
			x->next = o->objects;
			o->objects = x;
			return o->last = x;
		}
	uint64_t hash = hash_of(of);
	const struct cut *c = cuts_find(&o->cuts, hash, at);
	struct s3_object *x = s3_object_new(&o->to, of, c ? c->first : at);
	if (!x)
		return NULL;
	x->hash = hash;
	if (c) {
		x->planned = c->end;
		if (c->refused)
			s3_object_refuse(x);
	}
	x->next = o->objects;
	o->objects = x;
	o->n++;
	o->memory += s3_object_memory(x);
	return o->last = x;
}

// Was it in an object that has arrived, or that has it and is on its way?
static bool has(struct own *o, const struct s3_of *of, uint64_t at)
{
	uint64_t hash = hash_of(of);
	const struct cut *c = cuts_find(&o->cuts, hash, at);
	if (c && c->done)
		return true;
	for (const struct s3_object *x = o->objects; x; x = x->next)
		if (x->hash == hash && x->first <= at && at < x->end)
			return true;
	return false;
}

static bool add(struct sink *k, const struct sink_item *item, const struct s3_of *of, const char *line, size_t n)
{
	struct own *o = k->own;
	struct s3_object *x = object_for(o, of, item->at);
	if (!x)
		return false;
	size_t before = s3_object_memory(x);
	bool ok = s3_object_add(x, line, n);
	x->end = item->end;
	weigh(o, x, before);
	if (!ok)
		x->state = S3_LOST;
	return ok;
}

static void seal_full(struct sink *k)
{
	struct own *o = k->own;
	struct s3_object *x = o->last;
	if (x && (x->planned ? x->end >= x->planned : x->packed + x->filling.n >= (size_t)k->config->object_mb << 20))
		seal(o, x);
}

// The lines of an item, but those that are in their objects already (bits of `had`). False: no memory.
static bool add_lines(struct sink *k, const struct sink_item *item)
{
	struct own *o = k->own;
	bool look = item->at < o->seen;
	uint64_t had = 0;
	for (unsigned pass = look ? 0 : 1; pass < 2; pass++) {
		unsigned i = 0;
		for (const char *p = item->text, *end = p + item->len, *stop; p < end; p = stop, i++) {
			struct s3_of of;
			stop = memchr(p, '\n', (size_t)(end - p));
			stop = stop ? stop + 1 : end;
			of_line(item, p, (size_t)(stop - p), &of);
			if (!pass)
				had |= (uint64_t)has(o, &of, item->at) << (i & 63);
			else if (!(had >> (i & 63) & 1) && !add(k, item, &of, p, (size_t)(stop - p)))
				return false;
		}
	}
	seal_full(k);
	return true;
}

static enum sink_took s3_sink_put(struct sink *k, const struct sink_item *item)
{
	struct own *o = k->own;
	o->rewound = false;
	if (o->unseen >= RUN_BYTES)
		run(k, 0);
	if (!o->rewound && !room(k)) {
		run(k, WAIT_MS);
		if (o->rewound || !room(k))
			return SINK_BUSY; // s3.c has the pauses
	}
	if (!*o->node) {
		node_of(item, o->node);
		s3_abort_begin(o->abort, o->node);
	}
	bool ok = !o->rewound && add_lines(k, item);
	o->seen = item->end > o->seen ? item->end : o->seen;
	o->unseen += item->len;
	o->put = ok && item->end > o->put ? item->end : o->put;
	return ok ? SINK_TOOK : SINK_BUSY;
}

static bool s3_sink_idle(struct sink *k)
{
	run(k, WAIT_MS);
	return true;
}

static bool s3_sink_drain(struct sink *k)
{
	struct own *o = k->own;
	for (struct s3_object *x = o->objects; x; x = x->next)
		seal(o, x);
	run(k, WAIT_MS);
	return !o->objects;
}

static void s3_sink_close(struct sink *k)
{
	struct own *o = k->own;
	while (o->objects)
		remove_object(o, &o->objects);
	s3_abort_free(o->abort);
	s3_free(o->to.s3);
}

const struct sink_kind sink_s3 = {"s3",         sizeof(struct own), s3_sink_open,          s3_sink_put,
				  s3_sink_idle, s3_sink_drain,      .close = s3_sink_close};
