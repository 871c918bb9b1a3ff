// SPDX-License-Identifier: BSD-3-Clause
//
// The program: a table of verbs. Each verb reads its own options; here is only what is the same for all of them.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/word.h"
#include "cmd/cmd.h"

static const struct verb {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *help, *example;
} verbs[] = {
	{"replay", replay_main, "walk captures through the corridor: facts, records and a ledger",
	 "sluice replay office.pcap"},
	{"check", check_main, "policies: every error in one run, by file, line and column, with the remedy",
	 "sluice check policy.json"},
	{"explain", explain_main, "what a policy decides, by which rule, and why",
	 "sluice explain -p policy.json --src 10.0.0.7 --host casino.example"},
	{"diff", diff_main, "which verdicts change between two policies, on captures",
	 "sluice diff policy.json candidate.json office.pcap"},
	{"run", run_main, "the appliance: frames pass between its ports, judged by its policy",
	 "sluice run -c bridge.json"},
	{"ctl", ctl_main, "speaks to a running appliance: a prompt, or one command", "sluice ctl show drops"},
	{"doctor", doctor_main, "is this machine fit to run: each check, and the command that mends it",
	 "sluice doctor -c bridge.json"},
	{"bench", bench_main, "the corridor alone, packets preloaded: ns a packet, room by room",
	 "sluice bench mix.pcap"},
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void usage(FILE *out)
{
	fputs("Sluice: a secure web gateway at packet level.\n\nusage: sluice VERB [OPTION...] [ARGUMENT...]\n\n", out);
	for (unsigned i = 0; i < VERBS; i++)
		fprintf(out, "  %-8s %s\n           %s\n", verbs[i].name, verbs[i].help, verbs[i].example);
	fputs("\nsluice VERB --help says more of a verb, sluice --version which program this is.\n"
	      "exit codes: 0 done, 1 findings, 2 usage, 3 environment\n",
	      out);
}

static int unknown(const char *word)
{
	const char *names[VERBS];
	for (unsigned i = 0; i < VERBS; i++)
		names[i] = verbs[i].name;
	const char *near = word_near(names, VERBS, word, strlen(word));
	fprintf(stderr, "sluice: unknown verb \"%.40s\"", word);
	if (near)
		fprintf(stderr, " (did you mean \"%s\"?)", near);
	fprintf(stderr, "; sluice --help lists them\n");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); // a reader that goes away is EPIPE, said by write
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	const char *word = argv[1];
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		puts("sluice " SLUICE_VERSION);
		return EXIT_DONE;
	}
	for (unsigned i = 0; i < VERBS; i++) {
		if (!strcmp(word, verbs[i].name))
			return verbs[i].main(argc - 1, argv + 1);
	}
	return unknown(word);
}
