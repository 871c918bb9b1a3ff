// SPDX-License-Identifier: BSD-3-Clause
//
// What is durable in the spool comes in, one record after the other; out it goes to each sink's place, at that place's
// own pace. One thread a sink: it reads, filters, renders, hands on, and writes its cursor behind what has arrived.
//
//   spool_next --META--> names
//              --record--> face -> kind.put: TOOK    it is the kind's; sink_acked says when it has arrived
//                                            BUSY    the same again, some milliseconds later
//                                            DOWN    the same again, after a pause that grows (sink_counts_pause)
//                                            REFUSED to the sink's error place, counted; the next one goes on
//
// Nothing is ever left out here: what a sink cannot take waits in the spool, whose bound decides what is lost, and a
// record of kind gap says so in its place.
// Must never happen here: that one sink waits for another.
#include "ship/deliver.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "record.h"
#include "ship/communityid.h"
#include "ship/direct.h"
#include "ship/filter.h"
#include "ship/names.h"
#include "ship/paths.h"
#include "ship/redact.h"
#include "ship/sink.h"
#include "ship/spool.h"

#define ROOM "ship"
#define BUSY_NS 2000000ull
#define KEY_MAX 4096 // bytes of a redact_key
#define IDLE_NS (SINK_IDLE_MS * 1000000ull)
#define LOOK_EACH 16 // records, to a look at what is asked and at the clock

struct delivery {
	struct sink sink;
	const struct sink_kind *kind;
	const struct face *face;
	struct ship_sink look;
	struct render render;
	struct names *names;
	struct filter filter;
	struct redact *redact; // NULL: nothing is
	struct spool_reader *reader;
	pthread_t thread;
	bool runs;
	_Atomic bool ended;
	_Atomic uint64_t units; // of counts; written by the thread alone
	char name[SINK_NAME];

	uint64_t acked, cursor; // arrived; written
	uint64_t put, seen;     // ends of what the kind has taken; of what was read, filtered and refused ones too
	uint64_t cursor_ns, idle_ns, pause_ns;
	bool rewind; // what has not arrived is to be read again
	bool stated; // the state is another than the cursor's

	pthread_mutex_t lock; // of what follows, and of what others read
	pthread_cond_t wake;
	bool stop, again; // asked for
	uint64_t deadline_ns;
	bool drained;
	struct sink_counts counts;
	uint64_t oldest_at; // its time_ns; 0: nothing waits
};

struct deliver {
	struct spool *spool;
	unsigned n;
	struct delivery of[];
};

// ---- what a kind says --------------------------------------------------------------------------------------------

bool sink_acked(struct sink *k, uint64_t end, bool now)
{
	struct delivery *d = k->delivery;
	d->acked = end > d->acked ? end : d->acked;
	uint64_t ns = clock_ns(CLOCK_MONOTONIC);
	if (d->acked == d->cursor && !d->stated)
		return true;
	if (!now && ns - d->cursor_ns < SINK_CURSOR_MS * 1000000ull)
		return false;
	d->cursor_ns = ns;
	if (spool_ack(d->reader, d->acked, k->state, (uint32_t)k->state_len) != 0)
		return false;
	d->cursor = d->acked;
	d->stated = false;
	return true;
}

int sink_state(struct sink *k, const void *state, size_t len)
{
	if (len > SPOOL_STATE_MAX)
		return -ENOSPC;
	memcpy(k->state, state, len);
	k->state_len = len;
	k->delivery->stated = true;
	return 0;
}

void sink_rewind(struct sink *k)
{
	k->delivery->rewind = true;
}

void sink_fails(struct sink *k, const char *why, ...)
{
	struct delivery *d = k->delivery;
	char text[SINK_TEXT];
	va_list args;
	va_start(args, why);
	vsnprintf(text, sizeof(text), why, args);
	va_end(args);
	pthread_mutex_lock(&d->lock);
	bool news = sink_counts_fails(&d->counts, text);
	pthread_mutex_unlock(&d->lock);
	if (news)
		log_say(LOG_ERROR, ROOM, "sink=%s is down: %s; records wait in the spool", d->name, text);
}

void sink_works(struct sink *k)
{
	struct delivery *d = k->delivery;
	d->pause_ns = 0;
	pthread_mutex_lock(&d->lock);
	bool news = sink_counts_works(&d->counts);
	pthread_mutex_unlock(&d->lock);
	if (news)
		log_say(LOG_NOTICE, ROOM, "sink=%s is up again", d->name);
}

