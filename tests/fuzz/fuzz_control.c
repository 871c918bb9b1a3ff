// SPDX-License-Identifier: BSD-3-Clause
//
// Request lines of the control socket, as the server serves them, and the client's side of what is answered. Only
// commands that need no appliance are run; of the others the words are matched, completed and named. Checked beyond the
// sanitizers: there is one answer, it is an object, and an error has its text and a code.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/command.h"
#include "ctl/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool alone(const struct command *row)
{
	return row->run == show_version || row->run == show_help || row->run == show_values ||
	       row->run == show_log_level;
}

static void complete(const struct call *c)
{
	char place[128];
	for (unsigned i = 0; i < command_count; i++)
		for (unsigned n = 0; n <= c->n; n++)
			command_next(&command_table[i], c->word, n, place, sizeof(place));
	for (unsigned i = 0; c->command && i < command_nkinds; i++)
		call_value(c, command_kinds[i].name);
}

static void look(FILE *out, const json_t *answer)
{
	struct view v = {.out = out, .colour = true};
	const json_t *result = json_object_get(answer, "result");
	if (json_is_true(json_object_get(answer, "ok")))
		view_any(&v, result);
	else if (!json_is_string(json_object_get(answer, "error")) ||
		 !json_integer_value(json_object_get(answer, "exit")))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *out;
	if (!out && !(out = fopen("/dev/null", "w")))
		return 0;
	if (size >= COMMAND_BYTES_MAX || memchr(data, 0, size) || memchr(data, '\n', size))
		return 0; // the server's own cuts
	struct call c = {0}, again = {0};
	char *line = strndup((const char *)data, size), *copy = strdup(line);
	int n = command_split(copy, c.word);
	c.n = n < 0 ? 0 : (unsigned)n;
	const struct command *row = c.n ? command_find(&c) : NULL;
	complete(&c);
	if (!row || alone(row)) {
		json_t *answer = command_serve(NULL, line, &again);
		if (!json_is_object(answer))
			abort();
		look(out, answer);
		json_decref(answer);
		log_set(NULL, "info");
	}
	free(copy);
	free(line);
	return 0;
}
