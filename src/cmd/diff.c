// SPDX-License-Identifier: BSD-3-Clause
//
// sluice diff: two policies over the same captures. Each side is a replay in a process of its own (replayed.c); their
// records are read in step, so that neither runs far ahead of the other. Out, on standard output: which flows and
// transactions change, from what to what, by which rule. Exit code 1 where anything does.
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cmd.h"
#include "diff_changes.h"
#include "replayed.h"
#include "ship/ship.h"

struct diff {
	struct diff_policy policy[2];
	struct policy *owned[2];
	char **captures;
	unsigned ncaptures;
	bool json;
	struct replayed *side[2];
	struct diff_changes *changes;
};

static void usage(FILE *out)
{
	fputs("usage: sluice diff OLD NEW PCAP... [OPTION...]\n\n"
	      "Replays captures by two policies and says which verdicts change, from what to what, by which rule.\n"
	      "One policy may be -, standard input.\n\n"
	      "  -f, --format table|json  for eyes (default), or one JSON object\n"
	      "  -h, --help               this\n\n"
	      "example: sluice diff policy.json candidate.json office.pcap\n"
	      "exit codes: 0 nothing changes, 1 something does, or a policy has errors, 2 usage, 3 a file that cannot "
	      "be read\n",
	      out);
}

static int mistake(const char *what, const char *word)
{
	fprintf(stderr, "sluice diff: %s%s%.80s; sluice diff --help\n", what, *word ? " " : "", word);
	return EXIT_USAGE;
}

static int arguments(struct diff *d, int argc, char **argv)
{
	static const struct option table[] = {{"format", 1, 0, 'f'}, {"help", 0, 0, 'h'}, {0}};
	opterr = 0;
	for (int o; (o = getopt_long(argc, argv, "f:h", table, NULL)) != -1;) {
		if (o == 'h') {
			usage(stdout);
			return EXIT_DONE;
		}
		if (o != 'f')
			return mistake("unknown option, or one without its value:", argv[optind - 1]);
		d->json = !strcmp(optarg, "json");
		if (!d->json && strcmp(optarg, "table"))
			return mistake("--format is table or json, not", optarg);
	}
	if (argc - optind < 3)
		return mistake("two policies and a capture are needed", "");
	d->policy[DIFF_OLD].file = argv[optind];
	d->policy[DIFF_NEW].file = argv[optind + 1];
	d->captures = argv + optind + 2;
	d->ncaptures = (unsigned)(argc - optind - 2);
	unsigned in = !strcmp(argv[optind], "-") + !strcmp(argv[optind + 1], "-");
	for (unsigned i = 0; i < d->ncaptures; i++)
		in += 2u * !strcmp(d->captures[i], "-");
	if (in > 1)
		return mistake("standard input can be one of the policies only: it cannot be read twice", "");
	return -1;
}

static int load(struct diff *d, enum diff_side side)
{
	struct complaints c = {0};
	d->owned[side] = policy_load(d->policy[side].file, &c);
	d->policy[side].policy = d->owned[side];
	complaints_print(&c, stderr);
	int rc = d->owned[side] ? -1 : c.unreadable ? EXIT_ENVIRONMENT : EXIT_FINDINGS;
	complaints_clear(&c);
	return rc;
}

// One capture after the other; within one the side that is behind goes first.
static void compare(struct diff *d)
{
	const struct record *rec[2];
	unsigned capture[2], now = 0;
	for (unsigned i = 0; i < 2; i++)
		rec[i] = replayed_record(d->side[i], &capture[i]);
	while (rec[0] || rec[1]) {
		bool in[2] = {rec[0] && capture[0] <= now, rec[1] && capture[1] <= now};
		if (!in[0] && !in[1]) {
			diff_changes_capture(d->changes);
			now++;
			continue;
		}
		unsigned i = !in[0] || (in[1] && rec[1]->order < rec[0]->order);
		diff_changes_record(d->changes, (enum diff_side)i, capture[i], rec[i]);
		rec[i] = replayed_record(d->side[i], &capture[i]);
	}
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
						 .captures = d->captures,
						 .ncaptures = d->ncaptures,
						 .quiet = i == DIFF_NEW}; // what both say is said once
		if (!(d->side[i] = replayed_start(&config))) {
			fprintf(stderr, "sluice diff: cannot start a replay: %s\n", strerror(errno));
			return EXIT_ENVIRONMENT;
		}
	}
	d->changes = diff_changes_new(d->policy, d->captures);
	if (!d->changes) {
		fputs("sluice diff: no memory\n", stderr);
		return EXIT_ENVIRONMENT;
	}
	compare(d);
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
	return rc;
}