void sink_troubled(struct sink *k, const char *why)
{
	pthread_mutex_lock(&k->delivery->lock);
	sink_counts_troubled(&k->delivery->counts, why);
	pthread_mutex_unlock(&k->delivery->lock);
}

int sink_wait(struct sink *k, int most_ms)
{
	struct delivery *d = k->delivery;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), left_ms = UINT64_MAX;
	pthread_mutex_lock(&d->lock);
	if (d->stop)
		left_ms = d->deadline_ns > now ? (d->deadline_ns - now) / 1000000 : 0;
	pthread_mutex_unlock(&d->lock);
	return left_ms < (uint64_t)most_ms ? (int)left_ms : most_ms;
}

void sink_sent(struct sink *k, uint64_t bytes)
{
	pthread_mutex_lock(&k->delivery->lock);
	k->delivery->counts.bytes += bytes;
	pthread_mutex_unlock(&k->delivery->lock);
}

// ---- the loop ----------------------------------------------------------------------------------------------------

// Until so long is over, or somebody asks for something.
static void nap(struct delivery *d, uint64_t ns)
{
	uint64_t at = clock_ns(CLOCK_MONOTONIC) + ns;
	pthread_mutex_lock(&d->lock);
	if (d->stop && d->deadline_ns < at)
		at = d->deadline_ns;
	struct timespec t = clock_time(at);
	if (!d->again && (!d->stop || clock_ns(CLOCK_MONOTONIC) < d->deadline_ns))
		pthread_cond_timedwait(&d->wake, &d->lock, &t);
	pthread_mutex_unlock(&d->lock);
}

static void pause_grows(struct delivery *d)
{
	nap(d, sink_counts_pause(&d->pause_ns));
}

// False: the end, and its deadline is over.
static bool goes_on(struct delivery *d)
{
	pthread_mutex_lock(&d->lock);
	bool again = d->again, over = d->stop && clock_ns(CLOCK_MONOTONIC) >= d->deadline_ns;
	d->again = false;
	pthread_mutex_unlock(&d->lock);
	if (again && d->kind->reopen)
		d->kind->reopen(&d->sink);
	return !over;
}

static bool asked_to_stop(struct delivery *d)
{
	pthread_mutex_lock(&d->lock);
	bool stop = d->stop;
	pthread_mutex_unlock(&d->lock);
	return stop;
}

// What was left out behind the last that has arrived holds nothing up.
static void pass(struct delivery *d, bool now)
{
	sink_acked(&d->sink, !d->rewind && d->acked >= d->put ? d->seen : 0, now);
}

static void idle(struct delivery *d)
{
	d->idle_ns = clock_ns(CLOCK_MONOTONIC);
	if (d->kind->idle && !d->kind->idle(&d->sink))
		pause_grows(d);
	pass(d, false);
}

static void refused(struct delivery *d, const struct sink_item *item)
{
	struct sink *k = &d->sink;
	pthread_mutex_lock(&d->lock);
	bool first = d->counts.refused++ == 0;
	snprintf(d->counts.error, sizeof(d->counts.error), "%s", k->refusal);
	pthread_mutex_unlock(&d->lock);
	if (first)
		log_say(LOG_WARNING, ROOM, "sink=%s refuses a record: %s; more are counted", d->name, k->refusal);
	if (d->kind->error)
		d->kind->error(k, item);
}

// Until it is taken, refused, or the end has come. False: the end.
static bool put(struct delivery *d, const struct sink_item *item)
{
	for (;;) {
		enum sink_took took = d->kind->put(&d->sink, item);
		if (took == SINK_REFUSED)
			refused(d, item);
		if (took == SINK_TOOK)
			d->put = item->end;
		if (took == SINK_TOOK || took == SINK_REFUSED || (d->rewind && took != SINK_DOWN))
			return true;
		if (!goes_on(d))
			return false;
		if (took == SINK_DOWN)
			pause_grows(d);
		else
			nap(d, BUSY_NS);
		if (d->kind->idle)
			d->kind->idle(&d->sink);
		if (d->rewind)
			return true;
	}
}

static bool record(struct delivery *d, const struct spool_frame *f)
{
	const struct record *rec = f->record;
	struct sink_item item = {.at = f->pos, .end = f->pos + 1, .record = rec, .node = f->node, .boot = f->boot};
	names_by(d->names, f->node, f->boot);
	if (!filter_takes(&d->filter, rec))
		return true;
	if (d->redact)
		item.record = rec = redact_record(d->redact, rec);
	d->face->record(&d->render, rec);
	item.text = outlet_take(&d->render.out, &item.len);
	if (item.len && !put(d, &item))
		return false;
	atomic_store_explicit(&d->units, d->units + (item.len > 0), memory_order_relaxed);
	return true;
}

