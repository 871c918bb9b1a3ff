// SPDX-License-Identifier: BSD-3-Clause
//
// sluice replay: captures go in at one end of the corridor; records, a ledger and, if asked for, the frames that
// left come out at the other. Each capture is a world: flows and clock start anew, unless --join makes one of all.
//
//   main thread: reader -> (front of the) corridor -> exits (-w, --trace)
//   workers:     back of the corridor, with --workers N     (replay_crew.c)
//   shipper:     record rings -> one order -> a face        (ship/)
//
// What is wrong with a capture is one line on standard error, the others are done, and the exit code is 3. A reader
// of our output that goes away (| head) ends the work quietly. Memory is bounded by the configuration.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/capture.h"
#include "base/capture_file.h"
#include "base/eal.h"
#include "base/vouched.h"
#include "cmd.h"
#include "path/flood.h"
#include "path/judge.h"
#include "path/path.h"
#include "path/rooms.h"
#include "live/mirrors.h"
#include "replay_fast.h"
#include "replay_options.h"
#include "replay_policy.h"
#include "replay_progress.h"
#include "replay_ship.h"
#include "replay_summary.h"
#include "base/clock.h"
#include "replay_exits.h"

#define BUFFER_BYTES (512 * 1024)
#define BUFFER_BYTES_JOIN (64 * 1024) // there may be hundreds of them open
#define SENDERS_MAX 65536
#define SCOUT_FRAGMENTS 256 // of the pool's slack

struct replay {
	struct options o;
	struct judge_ear *ear;
	struct path_config config;
	struct crew crew;
	struct exits *exits; // -w, --trace
	struct capture_out *write;
	struct mirrors *mirrors; // --mirror, or what it would be of
	FILE *trace, *ends;
	struct ship *ship;
	struct replay_ship sinks; // -c
	int out_fd;
	struct senders *senders;
	struct vouched *vouched;
	struct worker *scout; // walks the first pass
	struct path_config scout_config;
	struct progress progress;
	struct outcome *outcomes;
	struct replay_policies policies;
	int refused; // the policy has errors: exit code 1
	struct summary *summary;
	bool usage;       // the options do not suit the policy: exit code 2
	bool environment; // something outside was wrong: exit code 3
	bool closed;      // a reader of ours went away

	// the world in work
	unsigned first, count; // of outcomes
	unsigned begun;        // captures: with a signal not all are
	struct capture **open;
	char **names; // theirs
	unsigned nopen;
	struct capture_join *join;
	uint64_t begun_ns, clock_ns; // --speed: when the first frame went, by the wall and by the capture
};

static void complain(struct replay *r, const char *path, const char *format, ...)
{
	char shown[4096], text[CAPTURE_ERROR_MAX + 64];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	progress_clear(&r->progress);
	fprintf(stderr, "sluice: %s: %s\n", summary_printable(path, shown, sizeof(shown)), text);
	r->environment = true;
}

// ---- who offloads checksums --------------------------------------------------------------------------------------

static bool all_seekable(const struct replay *r)
{
	for (unsigned i = 0; i < r->nopen; i++) {
		if (!capture_seekable(r->open[i]))
			return false;
	}
	return true;
}

// Notes the checksums of a burst, which it consumes.
static void note(struct replay *r, struct burst *b)
{
	path_look(r->scout, b);
	tx_burst(r->scout, b);
}

static void note_capture(struct replay *r, const char *path)
{
	char err[CAPTURE_ERROR_MAX];
	struct burst b = {0};
	struct capture *c = capture_open(path, BUFFER_BYTES, err, sizeof(err));
	if (!c)
		return; // was there a moment ago; the reading itself will say what is wrong
	enum capture_state state;
	do {
		state = capture_burst(c, r->scout, &b);
		if (b.n)
			note(r, &b);
		if (state == CAPTURE_STARVED)
			crew_wait(&r->crew);
	} while (state == CAPTURE_MORE || state == CAPTURE_STARVED);
	capture_close(c);
	defrag_drain(r->scout);
}

