// SPDX-License-Identifier: BSD-3-Clause
//
// The shipper's thread: rings -> order -> a face, or the spool. It sleeps while there is nothing to do, at most 1 ms
// (live 4, in which a ring of 32,768 cells does not fill, and each waking takes 20 us from whoever has this processor),
// and flushes at least each 100 ms, so that who looks on sees what happened.
//
// Two threads meet here. The program's thread asks (a capture begins, stop) by `asked` under the lock, the shipper
// answers by `answered`. Everything else is the shipper's own. SIGPIPE is blocked in this thread: a reader that goes
// away is an answer of write(2), not a death.
#include "ship/ship.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "record.h"
#include "record_ring.h"
#include "ship/communityid.h"
#include "ship/face.h"
#include "ship/fingerprint.h"
#include "ship/order.h"
#include "base/clock.h"
#include "ship/direct.h"
#include "ship/names.h"
#include "ship/paths.h"
#include "ship/spool.h"
#include "ship/tags.h"

#define FLUSH_NS 100000000ull
#define TURN_RECORDS 4096 // of one ring, live
#define SLEEP_MIN_NS 50000
#define SLEEP_MAX_NS 1000000
#define SLEEP_LIVE_NS 4000000

const char *const ship_format_names[SHIP_FORMATS] = {"table", "eve", "ocsf", "facts", "raw"};

struct ship {
	struct ship_config config;
	struct direct direct;
	struct communityid *communityid;
	struct order *order; // replay
	uint32_t *expected;  // live: by source, the seq of the record that is to come
	struct fingerprint *fingerprint;
	struct tags *tags;
	struct namer *namer;
	struct record *copy; // replay: one whose flow id is told from those of captures before
	uint64_t before;
	struct record flood; // replay: one that may not be whole; else RECORD_NONE
	uint64_t records, flushed_ns;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake, reply;
	uint64_t asked, answered;
	bool stop;               // with asked: the end
	const char *const *next; // with asked: the captures that begin
	unsigned nnext;
	uint64_t next_before;
};

void ship_look(int fd, bool *colour, unsigned *width)
{
	const char *no_color = getenv("NO_COLOR"), *columns = getenv("COLUMNS");
	struct winsize size;
	bool terminal = isatty(fd) == 1;
	*colour = terminal && !(no_color && *no_color); // no-color.org: set and not empty
	*width = 0;
	if (!terminal)
		return;
	*width = columns ? (unsigned)strtoul(columns, NULL, 10) : 0;
	if (*width == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
		*width = size.ws_col;
	if (*width == 0)
		*width = 80;
}

// ---- the spool ---------------------------------------------------------------------------------------------------

static void to_spool(struct ship *s, const struct record *rec)
{
	if (rec->kind == RECORD_FLOW_START && !s->config.starts)
		return; // tags has what it says
	namer_tell(s->namer, rec);
	if (s->before && rec->flow_id) {
		memcpy(s->copy, rec, rec->len);
		s->copy->flow_id += s->before << 3;
		rec = s->copy;
	}
	spool_append(s->config.spool, spool_class(rec), rec);
}

static void hand_on(struct ship *s, const struct record *rec)
{
	if (s->direct.face)
		s->direct.face->record(&s->direct.render, rec);
	if (s->config.spool)
		to_spool(s, rec);
}

static void tell(struct ship *s, const struct record *rec)
{
	s->records++;
	hand_on(s, tags_record(s->tags, fingerprint_record(s->fingerprint, rec)));
}

static void end_flood(struct ship *s)
{
	if (s->flood.kind)
		tell(s, &s->flood);
	s->flood.kind = RECORD_NONE;
}

// Replay: what the workers say of one source at one place is one.
static void ship_record(void *arg, const struct record *rec)
{
	struct ship *s = arg;
	const struct record *was = &s->flood;
	bool whole = s->config.live || s->config.spool; // with a number of its own, which nobody may miss
	bool flood = !whole && rec->kind == RECORD_FLOOD && rec->len == sizeof(*rec);
	if (flood && was->kind && was->order == rec->order && was->packet == rec->packet) {
		record_flood_add(&s->flood, &(struct record_flood_part){
						    .dst = rec->dst,
						    .start_ns = rec->start_ns,
						    .end_ns = rec->end_ns,
						    .pkts = {rec->pkts[0], rec->pkts[1]},
						    .bytes = {rec->bytes[0], rec->bytes[1]},
						    .flows = rec->tx_count,
						    .dport = rec->dport,
						    .tcp_flags = {rec->tcp_flags[0], rec->tcp_flags[1]},
						    .flow_end = rec->flow_end,
						    .direction = rec->direction,
					    });
		return;
	}
	end_flood(s);
	if (flood)
		s->flood = *rec;
	else
		tell(s, rec);
}

// ---- live --------------------------------------------------------------------------------------------------------

// Those of a worker before seq have not come: its ring was full.
static void missing(struct ship *s, unsigned worker, uint32_t seq, uint64_t time_ns)
{
	uint32_t first = s->expected[worker], n = seq - first;
	s->expected[worker] = seq;
	struct record gap = {.len = sizeof(gap),
			     .kind = RECORD_GAP,
			     .time_ns = time_ns,
			     .worker = (uint16_t)worker,
			     .seq = first,
			     .tx_kind = GAP_RING,
			     .tx_id = seq - 1,
			     .pkts = {n}};
	if (n)
		hand_on(s, &gap);
}

static unsigned take_from(struct ship *s, unsigned worker)
{
	struct record_out *ring = s->config.sources[worker].ring;
	const struct record *rec;
	unsigned n = 0;
	for (; n < TURN_RECORDS && (rec = record_peek(ring)); n++) {
		missing(s, worker, rec->seq, rec->time_ns);
		s->expected[worker] += rec->kind != RECORD_FLOW_START; // which has the next one's number
		ship_record(s, rec);
		record_done(ring, rec);
	}
	return n;
}

static unsigned take_live(struct ship *s)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->config.nsources; i++)
		n += take_from(s, i);
	return n;
}

