// SPDX-License-Identifier: BSD-3-Clause
//
// The life of a running appliance: which policy comes into force and from where, what SIGHUP changes, how it ends when
// the end does not come by itself. Control thread; loads run on reload.c's.
//
// SIGHUP reads the configuration again, and takes of it the policy's files and the level of the log; whatever else has
// changed is named, and waits for a restart. An error in either file changes nothing at all.
#include "run_life.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd.h"
#include "ctl/decider.h"
#include "ctl/from_kafka.h"
#include "ctl/privilege.h"
#include "ctl/reload.h"
#include "live/history.h"

#define TRIED_MAX 8      // policies of the history that a start tries
#define AGAIN_MAX 5      // restarts because of a stalled worker,
#define AGAIN_SECONDS 60 // each within so many of the one before
#define AGAIN_MS 500     // what is in the shipper's hands has so long

static void load(struct run *r, const char *file);

static void said_lines(enum log_level level, const char *room, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		log_say(level, room, "%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

// ---- policy ------------------------------------------------------------------------------------------------------

// The next older one of the history. False: there is none.
static bool fall_back(struct run *r)
{
	const char *folder = r->config.policy.history;
	struct history_entry *list = NULL;
	char path[HISTORY_PATH];
	int n = *folder ? history_list(folder, &list) : 0;
	bool there = n > (int)r->tried && r->tried < TRIED_MAX;
	if (there) {
		const struct history_entry *e = &list[r->tried++];
		log_say(LOG_ERROR, "policy",
			"THE LAST GOOD POLICY is loaded instead: number=%u of %s hash=%.12s from %s", e->number,
			e->time, e->hash, e->from);
		history_file(folder, e->number, path);
		load(r, path);
	}
	free(list);
	return there;
}

static void loaded(void *arg, const struct reload *l)
{
	struct run *r = arg;
	said_lines(l->rc == 0 ? LOG_WARNING : LOG_ERROR, "policy", l->said);
	if (l->rc == 0)
		log_say(LOG_NOTICE, "policy",
			"enforcing file=%s version=%u rules=%u sets=%u read_ms=%.0f compile_ms=%.0f publish_ms=%.1f "
			"active on %u/%u workers",
			l->file, l->done.version, l->done.rules, l->done.sets, l->done.read_ms, l->done.compile_ms,
			l->done.publish_ms, l->done.workers, r->appliance.nworkers + decider_workers(&r->appliance));
	else
		log_say(LOG_ERROR, "policy", "not loaded file=%s: %s; %s", l->file,
			l->rc == -EINVAL ? "it has errors" : strerror(-l->rc),
			r->begun ? "what was in force stays" : "fail.no_policy holds");
	if (l->rc < 0 && !r->begun && fall_back(r))
		return;
	r->appliance.last_good |= l->rc == 0 && !r->begun && r->tried;
	r->begun = true;
}

static void again(void *arg)
{
	struct run *r = arg;
	load(r, r->config.policy.file);
}

static void load(struct run *r, const char *file)
{
	if (!*file) {
		log_say(LOG_WARNING, "policy", "none in the config: everything goes by fail.no_policy");
		return;
	}
	int rc = reload_begin(&r->appliance, r->loop, file, loaded, r);
	if (rc == -EBUSY) {
		log_say(LOG_NOTICE, "policy", "another policy is being loaded: file=%s comes after it", file);
		reload_after(&r->appliance, again, r);
	} else if (rc < 0)
		log_say(LOG_ERROR, "policy", "cannot begin to load file=%s: %s", file, strerror(-rc));
}

void life_level(const struct config *c)
{
	log_set(NULL, log_level_names[c->log_level]);
}

// A file that is rotated needs a folder in which the user may write: better said now than by night.
static void may_rotate(const struct config *c, const char *path)
{
	char folder[CONFIG_FILE];
	snprintf(folder, sizeof(folder), "%s", path);
	const char *in = dirname(folder);
	if (!privilege_may(c, in, W_OK | X_OK))
		log_say(LOG_ERROR, "ship", "sink=%s will not rotate: %s may not write in its folder; chown %s: %s",
			path, *c->user ? c->user : "who runs this", *c->user ? c->user : "$USER", in);
}

void life_folders(struct run *r)
{
	const struct config *c = &r->config;
	for (unsigned i = 0; i < c->nsinks; i++)
		if (c->sinks[i].rotate_mb || c->sinks[i].rotate_s)
			may_rotate(c, c->sinks[i].path);
	char socket[CONFIG_DEVICE];
	snprintf(socket, sizeof(socket), "%s", r->config.control.socket);
	if (*socket)
		privilege_folder(&r->config, dirname(socket)); // what is wrong with it, the socket says
	struct config_policy *p = &r->config.policy;
	int rc = *p->history && (*p->file || p->kafka) ? privilege_folder(&r->config, p->history) : 0;
	if (rc == 0)
		return;
	log_say(LOG_WARNING, "policy", "no history is kept: %s: %s; mkdir -p %s, or policy.history \"\"", p->history,
		strerror(-rc), p->history);
	*p->history = 0;
}

void life_begin(struct run *r)
{
	if (r->config.policy.kafka) {
		from_kafka_start(&r->appliance, r->loop);
		return;
	}
	load(r, r->config.policy.file);
}

// ---- SIGHUP ------------------------------------------------------------------------------------------------------

static void collect(void *arg, const char *key, const char *json, const char *origin)
{
	(void)origin;
	json_object_set_new(arg, key, json_string(json));
}

static json_t *values(const struct config *c)
{
	json_t *o = json_object();
	config_each(c, collect, o);
	return o;
}

// What is other than it was and cannot change under way.
static void name_changes(const struct config *was, const struct config *is)
{
	static const char *const live[] = {"policy.file", "policy.shadow", "log.level"};
	json_t *before = values(was), *after = values(is), *v;
	const char *key;
	for (unsigned i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
		json_object_del(before, live[i]);
		json_object_del(after, live[i]);
	}
	json_object_foreach(after, key, v) {
		const char *old = json_string_value(json_object_get(before, key));
		if (!old || strcmp(old, json_string_value(v)))
			log_say(LOG_WARNING, "config", "needs a restart: %s: %s, was %s", key, json_string_value(v),
				old ? old : "not there");
		json_object_del(before, key);
	}
	json_object_foreach(before, key, v)
		log_say(LOG_WARNING, "config", "needs a restart: %s is gone", key);
	json_decref(before);
	json_decref(after);
}

static bool read_again(struct run *r, struct config *next)
{
	char *text = NULL;
	size_t size;
	FILE *say = open_memstream(&text, &size);
	int rc = say ? config_load(next, r->file, r->sets, r->nsets, say) : -ENOMEM;
	if (say)
		fclose(say);
	said_lines(rc < 0 ? LOG_ERROR : LOG_INFO, "config", text ? text : "");
	free(text);
	if (rc < 0)
		log_say(LOG_ERROR, "config", "not read again file=%s: nothing has changed", r->file);
	return rc == 0;
}

void life_reload(struct run *r)
{
	static struct config next;
	log_say(LOG_NOTICE, "run", "SIGHUP: reading %s and the policy again", r->file);
	if (!read_again(r, &next))
		return;
	if (!*r->config.policy.history) // it could not be written
		*next.policy.history = 0;
	name_changes(&r->config, &next);
	if (next.log_level != r->config.log_level)
		life_level(&next);
	r->config.log_level = next.log_level;
	memcpy(r->config.policy.file, next.policy.file, sizeof(next.policy.file));
	memcpy(r->config.policy.shadow, next.policy.shadow, sizeof(next.policy.shadow));
	if (!r->config.policy.kafka)
		load(r, r->config.policy.file);
}

// ---- ends --------------------------------------------------------------------------------------------------------

static volatile sig_atomic_t outcome =
	-1; // how it ends: what is left to do is to give memory back, which can take its time

static const struct appliance *ending;

static void now(int signal)
{
	if (outcome >= 0)
		_exit(outcome);
	const char *text[] = {signal == SIGALRM ? "error run: drain_ms is over: ended "
						: "error run: a second signal: ended ",
			      ending->waits ? ending->waits : "at once", "\n"};
	struct iovec parts[3];
	for (unsigned i = 0; i < 3; i++)
		parts[i] = (struct iovec){(void *)(uintptr_t)text[i], strlen(text[i])};
	_exit(writev(STDERR_FILENO, parts, 3) < 0 ? EXIT_ENVIRONMENT : EXIT_FINDINGS);
}

void life_ended(int status)
{
	log_say(LOG_NOTICE, "run", "ended");
	outcome = status;
}

void life_deadline(const struct run *r, unsigned ms)
{
	ending = &r->appliance;
	static const int signals[] = {SIGTERM, SIGINT, SIGALRM};
	const struct sigaction act = {.sa_handler = now};
	struct itimerval at = {.it_value = {ms / 1000, (ms % 1000) * 1000 + (ms == 0)}};
	sigset_t set;
	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], &act, NULL);
		sigaddset(&set, signals[i]);
	}
	setitimer(ITIMER_REAL, &at, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

// A process that stalls at each start is not helped by starts. Seconds since boot and restarts so far, in the
// environment: it is all that an exec leaves.
static bool once_more(void)
{
	const char *was = getenv("SLUICE_AGAIN");
	struct timespec t;
	unsigned n = 0;
	long at = 0;
	char text[48];
	clock_gettime(CLOCK_BOOTTIME, &t);
	if (was && sscanf(was, "%u@%ld", &n, &at) == 2 && t.tv_sec - at > AGAIN_SECONDS)
		n = 0;
	snprintf(text, sizeof(text), "%u@%ld", n + 1, (long)t.tv_sec);
	setenv("SLUICE_AGAIN", text, 1);
	return n < AGAIN_MAX;
}

void life_again(struct run *r)
{
	bool more = once_more();
	log_say(LOG_ERROR, "run", "a worker is stalled: %s",
		more ? "starting again" : "it was so after each start: ended");
	if (r->appliance.ship && more) {
		life_deadline(r, AGAIN_MS);
		appliance_ship(&r->appliance, clock_ns(CLOCK_MONOTONIC) + AGAIN_MS / 2 * 1000000ull);
		setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	}
	if (more)
		privilege_again(r->argv);
	_exit(EXIT_ENVIRONMENT);
}