static void note_world(struct replay *r)
{
	for (unsigned i = 0, opened = 0; i < r->count; i++) {
		const struct outcome *out = &r->outcomes[r->first + i];
		if (!out->error[0] && capture_seekable(r->open[opened++]))
			note_capture(r, out->path);
	}
}

// The first wrong checksum was met: reads the captures of this world ahead of the corridor, once for who offloads,
// and where there are wrong segments of others, once more for what became of those.
static void learn(void *arg)
{
	struct replay *r = arg;
	uint64_t full = r->scout->drops[REASON_DEFRAG_FULL];
	note_world(r);
	if (vouched_settle(r->vouched, r->senders))
		note_world(r);
	if (!all_seekable(r) || r->scout->drops[REASON_DEFRAG_FULL] != full)
		vouched_doubt(r->vouched);
}

// A pipe cannot be read twice: its first burst is looked at before it walks.
static void note_first(struct replay *r, const struct burst *b)
{
	struct burst copy = {0};
	for (unsigned i = 0; i < b->n; i++) {
		struct rte_mbuf *from = b->m[i];
		struct rte_mbuf *m =
			rte_pktmbuf_alloc(from->data_len > CAPTURE_FRAME_ROOM ? r->crew.giants : r->crew.frames);
		if (!m)
			break;
		memcpy(rte_pktmbuf_append(m, from->data_len), pkt_data(from), from->data_len);
		*pkt_of(m) = *pkt_of(from);
		copy.m[copy.n++] = m;
	}
	note(r, &copy);
	defrag_drain(r->scout);
}

// ---- a world -----------------------------------------------------------------------------------------------------

// Walks the burst frame by frame as their time comes.
static void walk_paced(struct replay *r, struct burst *b)
{
	struct burst part = {0};
	for (unsigned i = 0; i < b->n; i++) {
		uint64_t time_ns = pkt_of(b->m[i])->time_ns, now = clock_ns(CLOCK_MONOTONIC);
		if (!r->begun_ns) {
			r->begun_ns = now;
			r->clock_ns = time_ns;
		}
		uint64_t due = r->begun_ns + (uint64_t)((time_ns - r->clock_ns) / r->o.speed);
		if (due > now) {
			crew_burst(&r->crew, &part);
			while (!capture_stop && (now = clock_ns(CLOCK_MONOTONIC)) < due) {
				uint64_t rest = RTE_MIN(due - now, 200000000u);
				nanosleep(&(struct timespec){.tv_nsec = rest}, NULL);
				progress_show(&r->progress, capture_taken(r->open[0]), r->crew.front->w.rx);
			}
		}
		part.m[part.n++] = b->m[i];
	}
	crew_burst(&r->crew, &part);
	b->n = 0;
}

// What we write to: a full disk is said once, a reader that went ends the work.
static void check_outputs(struct replay *r)
{
	if (r->ship && ship_closed(r->ship))
		r->closed = true;
	int error = r->write ? capture_out_error(r->write) : 0;
	if (error == -EPIPE) {
		r->closed = true;
	} else if (error) {
		exits_write_to(r->exits, NULL);
		capture_out_close(r->write);
		r->write = NULL;
		complain(r, r->o.write, "cannot write: %s; the rest was replayed without it", strerror(-error));
	}
	const char *file = mirrors_failed(r->mirrors, &error);
	if (file)
		complain(r, file, "cannot write: %s; the rest was replayed without it", strerror(error));
	if ((r->exits && exits_trace_error(r->exits) == EPIPE) || mirrors_left(r->mirrors))
		r->closed = true;
}

static enum capture_state read_burst(struct replay *r, struct burst *b)
{
	struct worker *w = &r->crew.front->w;
	return r->join ? capture_join_burst(r->join, w, b) : capture_burst(r->open[0], w, b);
}

