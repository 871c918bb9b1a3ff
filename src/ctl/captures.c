// SPDX-License-Identifier: BSD-3-Clause
//
// Captures by command, a few at a time. In comes a command; out goes a struct sniff, whose thread makes the file, and
// errands to the workers, to look and to look no more. Control thread, which waits for none of them: who asked hears
// when it is so.
//
//   start -> its thread: filter, memory, file -> heard -> errand: workers look -> answered
//   stop, or heard that a limit was reached -> errand: workers look no more -> its thread ends -> heard -> answered
//
// A capture belongs to nobody: who started it may go. That a forgotten one fills no disk is what its limits are for.
#include "ctl/captures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/word.h"
#include "ctl/change.h"
#include "ctl/control.h"
#include "ctl/errands.h"
#include "ctl/loop.h"
#include "ctl/socket.h"
#include "ctl/state.h"
#include "live/sniff.h"
#include "live/standing.h"

#define CAPTURES 4
#define MEGABYTES 100 // where nothing is said
#define SECONDS 600
#define BUFFER_KB 4096 // of each worker: 3 ms of 10 Gbit/s
#define BUFFER_KB_MAX 65536
#define CLOSE_S 2

struct capture_run {
	struct appliance *a;
	struct sniff *sniff; // NULL: it has ended
	struct sniff_config config;
	struct sniff_counts counts; // when it had ended
	unsigned number;            // 0: there was none here
	bool looking, leaving, left, ended;
	uint64_t start_later, stop_later; // who waits; 0: nobody
	struct loop *loop;
	char why[SNIFF_WHY];
};

struct captures {
	struct capture_run of[CAPTURES];
	unsigned numbers;
	uint64_t frames, lost; // of those that gave their place away
};

// ---- words -------------------------------------------------------------------------------------------------------

static const char *const directions[] = {[SNIFF_IN] = "in",
					 [SNIFF_OUT] = "out",
					 [SNIFF_DROPPED] = "dropped",
					 [SNIFF_IN | SNIFF_OUT | SNIFF_DROPPED] = "all"};
#define DIRECTIONS (sizeof(directions) / sizeof(directions[0]))

static bool direction(const char *text, unsigned *ways)
{
	for (*ways = 1; *ways < DIRECTIONS; ++*ways)
		if (directions[*ways] && !strcmp(directions[*ways], text))
			return true;
	return false;
}

static bool port(const struct appliance *a, const char *text, uint32_t *ports)
{
	for (unsigned i = 0; i < a->nports; i++) {
		if (strcmp(a->ports[i].config.name, text) != 0)
			continue;
		*ports = 1u << i;
		return true;
	}
	return false;
}

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *n)
{
	char *end = NULL;
	errno = 0;
	*n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
	return end && !*end && !errno && *n >= least && *n <= most;
}

enum key { PORT, DIRECTION, FRAMES, MEGA, TIME, SNAPLEN, BUFFER, FILTER, KEYS };
static const char *const keys[KEYS] = {"port", "direction", "frames",    "megabytes",
				       "time", "snaplen",   "buffer_kb", "filter"};

static bool take(const struct appliance *a, enum key key, const char *text, struct sniff_config *s)
{
	uint64_t n = 0;
	bool ok = true;
	switch (key) {
	case PORT:
		return port(a, text, &s->ports);
	case DIRECTION:
		return direction(text, &s->ways);
	case FRAMES:
		return number(text, 1, UINT64_MAX, &s->frames);
	case MEGA:
		ok = number(text, 1, 1u << 20, &n);
		s->bytes = n << 20;
		break;
	case TIME:
		n = change_seconds(text);
		s->for_ns = n * 1000000000;
		return n;
	case SNAPLEN:
		ok = number(text, 14, SNIFF_SNAPLEN, &n);
		s->snaplen = (uint32_t)n;
		break;
	case BUFFER:
		ok = number(text, 4, BUFFER_KB_MAX, &n);
		s->ring_bytes = rte_align32pow2((uint32_t)n << 10);
		break;
	default:
		break;
	}
	return ok;
}