static void name(struct delivery *d, const struct spool_frame *f)
{
	const char *const *captures;
	unsigned n;
	int rc = names_read(d->names, f->bytes, f->len, &captures, &n);
	if (rc < 0)
		log_say(LOG_WARNING, ROOM, "sink=%s: names in the spool cannot be read", d->name);
	else if (rc)
		paths_set(&d->render, captures, n);
}

// False: the end.
static bool frame(struct delivery *d, const struct spool_frame *f)
{
	if (!f->record) {
		name(d, f);
		return true;
	}
	if (!record(d, f))
		return false; // nobody has it: the cursor stays before it
	d->seen = f->pos + 1;
	return true;
}

// All that was flushed has been handed on: until it has arrived, or time is over.
static void drain(struct delivery *d)
{
	bool all = !d->kind->drain || d->kind->drain(&d->sink);
	while (!all && !d->rewind && goes_on(d)) {
		nap(d, BUSY_NS);
		all = d->kind->drain(&d->sink);
	}
	pass(d, true);
	d->drained = all && !d->rewind;
}

static void back(struct delivery *d)
{
	spool_seek(d->reader, d->acked);
	d->put = d->seen = d->acked;
	d->rewind = false;
}

static void *run(void *arg)
{
	struct delivery *d = arg;
	sigset_t pipe;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	bool on = true, last = false;
	for (unsigned turn = 0; on;) {
		if (turn == 0) {
			if (!goes_on(d))
				break;
			last = asked_to_stop(d); // before the look: what was flushed by then is seen
		}
		if (d->rewind)
			back(d);
		const struct spool_frame *f = spool_next(d->reader, last ? 0 : SINK_IDLE_MS);
		if (f)
			on = frame(d, f);
		turn = f ? (turn + 1) % LOOK_EACH : 0;
		if (!f || (turn == 0 && clock_ns(CLOCK_MONOTONIC) - d->idle_ns > IDLE_NS))
			idle(d);
		if (!f && last) {
			drain(d);
			on = d->rewind;
		}
	}
	sink_acked(&d->sink, 0, true);
	atomic_store(&d->ended, true);
	return NULL;
}

// ---- life --------------------------------------------------------------------------------------------------------

// What it gets to see. The words were judged with the config.
static int open_sight(struct delivery *d, const struct sink_config *c)
{
	const char *words[SINK_LIST * 2], *near;
	char key[KEY_MAX];
	size_t len = 0;
	for (unsigned i = 0; i < c->nkinds; i++)
		filter_kind(&d->filter, c->kinds[i], &near);
	for (unsigned i = 0; i < c->ntenants; i++)
		filter_tenant(&d->filter, strtoull(c->tenants[i], NULL, 10));
	for (unsigned i = 0; i < c->nredact; i++)
		words[i] = c->redact[i];
	if (!c->nredact)
		return 0;
	if (*c->redact_key) {
		FILE *f = fopen(c->redact_key, "re");
		len = f ? fread(key, 1, sizeof(key), f) : 0;
		if (f)
			fclose(f);
		if (len < REDACT_KEY_MIN) {
			log_say(LOG_ERROR, ROOM, "sink=%s: redact_key=%s: %s", c->name, c->redact_key,
				f ? "at least 16 bytes are expected" : strerror(errno));
			return -EINVAL;
		}
	}
	d->redact = redact_new(words, c->nredact, len ? key : NULL, len);
	explicit_bzero(key, sizeof(key));
	return d->redact ? 0 : -ENOMEM;
}

static int open_one(struct deliver *all, struct delivery *d, const struct sink_config *config)
{
	struct sink *k = &d->sink;
	uint32_t len = 0;
	pthread_condattr_t attr;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->wake, &attr);
	pthread_condattr_destroy(&attr);
	d->kind = sink_kinds[config->type];
	k->config = config;
	k->delivery = d;
	snprintf(d->name, sizeof(d->name), "%s", config->name);
	sink_counts_begin(&d->counts, config->name);
	if (!d->kind)
		return -ENOSYS;
	k->own = calloc(1, d->kind->size);
	k->state = calloc(1, SPOOL_STATE_MAX);
	d->names = names_new();
	d->face = faces[config->format];
	d->look = (struct ship_sink){.format = config->format, .fd = -1, .cloud = config->cloud};
	d->render.communityid = communityid_new(0);
	if (!k->own || !k->state || !d->names || !d->render.communityid)
		return -ENOMEM;
	d->render.config = names_config(d->names);
	d->render.sink = &d->look;
	int rc = open_sight(d, config);
	rc = rc < 0 ? rc : outlet_open(&d->render.out, -1);
	rc = rc < 0 ? rc : d->face->open(&d->render);
	d->reader = rc < 0 ? NULL : spool_reader_open(all->spool, d->name, k->state, &len);
	if (!d->reader)
		return rc < 0 ? rc : -errno;
	k->state_len = len;
	d->acked = d->cursor = d->put = d->seen = spool_cursor(d->reader);
	rc = d->kind->open(k);
	rc = rc < 0 ? rc : -pthread_create(&d->thread, NULL, run, d);
	d->runs = rc == 0;
	return rc;
}

