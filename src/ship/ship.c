// SPDX-License-Identifier: BSD-3-Clause
//
// The shipper's thread: rings -> order -> face -> file. It sleeps while there is nothing to do, at most 1 ms, and
// flushes at least each 100 ms, so that who looks on sees what happened.
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
#include "ship/communityid.h"
#include "ship/face.h"
#include "ship/fingerprint.h"
#include "ship/order.h"

#define FLUSH_NS 100000000ull
#define SLEEP_MIN_NS 50000
#define SLEEP_MAX_NS 1000000

const char *const ship_format_names[SHIP_FORMATS] = {"table", "eve", "facts", "raw"};

static const struct face *const faces[SHIP_FORMATS] = {&table_face, &eve_face, &facts_face, &raw_face};

struct ship {
	struct ship_config config;
	const struct face *face;
	struct render render;
	struct order *order;
	struct fingerprint *fingerprint;
	uint64_t records, flushed_ns;
	pthread_t thread;
	bool started;

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

static uint64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void render_record(void *arg, const struct record *rec)
{
	struct ship *s = arg;
	s->records++;
	s->face->record(&s->render, fingerprint_record(s->fingerprint, rec));
}

static unsigned take(struct ship *s, bool all)
{
	unsigned n = order_take(s->order, all || s->config.live, render_record, s);
	uint64_t now = n || s->render.out.at > s->render.out.base ? clock_ns() : 0;
	if (now > s->flushed_ns + FLUSH_NS) {
		outlet_flush(&s->render.out);
		s->flushed_ns = now;
	}
	return n;
}

static void forget_paths(struct render *r)
{
	for (unsigned i = 0; i < r->npaths; i++) {
		free(r->paths[i].plain);
		free(r->paths[i].json);
	}
	free(r->paths);
	r->paths = NULL;
	r->npaths = 0;
}

static bool keep_path(struct render_path *p, const char *path)
{
	size_t room = strlen(path) * 6 + 16;
	p->plain = strdup(path);
	p->json = malloc(room);
	if (!p->plain || !p->json)
		return false;
	struct jsonl j = {.at = p->json, .end = p->json + room};
	jsonl_bytes(&j, path, strlen(path));
	p->json_len = (size_t)(j.at - p->json);
	return true;
}

// Without memory captures have no names.
static void begin(struct ship *s, const char *const *paths, unsigned npaths, uint64_t before)
{
	struct render *r = &s->render;
	forget_paths(r);
	r->before = before;
	r->paths = calloc(npaths ? npaths : 1, sizeof(*r->paths));
	bool all = r->paths;
	for (unsigned i = 0; i < npaths && all; i++)
		all = keep_path(&r->paths[r->npaths++], paths[i]);
	if (!all)
		forget_paths(r);
	if (s->face->capture)
		s->face->capture(r);
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
	if (s->next)
		begin(s, s->next, s->nnext, s->next_before);
	if (stop)
		outlet_flush(&s->render.out);
	pthread_mutex_lock(&s->lock);
	s->answered = s->asked;
	pthread_cond_signal(&s->reply);
	return !stop;
}

static void *run(void *arg)
{
	struct ship *s = arg;
	uint64_t sleep_ns = SLEEP_MIN_NS;
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
		sleep_ns = !idle ? SLEEP_MIN_NS : sleep_ns * 2 > SLEEP_MAX_NS ? SLEEP_MAX_NS : sleep_ns * 2;
	}
	return NULL;
}

static void ship_free(struct ship *s)
{
	if (s->face->close)
		s->face->close(&s->render);
	communityid_free(s->render.communityid);
	order_free(s->order);
	fingerprint_free(s->fingerprint);
	outlet_close(&s->render.out);
	forget_paths(&s->render);
	pthread_cond_destroy(&s->reply);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct ship *ship_start(const struct ship_config *config)
{
	struct ship *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->config = *config;
	s->face = faces[config->format];
	s->render.config = &s->config;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->reply, NULL);
	s->order = order_new(config->sources, config->nsources);
	s->fingerprint = fingerprint_new();
	s->render.communityid = communityid_new(0);
	int rc =
		s->order && s->fingerprint && s->render.communityid ? outlet_open(&s->render.out, config->fd) : -ENOMEM;
	if (rc == 0)
		rc = s->face->open(&s->render);
	if (rc == 0) {
		begin(s, NULL, 0, 0);
		rc = -pthread_create(&s->thread, NULL, run, s);
	}
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
	return s->render.out.closed;
}

struct ship_result ship_stop(struct ship *s)
{
	ask(s, NULL, 0, 0, true);
	pthread_join(s->thread, NULL);
	struct ship_result result = {
		.error = s->render.out.error,
		.closed = s->render.out.closed,
		.records = s->records,
		.lines = s->render.out.lines,
		.bytes = s->render.out.bytes,
	};
	ship_free(s);
	return result;
}