static uint64_t taken(const struct replay *r)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < r->nopen; i++)
		sum += capture_taken(r->open[i]);
	return sum;
}

static void walk_world(struct replay *r)
{
	struct burst b = {0};
	enum capture_state state;
	bool look = r->config.checksum == CHECKSUM_OFFLOAD_AWARE && !all_seekable(r);
	bool live = !all_seekable(r); // somebody may wait for what leaves before he sends more
	r->begun_ns = 0;
	unsigned turns = 0;
	do {
		state = read_burst(r, &b);
		if (look && b.n) {
			note_first(r, &b);
			look = false;
		}
		if (b.n && r->o.speed > 0)
			walk_paced(r, &b);
		else
			crew_burst(&r->crew, &b);
		if (state == CAPTURE_STARVED)
			crew_wait(&r->crew);
		if (live && r->write)
			capture_out_flush(r->write);
		if (++turns % 64 == 0) {
			check_outputs(r);
			if (progress_due(&r->progress))
				progress_show(&r->progress, taken(r), r->crew.front->w.rx);
		}
	} while ((state == CAPTURE_MORE || state == CAPTURE_STARVED) && !r->closed && !capture_stop);
}

// Says how each capture of the world ended, and closes it.
static void close_world(struct replay *r)
{
	unsigned opened = 0;
	for (unsigned i = 0; i < r->count; i++) {
		struct outcome *out = &r->outcomes[r->first + i];
		if (out->error[0])
			continue; // was never open
		struct capture *c = r->open[opened++];
		out->frames = capture_frames(c);
		if (capture_error(c)[0]) {
			snprintf(out->error, sizeof(out->error), "%s", capture_error(c));
			complain(r, out->path, "damaged after frame %lu: %s; the %lu frames before it were replayed",
				 out->frames, out->error, out->frames);
		}
		r->progress.done += capture_taken(c);
		capture_close(c);
	}
	r->nopen = 0;
}

static bool open_outputs(struct replay *r)
{
	const char *file = mirrors_open(r->mirrors, capture_format(r->open[0])->link_type);
	if (file)
		complain(r, file, "cannot write: %s", strerror(errno));
	if (file || !r->o.write || r->write)
		return !file;
	r->write = capture_out_open(r->o.write, capture_format(r->open[0]));
	if (!r->write) {
		complain(r, r->o.write, "cannot write: %s", strerror(errno));
		return false;
	}
	exits_write_to(r->exits, r->write);
	return true;
}

static struct capture_join *join(struct replay *r)
{
	struct capture_join *j = capture_join_new(r->open, r->nopen);
	if (!j)
		complain(r, r->names[0], r->nopen > FRAME_CAPTURES_MAX ? "too many captures to join" : "no memory");
	return j;
}

// One capture, or with --join all of them. False: there is no use in going on.
static bool world(struct replay *r, unsigned first, unsigned count)
{
	r->first = first;
	r->count = count;
	for (unsigned i = 0; i < count; i++) {
		struct outcome *out = &r->outcomes[first + i];
		out->path = r->o.paths[first + i];
		r->begun = first + i + 1;
		struct capture *c = capture_open(out->path, count > 1 ? BUFFER_BYTES_JOIN : BUFFER_BYTES, out->error,
						 sizeof(out->error));
		if (!c && capture_stop) { // while its first bytes were waited for
			out->error[0] = '\0';
			break;
		}
		if (!c) {
			complain(r, out->path, "%s; skipped", out->error);
			continue;
		}
		r->names[r->nopen] = r->o.paths[first + i];
		r->open[r->nopen++] = c;
	}
	if (r->nopen == 0)
		return !capture_stop;
	if (!open_outputs(r) || (r->nopen > 1 && !(r->join = join(r)))) {
		close_world(r);
		return false;
	}
	if (r->trace && r->o.npaths > 1 && !r->o.join)
		fprintf(r->trace, "# %s\n", r->outcomes[first].path);
	if (r->exits && r->nopen > 1)
		exits_joined(r->exits, r->names, r->nopen);
	if (r->ship)
		ship_capture(r->ship, (const char *const *)r->names, r->nopen, r->crew.front->w.rx);
	senders_clear(r->senders);
	vouched_clear(r->vouched);
	replay_policies_begin(&r->policies);
	crew_begin(&r->crew);
	walk_world(r);
	capture_join_free(r->join);
	r->join = NULL;
	crew_drain(&r->crew);
	check_outputs(r);
	summary_senders(r->summary, r->senders, first);
	close_world(r);
	return !r->closed && !capture_stop;
}