static void close_one(struct delivery *d)
{
	if (d->kind && d->kind->close && d->sink.own)
		d->kind->close(&d->sink);
	if (d->reader)
		spool_reader_close(d->reader);
	if (d->face && d->face->close)
		d->face->close(&d->render);
	outlet_close(&d->render.out);
	communityid_free(d->render.communityid);
	paths_forget(&d->render);
	names_free(d->names);
	redact_free(d->redact);
	free(d->sink.state);
	free(d->sink.own);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
}

static void ask(struct delivery *d, bool stop, uint64_t deadline_ns)
{
	pthread_mutex_lock(&d->lock);
	if (stop) {
		d->stop = true;
		d->deadline_ns = deadline_ns;
	} else {
		d->again = true;
	}
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	spool_wake(d->reader);
}

struct deliver *deliver_start(const struct deliver_config *config)
{
	struct deliver *all = calloc(1, sizeof(*all) + config->nsinks * sizeof(struct delivery));
	if (!all)
		return NULL;
	all->spool = config->spool;
	for (unsigned i = 0; i < config->nsinks; i++) {
		all->n++;
		int rc = open_one(all, &all->of[i], config->sinks[i]);
		if (rc == 0)
			continue;
		log_say(LOG_ERROR, ROOM, "cannot open sink=%s: %s", config->sinks[i]->name, strerror(-rc));
		deliver_stop(all, 0);
		errno = -rc;
		return NULL;
	}
	return all;
}

void deliver_reopen(struct deliver *d)
{
	for (unsigned i = 0; d && i < d->n; i++)
		ask(&d->of[i], false, 0);
}

void deliver_drain(struct deliver *d, uint64_t deadline_ns)
{
	for (unsigned i = 0; i < d->n; i++)
		if (d->of[i].runs)
			ask(&d->of[i], true, deadline_ns);
}

bool deliver_done(const struct deliver *d)
{
	for (unsigned i = 0; i < d->n; i++)
		if (d->of[i].runs && !atomic_load(&d->of[i].ended))
			return false;
	return true;
}

static void say_waits(const struct delivery *d, struct spool *spool)
{
	struct spool_reader_look look = {0};
	spool_look_sink(spool, d->name, &look);
	log_say(LOG_WARNING, ROOM, "sink=%s has not taken all: %lu bytes %s", d->name, look.behind_bytes,
		spool_in_memory(spool) ? "are lost: the spool is in memory (spool.path)"
				       : "stay in the spool, and go out after the next start");
}

bool deliver_stop(struct deliver *d, uint64_t deadline_ns)
{
	bool all = true;
	deliver_drain(d, deadline_ns);
	for (unsigned i = 0; i < d->n; i++) {
		if (d->of[i].runs)
			pthread_join(d->of[i].thread, NULL);
		all &= d->of[i].drained;
		if (d->of[i].runs && !d->of[i].drained)
			say_waits(&d->of[i], d->spool);
		close_one(&d->of[i]);
	}
	free(d);
	return all;
}

bool deliver_counts(const struct deliver *all, const char *sink, struct sink_counts *to)
{
	for (unsigned i = 0; all && i < all->n; i++) {
		struct delivery *d = (struct delivery *)(uintptr_t)&all->of[i];
		if (strcmp(d->name, sink))
			continue;
		pthread_mutex_lock(&d->lock);
		*to = d->counts;
		to->units = atomic_load(&d->units);
		pthread_mutex_unlock(&d->lock);
		struct spool_reader_look look = {0};
		spool_look_sink(all->spool, d->name, &look);
		to->behind_bytes = look.behind_bytes;
		to->oldest_ns = look.oldest_ns;
		to->lost = look.lost;
		return true;
	}
	return false;
}