// The rest of the words, as they would stand in a command of tcpdump.
static bool filter(const struct call *c, unsigned from, struct sniff_config *s)
{
	size_t at = 0;
	for (unsigned i = from; i < c->n && at < sizeof(s->filter); i++)
		at += (size_t)snprintf(s->filter + at, sizeof(s->filter) - at, "%s%s", i > from ? " " : "", c->word[i]);
	return at && at < sizeof(s->filter);
}

static bool is_text(const char *s)
{
	json_t *text = json_string(s);
	json_decref(text);
	return text;
}

static bool options(const struct appliance *a, struct call *c, struct sniff_config *s)
{
	for (unsigned i = 3; i < c->n; i += 2) {
		unsigned key = word_find(keys, KEYS, c->word[i], strlen(c->word[i]));
		const char *near = key == KEYS ? word_near(keys, KEYS, c->word[i], strlen(c->word[i])) : NULL;
		const char *text = i + 1 < c->n ? c->word[i + 1] : NULL;
		if (near)
			return call_fail(c, CALL_USAGE, "unknown word \"%.60s\" (did you mean \"%s\"?)", c->word[i],
					 near);
		if (key == KEYS)
			return call_fail(c, CALL_USAGE, "unknown word \"%.60s\": %s", c->word[i], c->command->words);
		if (!text)
			return call_fail(c, CALL_USAGE, "%s needs a value", keys[key]);
		if (key == FILTER)
			return filter(c, i + 1, s) ||
			       call_fail(c, CALL_USAGE, "the filter is empty, or longer than %d bytes",
					 SNIFF_FILTER - 1);
		if (!take(a, key, text, s))
			return call_fail(c, CALL_USAGE, "%s cannot be \"%.60s\"", keys[key], text);
	}
	return true;
}

static json_t *row(const struct capture_run *k)
{
	const struct sniff_config *s = &k->config;
	struct sniff_counts n = k->sniff ? sniff_counts(k->sniff) : k->counts;
	bool one = !(s->ports & (s->ports - 1));
	return json_pack(
		"{s:i,s:s,s:s,s:I,s:I,s:I,s:s,s:s,s:s,s:s}", "capture", (int)k->number, "file", s->file, "state",
		!k->sniff     ? "ended"
		: !k->looking ? "opening"
		: k->leaving  ? "ending"
			      : "running",
		"frames", (json_int_t)n.frames, "bytes", (json_int_t)n.bytes, "lost", (json_int_t)n.lost, "port",
		one ? s->port[__builtin_ctz(s->ports)] : "all", "direction", directions[s->ways], "ended_by",
		k->sniff  ? ""
		: *k->why ? k->why
			  : "stop",
		"filter", s->filter);
}

// ---- its life ----------------------------------------------------------------------------------------------------

static void answer(struct appliance *a, uint64_t *later, struct call *c, json_t *result)
{
	control_answer(a->control, *later, c, result);
	*later = 0;
}

// Both its thread and the workers are done with it.
static void finish(struct capture_run *k)
{
	struct appliance *a = k->a;
	struct call c = {0};
	if (!k->ended || !k->left)
		return;
	k->counts = sniff_counts(k->sniff);
	memcpy(k->why, sniff_why(k->sniff), sizeof(k->why));
	if (!sniff_free(k->sniff, CLOSE_S))
		return; // it has said that it ends
	k->sniff = NULL;
	const char *by = *k->why ? k->why : "stop";
	log_say(LOG_NOTICE, "ctl", "capture %u ended by=\"%s\" file=%s frames=%lu lost=%lu", k->number, by,
		k->config.file, k->counts.frames, k->counts.lost);
	STATE_SAY(a, "capture_ended", STATE_TEXT("file", k->config.file), STATE_NUMBER("frames", k->counts.frames),
		  STATE_NUMBER("lost", k->counts.lost), STATE_TEXT("detail", by));
	answer(a, &k->stop_later, &c, row(k));
}

