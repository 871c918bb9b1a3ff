// SPDX-License-Identifier: BSD-3-Clause
//
// sluice diff: two policies over the same captures. Each side is a replay in a process of its own (replayed.c); their
// records and ends of frames are read as they come, by frames in step, so that neither runs far ahead of the other.
// Out, on standard output: which flows and transactions change, from what to what, by which rule, and which frames
// leave under one of them only. Exit code 1 where anything does.
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cmd.h"
#include "diff_changes.h"
#include "diff_frames.h"
#include "option.h"
#include "policy/guard.h"
#include "replayed.h"
#include "ship/ship.h"

struct diff {
	struct diff_policy policy[2];
	struct policy *owned[2];
	char **captures;
	unsigned ncaptures;
	struct guard guard;
	char *guards[GUARD_MAX]; // the same in words
	struct replayed_fails fails;
	bool json;
	struct replayed *side[2];
	struct diff_changes *changes;
	struct diff_frames *frames;
};

static void usage(FILE *out)
{
	fputs("usage: sluice diff OLD NEW PCAP... [OPTION...]\n\n"
	      "Replays captures by two policies and says which verdicts change, from what to what, by which rule.\n"
	      "One policy may be -, standard input.\n\n"
	      "  -f, --format table|json  for eyes (default), or one JSON object\n"
	      "      --guard ADDR         no rule decides about this address, as for replay; repeatable\n"
	      "      --fail KEY=VALUE     what is done where something cannot be, as for replay; repeatable\n"
	      "  -h, --help               this\n\n"
	      "example: sluice diff policy.json candidate.json office.pcap\n"
	      "exit codes: 0 nothing changes, 1 something does, or a policy has errors, 2 usage, 3 a file that cannot "
	      "be read\n",
	      out);
}

static const char *set_guard(void *verb, const char *v)
{
	struct diff *d = verb;
	unsigned n = d->guard.n;
	if (!guard_add(&d->guard, v))
		return "";
	d->guards[n] = (char *)(uintptr_t)v;
	return NULL;
}

static const char *set_fail(void *verb, const char *v)
{
	return replayed_fail(&((struct diff *)verb)->fails, v);
}

static int arguments(struct diff *d, int argc, char **argv)
{
	static const char *const formats[] = {"table", "json"};
	static const struct option_row rows[] = {
		{"format", 'f', "table|json", OPTION_WORD, OPTION_AT(struct diff, json), .words = formats, .nwords = 2},
		{"guard", 0, "ADDR", OPTION_CALL, .set = set_guard, .range = "an address, at most 64 of them"},
		{"fail", 0, "KEY=VALUE", OPTION_CALL, .set = set_fail},
		{"help", 'h', NULL, OPTION_SHOW, .show = usage}};
	static const struct option_table table = OPTION_TABLE("diff", rows);
	int rc = option_read(&table, d, argc, argv);
	if (rc >= 0)
		return rc;
	if (argc - optind < 3)
		return option_mistake("diff", "two policies and a capture are needed");
	d->policy[DIFF_OLD].file = argv[optind];
	d->policy[DIFF_NEW].file = argv[optind + 1];
	d->captures = argv + optind + 2;
	d->ncaptures = (unsigned)(argc - optind - 2);
	unsigned in = !strcmp(argv[optind], "-") + !strcmp(argv[optind + 1], "-");
	for (unsigned i = 0; i < d->ncaptures; i++)
		in += 2u * !strcmp(d->captures[i], "-");
	if (in > 1)
		return option_mistake("diff",
				      "standard input can be one of the policies only: it cannot be read twice");
	return -1;
}

static int load(struct diff *d, enum diff_side side)
{
	struct complaints c = {0};
	d->owned[side] = policy_load(d->policy[side].file, &c);
	bool good = d->owned[side] && guard_policy(&d->guard, d->owned[side], &c);
	d->policy[side].policy = d->owned[side];
	complaints_print(&c, stderr);
	int rc = good ? -1 : c.unreadable ? EXIT_ENVIRONMENT : EXIT_FINDINGS;
	complaints_clear(&c);
	return rc;
}

