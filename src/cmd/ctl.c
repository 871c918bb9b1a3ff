// SPDX-License-Identifier: BSD-3-Clause
//
// sluice ctl: speaks to a running appliance over its control socket. With words: that command, once. With -f, or where
// standard input is no terminal: commands of a file, until one fails. Else a prompt.
#include <errno.h>
#include <stdio.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "ctl/ask.h"
#include "ctl/cli.h"
#include "ctl/command.h"
#include "option.h"

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

struct asked {
	struct cli cli;
	const char *file;
};

int ctl_main(int argc, char **argv)
{
#define O(field) OPTION_AT(struct asked, field)
	static const struct option_row rows[] = {{"socket", 's', "SOCKET", OPTION_TEXT, O(cli.path)},
						 {"json", 'j', NULL, OPTION_FLAG, O(cli.json)},
						 {"file", 'f', "FILE", OPTION_TEXT, O(file)},
						 {"help", 'h', NULL, OPTION_SHOW, .show = usage}};
#undef O
	// words of a command that begin with a dash are the command's
	static const struct option_table table = {"ctl", rows, sizeof(rows) / sizeof(rows[0]), .first = true};
	struct asked a = {.cli = {.path = SOCKET_DEFAULT, .view = view_open(stdout)}};
	int rc = option_read(&table, &a, argc, argv);
	if (rc >= 0)
		return rc;
	if (a.file && optind < argc)
		return option_mistake("ctl", "-f or a command, not both");
	int code = run(&a.cli, a.file, argc - optind, argv + optind);
	ask_close(a.cli.ask);
	return code;
}