// ---- start and end -----------------------------------------------------------------------------------------------

static bool no(struct replay *r, const char *what, int error)
{
	fprintf(stderr, "sluice: %s: %s\n", what, strerror(error));
	r->environment = true;
	return false;
}

static bool start_exits(struct replay *r)
{
	r->config.exits = r->o.write || r->o.trace || r->o.ends;
	if (r->o.trace) {
		r->trace = strcmp(r->o.trace, "-") ? fopen(r->o.trace, "we") : stdout;
		if (!r->trace) {
			complain(r, r->o.trace, "cannot write: %s", strerror(errno));
			return false;
		}
	}
	if (r->config.exits && !(r->exits = exits_new(r->trace)))
		return no(r, "exits", ENOMEM);
	if (r->o.ends && !(r->ends = fdopen(r->o.ends, "w")))
		return no(r, "ends", errno);
	if (r->ends)
		exits_ends_to(r->exits, r->ends);
	return true;
}

static bool start_mirrors(struct replay *r)
{
	const struct replay_policies *p = &r->policies;
	const struct mirrors_config config = {.to = r->o.mirrors,
					      .nto = r->o.nmirrors,
					      .sinks = (const char *const *)p->sinks,
					      .nsinks = p->nsinks,
					      .names = p->names,
					      .nnames = p->n};
	r->usage = !replay_policies_mirror(p, &r->o, &r->config);
	r->mirrors = r->usage ? NULL : mirrors_new(&config);
	return r->mirrors || (!r->usage && no(r, "mirrors", ENOMEM));
}

static bool start_ship(struct replay *r)
{
	const char *out = r->o.out ? r->o.out : "/dev/null";
	r->out_fd = strcmp(out, "-") ? open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
	if (r->out_fd < 0) {
		complain(r, out, "cannot write: %s", strerror(errno));
		return false;
	}
	struct ship_sink sink = {r->o.out ? r->o.format : SHIP_FACTS, r->out_fd, .verbose = r->o.verbose};
	struct ship_config config = {.sink = &sink,
				     .renumber = true,
				     .sources = r->crew.sources,
				     .nsources = r->crew.nsources,
				     .policies = r->policies.names,
				     .npolicies = r->policies.n,
				     .shadow = r->o.shadow ? &r->policies.second.names : NULL};
	if (r->o.config && !replay_ship_open(&r->sinks, r->crew.nsources, &config)) {
		r->environment = true;
		return false;
	}
	if (config.spool && !r->o.out)
		config.sink = NULL;
	ship_look(r->out_fd, &sink.colour, &sink.width);
	r->ship = ship_start(&config);
	return r->ship || no(r, "records", errno);
}