// The workers are at rest: what is missing behind the last that came.
static void missing_last(struct ship *s)
{
	for (unsigned i = 0; i < s->config.nsources && s->config.live; i++)
		missing(s, i, record_next(s->config.sources[i].ring), clock_ns(CLOCK_REALTIME));
}

// ---- the thread --------------------------------------------------------------------------------------------------

static unsigned take(struct ship *s, bool all)
{
	unsigned n = s->config.live ? take_live(s) : order_take(s->order, all, ship_record, s);
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	if (now > s->flushed_ns + FLUSH_NS) {
		if (s->direct.face)
			outlet_flush(&s->direct.render.out);
		s->flushed_ns = now;
	}
	return n;
}

static void begin(struct ship *s, const char *const *paths, unsigned npaths, uint64_t before)
{
	struct render *r = &s->direct.render;
	tags_forget(s->tags);
	s->before = r->before = before;
	paths_set(r, paths, npaths);
	if (s->namer)
		namer_captures(s->namer, paths, npaths);
	if (s->direct.face && s->direct.face->capture)
		s->direct.face->capture(r);
}

// Waits for a question or for ns. Called with the lock held.
static void doze(struct ship *s, uint64_t ns)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += (long)ns;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

// Whoever asks has put the workers to rest: all that is in the rings belongs to before the question.
static bool answer(struct ship *s)
{
	bool stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	while (take(s, true))
		;
	end_flood(s);
	if (s->next)
		begin(s, s->next, s->nnext, s->next_before);
	if (stop) {
		missing_last(s);
		if (s->direct.face)
			outlet_flush(&s->direct.render.out);
	}
	pthread_mutex_lock(&s->lock);
	s->answered = s->asked;
	pthread_cond_signal(&s->reply);
	return !stop;
}

static void *run(void *arg)
{
	struct ship *s = arg;
	uint64_t sleep_ns = SLEEP_MIN_NS, most_ns = s->config.live ? SLEEP_LIVE_NS : SLEEP_MAX_NS;
	sigset_t pipe;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	for (bool on = true; on;) {
		bool idle = take(s, false) == 0;
		pthread_mutex_lock(&s->lock);
		if (s->asked != s->answered)
			on = answer(s);
		else if (idle)
			doze(s, sleep_ns);
		pthread_mutex_unlock(&s->lock);
		sleep_ns = !idle ? SLEEP_MIN_NS : sleep_ns * 2 > most_ns ? most_ns : sleep_ns * 2;
	}
	return NULL;
}

static void ship_free(struct ship *s)
{
	direct_close(&s->direct);
	communityid_free(s->communityid);
	order_free(s->order);
	fingerprint_free(s->fingerprint);
	tags_free(s->tags);
	namer_free(s->namer);
	paths_forget(&s->direct.render);
	free(s->copy);
	free(s->expected);
	pthread_cond_destroy(&s->reply);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int open_all(struct ship *s)
{
	const struct ship_config *c = &s->config;
	s->order = order_new(c->sources, c->nsources);
	s->expected = calloc(c->nsources, sizeof(*s->expected));
	s->fingerprint = fingerprint_new();
	s->tags = tags_new();
	s->communityid = communityid_new(0);
	int rc = s->order && s->expected && s->fingerprint && s->tags && s->communityid ? 0 : -ENOMEM;
	if (rc == 0 && c->sink)
		rc = direct_open(&s->direct, c, s->communityid);
	s->config.sink = NULL; // the caller's
	if (rc < 0)
		return rc;
	if (c->spool && (!(s->copy = malloc(4 * RECORD_MAX)) || !(s->namer = namer_new(&s->config))))
		return -ENOMEM;
	begin(s, NULL, 0, 0);
	return -pthread_create(&s->thread, NULL, run, s);
}

struct ship *ship_start(const struct ship_config *config)
{
	struct ship *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->config = *config;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->reply, NULL);
	int rc = open_all(s);
	if (rc == 0)
		return s;
	ship_free(s);
	errno = -rc;
	return NULL;
}

static void ask(struct ship *s, const char *const *paths, unsigned npaths, uint64_t before, bool stop)
{
	pthread_mutex_lock(&s->lock);
	s->next = paths;
	s->nnext = npaths;
	s->next_before = before;
	s->stop = stop;
	s->asked++;
	pthread_cond_signal(&s->wake);
	while (s->answered != s->asked)
		pthread_cond_wait(&s->reply, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

void ship_capture(struct ship *s, const char *const *paths, unsigned npaths, uint64_t before)
{
	ask(s, paths, npaths, before, false);
}

bool ship_closed(const struct ship *s)
{
	return s->direct.render.out.closed;
}

struct ship_result ship_stop(struct ship *s)
{
	const struct outlet *out = &s->direct.render.out;
	ask(s, NULL, 0, 0, true);
	pthread_join(s->thread, NULL);
	struct ship_result result = {
		.error = out->error,
		.closed = out->closed,
		.records = s->records,
		.lines = out->lines,
		.bytes = out->bytes,
	};
	ship_free(s);
	return result;
}