static void looked_away(struct appliance *a, void *arg, unsigned late)
{
	struct capture_run *k = arg;
	struct call c = {0};
	if (!late || !k->stop_later)
		return;
	call_fail(&c, CALL_FINDINGS, "%u of %u workers are stalled; it ends when they go on", late, a->nworkers);
	answer(a, &k->stop_later, &c, row(k));
}

static void is_left(void *arg)
{
	struct capture_run *k = arg;
	k->left = true;
	sniff_stop(k->sniff);
	finish(k);
}

static void leave(struct capture_run *k)
{
	if (k->leaving)
		return;
	k->leaving = true;
	struct errand_ask ask = {sniff_detach(k->sniff), looked_away, is_left, k};
	if (errands_ask(k->a, &ask) < 0)
		abort(); // some bytes: without them workers would look for ever
}

static void look_now(struct appliance *a, void *arg, unsigned late)
{
	struct capture_run *k = arg;
	struct call c = {0};
	json_t *o = row(k);
	if (late)
		json_object_set_new(o, "stalled_workers", json_integer(late));
	if (a->shortcut)
		json_object_set_new(o, "warning",
				    json_string("frames that XDP forwards or drops do not come up, and are not "
						"in it"));
	answer(a, &k->start_later, &c, o);
}

static void nothing(void *arg) {}

static void failed(struct capture_run *k)
{
	struct call c = {0};
	call_fail(&c, CALL_FINDINGS, "%s", sniff_why(k->sniff));
	sniff_free(k->sniff, CLOSE_S); // it has said that it ends
	k->sniff = NULL;
	k->number = 0;
	answer(k->a, &k->start_later, &c, NULL);
}

static void runs(struct capture_run *k)
{
	struct appliance *a = k->a;
	k->looking = true;
	log_say(LOG_NOTICE, "ctl", "capture %u begins file=%s", k->number, k->config.file);
	STATE_SAY(a, "capture_begun", STATE_TEXT("file", k->config.file), STATE_TEXT("detail", k->config.filter));
	struct errand_ask ask = {sniff_attach(k->sniff), look_now, nothing, k};
	if (errands_ask(a, &ask) < 0)
		abort();
}

// Called once when it runs, or failed, and once more when it has ended.
static void heard(void *arg)
{
	struct capture_run *k = arg;
	if (k->looking) {
		k->ended = true;
		leave(k);
		finish(k);
	} else if (sniff_state(k->sniff) == SNIFF_FAILED) {
		failed(k);
	} else {
		runs(k);
	}
}

static void said(void *arg)
{
	struct capture_run *k = arg;
	if (loop_post(k->loop, heard, k) < 0)
		abort();
}

// ---- commands ----------------------------------------------------------------------------------------------------

// A place: an empty one, else that of the capture that ended first.
static struct capture_run *place(struct captures *x)
{
	struct capture_run *free_one = NULL;
	for (unsigned i = 0; i < CAPTURES; i++) {
		struct capture_run *k = &x->of[i];
		if (!k->sniff && (!free_one || k->number < free_one->number))
			free_one = k;
	}
	return free_one;
}