static void frame_changed(void *arg, unsigned capture, const struct exits_end *was, const struct exits_end *is)
{
	diff_changes_frame(arg, capture, was, is);
}

// What has come of a side, as far as the other is; what waits is left. True: the records of this capture are over.
static bool take(struct diff *d, unsigned i, unsigned now)
{
	const struct exits_end *e;
	const struct record *rec;
	unsigned capture = 0;
	while ((e = replayed_end(d->side[i])) && diff_frames_end(d->frames, i, e))
		replayed_end_done(d->side[i]);
	if (!e && replayed_over(d->side[i], REPLAYED_ENDS)) // be it that it failed
		diff_frames_gone(d->frames, i);
	for (; (rec = replayed_record(d->side[i], &capture)) && capture <= now; replayed_record_done(d->side[i], rec))
		diff_changes_record(d->changes, (enum diff_side)i, capture, rec);
	return rec || replayed_over(d->side[i], REPLAYED_RECORDS);
}

// One capture after the other.
static void compare(struct diff *d)
{
	unsigned wanted[2], now = 0, capture;
	do {
		for (bool over = true; over && now < d->ncaptures;) {
			over = take(d, 0, now);
			over = take(d, 1, now) && over;
			if (over) {
				diff_changes_capture(d->changes);
				now++;
			}
		}
		for (unsigned i = 0; i < 2; i++) { // what waits here need not be more
			take(d, i, now);
			wanted[i] = (replayed_record(d->side[i], &capture) ? 0u : REPLAYED_RECORDS) |
				    (replayed_end(d->side[i]) ? 0u : REPLAYED_ENDS);
		}
	} while (replayed_wait(d->side, wanted, 2));
	diff_changes_capture(d->changes);
}

static int show(struct diff *d)
{
	bool colour;
	unsigned width;
	ship_look(1, &colour, &width);
	if (d->json)
		diff_changes_json(d->changes, stdout);
	else
		diff_changes_words(d->changes, stdout, colour);
	if (fflush(stdout) || ferror(stdout))
		return EXIT_ENVIRONMENT;
	return diff_changes_count(d->changes) ? EXIT_FINDINGS : EXIT_DONE;
}

static int run(struct diff *d)
{
	int rc = load(d, DIFF_OLD);
	if (rc < 0)
		rc = load(d, DIFF_NEW);
	if (rc >= 0)
		return rc;
	for (unsigned i = 0; i < 2; i++) {
		struct replayed_config config = {.policy = d->policy[i].file,
						 .guards = d->guards,
						 .nguards = d->guard.n,
						 .fails = &d->fails,
						 .captures = d->captures,
						 .ncaptures = d->ncaptures,
						 .ends = true,
						 .quiet = i == DIFF_NEW}; // what both say is said once
		if (!(d->side[i] = replayed_start(&config))) {
			fprintf(stderr, "sluice diff: cannot start a replay: %s\n", strerror(errno));
			return EXIT_ENVIRONMENT;
		}
	}
	d->changes = diff_changes_new(d->policy, d->captures);
	d->frames = d->changes ? diff_frames_new(frame_changed, d->changes) : NULL;
	if (!d->frames) {
		fputs("sluice diff: no memory\n", stderr);
		return EXIT_ENVIRONMENT;
	}
	compare(d);
	diff_changes_frames(d->changes, diff_frames_compared(d->frames), diff_frames_alone(d->frames));
	int worst = EXIT_DONE;
	for (unsigned i = 0; i < 2; i++) {
		int ended = replayed_stop(d->side[i]);
		worst = ended > worst ? ended : worst;
		d->side[i] = NULL;
	}
	rc = show(d);
	return worst > rc ? worst : rc;
}

int diff_main(int argc, char **argv)
{
	struct diff d = {0};
	int rc = arguments(&d, argc, argv);
	if (rc < 0)
		rc = run(&d);
	for (unsigned i = 0; i < 2; i++) {
		if (d.side[i])
			replayed_stop(d.side[i]);
		policy_free(d.owned[i]);
	}
	diff_changes_free(d.changes);
	diff_frames_free(d.frames);
	return rc;
}