static bool start_senders(struct replay *r)
{
	r->senders = senders_new(SENDERS_MAX, r->o.seed);
	r->vouched = vouched_new(r->o.seed);
	r->scout = calloc(1, sizeof(*r->scout));
	r->scout_config = r->config;
	r->scout_config.exits = false;
	r->scout_config.fragments = SCOUT_FRAGMENTS;
	if (!r->senders || !r->vouched || !r->scout)
		return no(r, "senders", ENOMEM);
	r->scout->config = &r->scout_config;
	if (defrag_init(r->scout) < 0)
		return no(r, "senders", ENOMEM);
	r->scout->frames = r->crew.frames;
	r->scout->giants = r->crew.giants;
	r->scout->senders_pass = r->senders;
	r->scout->vouched = r->vouched;
	r->scout->wait = r->crew.front->w.wait;
	r->scout->wait_arg = r->crew.front->w.wait_arg;
	if (r->config.checksum == CHECKSUM_OFFLOAD_AWARE) {
		r->crew.front->w.senders = r->senders;
		r->crew.front->w.vouched = r->vouched;
	}
	senders_learn(r->senders, learn, r);
	return true;
}

static bool start_policy(struct replay *r)
{
	int rc = replay_policies_load(&r->policies, r->o.policy, r->o.swaps, r->o.nswaps, &r->o.guard, r->o.seed);
	if (rc == 0 && r->o.shadow)
		rc = replay_policies_shadow(&r->policies, r->o.shadow);
	r->refused = rc == -EINVAL;
	if (rc == 0)
		r->config.policy_fields |= r->policies.wants.fields;
	r->environment |= rc < 0 && !r->refused;
	return rc == 0;
}

static bool start(struct replay *r)
{
	const struct options *o = &r->o;
	r->config = (struct path_config){.flows = o->flows,
					 .streams = 65536,
					 .chunks = 16384,
					 .apps = 1024,
					 .fragments = 1024,
					 .held = o->policy || o->nswaps ? o->held_frames : 0,
					 .kept_bytes = o->nswaps ? o->kept_bytes : 0,
					 .hold_bytes = o->hold_bytes,
					 .hold_ns = o->hold_ns,
					 .fail = o->fail,
					 .arena_bytes = 8 << 20,
					 .record_cells = 1 << 15,
					 .flood = FLOOD_TOLD,
					 .transports = o->transports,
					 .checksum = o->checksum,
					 .payload_depth = o->payload_depth,
					 .seed = o->seed,
					 .ear = r->ear};
	r->summary = calloc(1, sizeof(*r->summary));
	r->outcomes = calloc(o->npaths, sizeof(*r->outcomes));
	r->open = calloc(o->npaths, sizeof(*r->open));
	r->names = calloc(o->npaths, sizeof(*r->names));
	if (!r->summary || !r->outcomes || !r->open || !r->names)
		return no(r, "captures", ENOMEM);
	if ((o->policy || o->nswaps || o->shadow) && !start_policy(r))
		return false;
	if (!start_mirrors(r) || !start_exits(r))
		return false;
	mem_lazily = true;
	int rc = eal_init(crew_mem_mb(&r->config, o->workers));
	if (rc < 0)
		return no(r, "DPDK does not start", -rc);
	rc = crew_start(&r->crew, &r->config, o->workers, r->exits, r->mirrors);
	if (rc < 0)
		return no(r, "workers", -rc);
	if (o->fast_path && !(r->crew.fast = replay_fast_new(&r->crew.front->w, o->fast_path)))
		return no(r, "fast path", ENOMEM);
	if (r->exits)
		exits_policies(r->exits, r->policies.names, r->policies.n);
	if (r->policies.n && (rc = replay_policies_use(&r->policies, &r->crew)) < 0)
		return no(r, "policy", -rc);
	if ((rc = capture_interruptible()) < 0)
		return no(r, "signals", -rc);
	struct sigaction sa = {.sa_handler = capture_interrupt, .sa_flags = SA_RESETHAND};
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	progress_start(&r->progress, o->paths, o->npaths);
	return start_senders(r) && start_ship(r);
}

