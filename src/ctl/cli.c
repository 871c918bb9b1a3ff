// SPDX-License-Identifier: BSD-3-Clause
//
// One command, from words to an exit code: send, wait, show. Where the words come from (arguments, a file, the prompt)
// makes no difference. The client knows the command table, too (it is the same program): from it come how an answer
// looks, and which words are files: those are made absolute, for the appliance has another working directory.
#include "ctl/cli.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/command.h"
#include "ctl/publish.h"

json_t *cli_ask(struct cli *c, const char *line)
{
	char why[512] = "";
	if (!c->ask)
		c->ask = ask_open(c->path, why, sizeof(why));
	json_t *answer = c->ask ? ask(c->ask, line) : NULL;
	if (answer)
		return answer;
	fprintf(stderr, "sluice ctl: %s\n", c->ask ? "the appliance went away, or did not answer for a minute" : why);
	ask_close(c->ask);
	c->ask = NULL;
	return NULL;
}

// A word as command_split reads it back.
static size_t quote(const char *word, char *out, size_t room)
{
	size_t at = 0;
	bool quotes = !*word || strpbrk(word, " \t#");
	if (quotes && room)
		out[at++] = '"';
	for (; *word && at + 3 < room; word++) {
		if (*word == '"' || *word == '\\')
			out[at++] = '\\';
		out[at++] = *word;
	}
	if (quotes && at < room)
		out[at++] = '"';
	return at;
}

static bool is_file(const struct call *call, unsigned i)
{
	const char *file = call->command ? call_value(call, "file") : NULL;
	return file && file == call->word[i];
}

// The words as one line. False: it would be too long, or has line breaks in it.
static bool line_of(const struct call *call, char line[COMMAND_BYTES_MAX])
{
	size_t at = 0;
	char path[PATH_MAX];
	for (unsigned i = 0; i < call->n; i++) {
		const char *word = call->word[i];
		if (is_file(call, i) && realpath(word, path))
			word = path;
		if (strpbrk(word, "\r\n") || at + 2 * strlen(word) + 8 > COMMAND_BYTES_MAX)
			return false;
		if (i)
			line[at++] = ' ';
		at += quote(word, line + at, COMMAND_BYTES_MAX - at);
	}
	line[at] = '\0';
	return true;
}

static void show(struct cli *c, const struct call *call, const json_t *answer)
{
	const json_t *result = json_object_get(answer, "result");
	const char *error = json_string_value(json_object_get(answer, "error"));
	if (c->json) {
		json_dumpf(answer, c->view.out, JSON_COMPACT);
		fputc('\n', c->view.out);
	} else if (result && call->command && call->command->view) {
		call->command->view(&c->view, result);
	} else if (result) {
		view_any(&c->view, result);
	}
	fflush(c->view.out);
	char text[1024] = "";
	if (error)
		view_value("error", json_object_get(answer, "error"), text, sizeof(text));
	if (error && !c->json)
		fprintf(stderr, "sluice ctl: %s\n", text);
}

// Commands that go on at a terminal.
static bool again(const struct cli *c, const struct call *call)
{
	return call->command && !strcmp(call->command->words, "top") && !c->json && isatty(fileno(c->view.out));
}

// Within a second.
static bool entered(void)
{
	char line[64];
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	return poll(&in, 1, 1000) > 0 && read(STDIN_FILENO, line, sizeof(line)) >= 0;
}

int cli_words(struct cli *c, const char *const *word, unsigned n)
{
	struct call call = {.n = n};
	char line[COMMAND_BYTES_MAX];
	if (n == 0)
		return CALL_DONE;
	if (n == 1 && (!strcmp(word[0], "quit") || !strcmp(word[0], "exit"))) {
		c->quit = true;
		return CALL_DONE;
	}
	if (publish_is(word, n))
		return publish_words(c, word, n);
	memcpy(call.word, word, (n < COMMAND_WORDS_MAX ? n : COMMAND_WORDS_MAX) * sizeof(*word));
	if (n <= COMMAND_WORDS_MAX)
		command_find(&call); // one that this program does not know: the appliance may, or says why not
	if (n > COMMAND_WORDS_MAX || !line_of(&call, line)) {
		fprintf(stderr, "sluice ctl: a command has at most %u words and %u bytes, on one line\n",
			COMMAND_WORDS_MAX, COMMAND_BYTES_MAX);
		return CALL_USAGE;
	}
	json_t *answer = cli_ask(c, line);
	while (answer && again(c, &call)) {
		fputs("\033[H\033[J", c->view.out); // home, and clear what is below
		show(c, &call, answer);
		json_decref(answer);
		answer = entered() ? NULL : cli_ask(c, line);
		if (!answer)
			return CALL_DONE;
	}
	if (!answer)
		return CALL_ENVIRONMENT;
	show(c, &call, answer);
	const json_t *exit = json_object_get(answer, "exit");
	int code = json_is_true(json_object_get(answer, "ok")) ? CALL_DONE : (int)json_integer_value(exit);
	json_decref(answer);
	return code;
}

int cli_line(struct cli *c, const char *line)
{
	const char *word[COMMAND_WORDS_MAX];
	char *copy = strdup(line);
	int n = copy ? command_split(copy, word) : -1, code = CALL_USAGE;
	if (n < 0)
		fprintf(stderr, "sluice ctl: a quote that does not end, or more than %u words\n", COMMAND_WORDS_MAX);
	else
		code = cli_words(c, word, (unsigned)n);
	free(copy);
	return code;
}

int cli_file(struct cli *c, FILE *f, const char *name)
{
	char *line = NULL;
	size_t room = 0;
	int code = CALL_DONE;
	for (unsigned n = 1; !code && !c->quit && getline(&line, &room, f) >= 0; n++) {
		code = cli_line(c, line);
		if (code)
			fprintf(stderr, "%s:%u: that is where it ended\n", name, n);
	}
	free(line);
	return code;
}
