// SPDX-License-Identifier: BSD-3-Clause
//
// The client: commands from the command line, a file or a prompt, answers as words or JSON.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "ctl/view.h"

struct ask;

struct cli {
	const char *path; // of the control socket
	bool json;
	struct view view;
	struct ask *ask; // NULL: not connected (any more)
	bool quit;
};

// Each answers an exit code (enum call_exit). Errors are said on standard error.
int cli_words(struct cli *c, const char *const *word, unsigned n);
int cli_line(struct cli *c, const char *line);
// Line by line until one fails; its exit code. name and line number stand before what is wrong.
int cli_file(struct cli *c, FILE *f, const char *name);
// prompt.c: with completion and history, until ^D or quit.
int cli_prompt(struct cli *c);

// The answer; NULL has been said. Connects where need be.
json_t *cli_ask(struct cli *c, const char *line);