static void summarise(struct replay *r)
{
	struct summary *s = r->summary;
	summary_add(s, &r->crew);
	s->mirrors = r->mirrors;
	s->fail = &r->o.fail;
	if (r->policies.n)
		summary_policy(s, &r->policies);
	s->seconds = progress_seconds(&r->progress);
	s->outcomes = r->outcomes;
	s->noutcomes = r->begun;
	if (r->o.summary) {
		FILE *f = strcmp(r->o.summary, "-") ? fopen(r->o.summary, "we") : stdout;
		int rc = f ? summary_json(s, f) : -errno;
		if (f && f != stdout && fclose(f) != 0 && rc == 0)
			rc = -errno;
		if (rc < 0 && rc != -EPIPE)
			complain(r, r->o.summary, "cannot write: %s", strerror(-rc));
	} else if (!r->closed) {
		bool colour;
		unsigned width;
		ship_look(STDERR_FILENO, &colour, &width);
		summary_words(s, stderr, colour);
	}
}

static void end_outputs(struct replay *r)
{
	struct ship_result shipped = ship_stop(r->ship);
	r->summary->records = shipped.records;
	r->closed |= shipped.closed;
	if (r->o.config && !replay_ship_close(&r->sinks, isatty(STDERR_FILENO)))
		r->environment = true;
	if (shipped.error)
		complain(r, r->o.out, "cannot write: %s", strerror(shipped.error));
	if (r->out_fd != STDOUT_FILENO && close(r->out_fd) < 0)
		complain(r, r->o.out, "cannot write: %s", strerror(errno));
	if (r->write && capture_out_left_out(r->write))
		complain(r, r->o.write, "%lu frames left out: their link type is not that of the first capture",
			 capture_out_left_out(r->write));
	int rc = capture_out_close(r->write);
	if (rc < 0 && rc != -EPIPE)
		complain(r, r->o.write, "cannot write: %s", strerror(-rc));
	int error = 0;
	const char *file = mirrors_close(r->mirrors, &error);
	if (file)
		complain(r, file, "cannot write: %s", strerror(error));
	if (!r->trace)
		return;
	error = exits_trace_error(r->exits);
	if (fflush(r->trace) != 0 && !error)
		error = errno;
	if (r->trace != stdout && fclose(r->trace) != 0 && !error)
		error = errno;
	if (error && error != EPIPE)
		complain(r, r->o.trace, "cannot write: %s", strerror(error));
}

static int run(struct replay *r)
{
	unsigned step = r->o.join ? r->o.npaths : 1;
	for (unsigned i = 0; i < r->o.npaths && world(r, i, step); i += step)
		;
	progress_clear(&r->progress);
	end_outputs(r);
	summarise(r);
	bool good = summary_sound(r->summary);
	replay_fast_free(r->crew.fast);
	crew_stop(&r->crew);
	r->environment |= r->policies.failed;
	return r->environment ? EXIT_ENVIRONMENT : good ? EXIT_DONE : EXIT_FINDINGS;
}

int replay_main(int argc, char **argv)
{
	return replay_heard(argc, argv, NULL);
}

int replay_heard(int argc, char **argv, struct judge_ear *ear)
{
	static struct replay r = {0};
	r.ear = ear;
	int rc = options_parse(argc, argv, &r.o);
	if (rc >= 0)
		return rc;
	if (r.o.config && (rc = replay_ship_read(&r.sinks, &r.o)) >= 0)
		return rc;
	rc = start(&r) ? run(&r) : r.usage ? EXIT_USAGE : r.refused ? EXIT_FINDINGS : EXIT_ENVIRONMENT;
	replay_policies_free(&r.policies);
	free(r.o.swaps);
	exits_free(r.exits);
	mirrors_free(r.mirrors);
	senders_free(r.senders);
	vouched_free(r.vouched);
	if (r.scout)
		defrag_fini(r.scout);
	free(r.scout);
	free(r.open);
	free(r.names);
	free(r.outcomes);
	free(r.summary);
	if (r.crew.frames) // else it was not begun
		eal_fini();
	return rc;
}