json_t *captures_start(struct appliance *a, struct call *c)
{
	if (!a->captures && !(a->captures = calloc(1, sizeof(*a->captures))))
		return call_fail(c, CALL_ENVIRONMENT, "no memory");
	struct captures *x = a->captures;
	struct capture_run *k = place(x);
	const char *file = call_value(c, "file");
	struct sniff_config s = {.ways = SNIFF_IN,
				 .ports = UINT32_MAX,
				 .snaplen = SNIFF_SNAPLEN,
				 .ring_bytes = BUFFER_KB << 10,
				 .bytes = (uint64_t)MEGABYTES << 20,
				 .for_ns = SECONDS * 1000000000ull,
				 .workers = a->nworkers,
				 .nports = a->nports,
				 .policies = standing_names(a->standing),
				 .npolicies = STANDING_VERSIONS,
				 .said = said,
				 .arg = k};
	if (*file != '/' || strlen(file) >= sizeof(s.file))
		return call_fail(c, CALL_USAGE, "\"%.100s\": a file by its whole path, which begins with /", file);
	snprintf(s.file, sizeof(s.file), "%s", file);
	memcpy(s.port, a->names, sizeof(s.port));
	if (!options(a, c, &s))
		return NULL;
	if (!is_text(s.file) || !is_text(s.filter))
		return call_fail(c, CALL_USAGE, "what was said is not UTF-8");
	if (!k)
		return call_fail(c, CALL_FINDINGS, "%d captures run already: `show captures`", CAPTURES);
	x->frames += k->counts.frames;
	x->lost += k->counts.lost;
	*k = (struct capture_run){.a = a, .config = s, .loop = control_loop(a->control)};
	k->sniff = sniff_new(&s);
	if (!k->sniff)
		return call_fail(c, CALL_ENVIRONMENT, "no memory, or no thread");
	k->number = ++x->numbers;
	k->start_later = socket_later(c);
	return NULL;
}

json_t *captures_stop(struct appliance *a, struct call *c)
{
	uint64_t wanted = 0;
	struct capture_run *k = NULL;
	unsigned n = 0;
	if (call_value(c, "capture") && !call_number(c, "capture", UINT32_MAX, &wanted))
		return NULL;
	for (unsigned i = 0; a->captures && i < CAPTURES; i++) {
		struct capture_run *this = &a->captures->of[i];
		if (!this->sniff || !this->looking || this->stop_later || (wanted && wanted != this->number))
			continue;
		k = this;
		n++;
	}
	if (n != 1)
		return call_fail(c, CALL_FINDINGS,
				 n ? "%u captures run; which? `show captures`"
				   : "no such capture runs; `show captures` has those that ended",
				 n);
	k->stop_later = socket_later(c);
	leave(k);
	return NULL;
}

json_t *captures_show(struct appliance *a, struct call *c)
{
	json_t *list = json_array();
	for (unsigned i = 0; a->captures && i < CAPTURES; i++)
		if (a->captures->of[i].number)
			json_array_append_new(list, row(&a->captures->of[i]));
	return json_pack("{s:o}", "captures", list);
}

json_t *captures_numbers(struct appliance *a)
{
	json_t *list = json_array();
	for (unsigned i = 0; a && a->captures && i < CAPTURES; i++)
		if (a->captures->of[i].sniff)
			json_array_append_new(list, json_sprintf("%u", a->captures->of[i].number));
	return list;
}

json_t *captures_options(struct appliance *a)
{
	return command_strings(keys, KEYS);
}

struct captures_sum captures_sum(const struct appliance *a)
{
	struct captures_sum sum = {0};
	for (unsigned i = 0; a->captures && i < CAPTURES; i++) {
		const struct capture_run *k = &a->captures->of[i];
		struct sniff_counts n = k->sniff ? sniff_counts(k->sniff) : k->counts;
		sum.running += k->sniff != NULL;
		sum.frames += n.frames;
		sum.lost += n.lost;
	}
	sum.frames += a->captures ? a->captures->frames : 0;
	sum.lost += a->captures ? a->captures->lost : 0;
	return sum;
}

bool captures_close(struct appliance *a)
{
	for (unsigned i = 0; a->captures && i < CAPTURES; i++) {
		struct capture_run *k = &a->captures->of[i];
		if (!k->sniff)
			continue;
		sniff_stop(k->sniff);
		if (!sniff_free(k->sniff, CLOSE_S))
			return false;
		k->sniff = NULL;
	}
	free(a->captures);
	a->captures = NULL;
	return true;
}
