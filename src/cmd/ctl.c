// SPDX-License-Identifier: BSD-3-Clause
//
// sluice ctl: speaks to a running appliance over its control socket. With words: that command, once. With -f, or where
// standard input is no terminal: commands of a file, until one fails. Else a prompt.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "ctl/ask.h"
#include "ctl/cli.h"
#include "ctl/command.h"

#define SOCKET_DEFAULT "/run/sluice/ctl.sock"

_Static_assert((int)CALL_FINDINGS == EXIT_FINDINGS && (int)CALL_USAGE == EXIT_USAGE &&
		       (int)CALL_ENVIRONMENT == EXIT_ENVIRONMENT,
	       "a command's exit code is the program's");

static void usage(FILE *out)
{
	fputs("usage: sluice ctl [-s SOCKET] [-j] [-f FILE | COMMAND...]\n\n"
	      "  -s, --socket SOCKET  of the appliance (" SOCKET_DEFAULT ")\n"
	      "  -j, --json           answers as JSON, one object a line\n"
	      "  -f, --file FILE      commands of a file, - is standard input; ends at the first that fails\n"
	      "  -h, --help\n\n"
	      "Without a command: a prompt, with tab, ? and history. Commands:\n\n",
	      out);
	for (unsigned i = 0; i < command_count; i++)
		fprintf(out, "  %-44s %s\n", command_table[i].words, command_table[i].help);
	fputs("\nexit codes: 0 done, 1 findings, 2 usage, 3 environment\n", out);
}

static int from_file(struct cli *c, const char *name)
{
	FILE *f = strcmp(name, "-") ? fopen(name, "re") : stdin;
	if (!f) {
		fprintf(stderr, "sluice ctl: %s: %s\n", name, strerror(errno));
		return EXIT_ENVIRONMENT;
	}
	int code = cli_file(c, f, name);
	if (f != stdin)
		fclose(f);
	return code;
}

static int run(struct cli *c, const char *file, int argc, char **argv)
{
	if (argc)
		return cli_words(c, (const char *const *)argv, (unsigned)argc);
	if (file || !isatty(STDIN_FILENO))
		return from_file(c, file ? file : "-");
	return cli_prompt(c);
}

int ctl_main(int argc, char **argv)
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'},
						{"json", no_argument, NULL, 'j'},
						{"file", required_argument, NULL, 'f'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	struct cli c = {.path = SOCKET_DEFAULT, .view = view_open(stdout)};
	const char *file = NULL;
	// + : words of a command that begin with a dash are the command's
	for (int o; (o = getopt_long(argc, argv, "+s:jf:h", options, NULL)) != -1;) {
		switch (o) {
		case 's':
			c.path = optarg;
			break;
		case 'j':
			c.json = true;
			break;
		case 'f':
			file = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_DONE;
		default:
			fprintf(stderr, "sluice ctl --help says what there is\n");
			return EXIT_USAGE;
		}
	}
	if (file && optind < argc) {
		fprintf(stderr, "sluice ctl: -f or a command, not both\n");
		return EXIT_USAGE;
	}
	int code = run(&c, file, argc - optind, argv + optind);
	ask_close(c.ask);
	return code;
}
