// SPDX-License-Identifier: BSD-3-Clause
//
// The prompt: DPDK's own line editor (librte_cmdline's rdline, as testpmd has it) over the command table. Tab completes
// words from the table and values (ports, rules) that the appliance is asked for; `?` says what may stand here.
// The terminal is raw only while a line is edited, so that ^C ends a command that waits, as everywhere.
#include <glob.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmdline_rdline.h>

#include "ctl/cli.h"
#include "ctl/command.h"

#define CANDIDATES_MAX 512
#define LINE_BYTES 1024
#define LINE_TYPED 400 // rdline cuts at 511 without a word; a completion finds room behind it
#define KEY(letter) ((letter) - '@')
#define PROMPT "sluice> "

struct candidate {
	char *text;
	const char *help;
};

struct prompt {
	struct cli *cli;
	struct rdline *edit;
	struct termios cooked;
	struct candidate list[CANDIDATES_MAX];
	unsigned n, at;
	bool help;   // `?`: each with its help
	bool spoilt; // something was typed that no line holds: nothing of it is said
};

static int put_char(struct rdline *edit, char ch)
{
	(void)edit;
	return write(STDOUT_FILENO, &ch, 1) == 1 ? 0 : -1;
}

static void clear(struct prompt *p)
{
	while (p->n)
		free(p->list[--p->n].text);
	p->at = 0;
}

// A word that stands in several rows is one candidate; its help is then that of none of them.
static void add(struct prompt *p, const char *text, size_t len, const char *help)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (strlen(p->list[i].text) == len && !memcmp(p->list[i].text, text, len)) {
			if (p->list[i].help != help)
				p->list[i].help = "...";
			return;
		}
	}
	char *copy = p->n < CANDIDATES_MAX ? strndup(text, len) : NULL;
	if (copy)
		p->list[p->n++] = (struct candidate){copy, help};
}

static void add_files(struct prompt *p, const char *begin, const char *help)
{
	glob_t found;
	char pattern[512];
	snprintf(pattern, sizeof(pattern), "%s*", begin);
	if (glob(pattern, GLOB_MARK, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		add(p, found.gl_pathv[i], strlen(found.gl_pathv[i]), help);
	globfree(&found);
}

// Values of <kind> that begin so. With `?` the kind itself is named, too.
static void add_values(struct prompt *p, const char *kind, size_t len, const char *begin)
{
	char line[128];
	const struct command_kind *k = command_kinds;
	while (k < command_kinds + command_nkinds && (strlen(k->name) != len || memcmp(k->name, kind, len)))
		k++;
	if (k == command_kinds + command_nkinds)
		return;
	if (p->help && !*begin) {
		snprintf(line, sizeof(line), "<%s>", k->name);
		add(p, line, strlen(line), k->help);
	}
	if (!strcmp(k->name, "file"))
		add_files(p, begin, k->help);
	if (!k->values)
		return;
	snprintf(line, sizeof(line), "values %s", k->name);
	json_t *answer = cli_ask(p->cli, line), *value;
	size_t i;
	json_array_foreach(json_object_get(json_object_get(answer, "result"), "values"), i, value) {
		const char *text = json_string_value(value);
		if (text && !strncmp(text, begin, strlen(begin)) && !strpbrk(text, " \t\r\n\033"))
			add(p, text, strlen(text), ""); // the kind's own line says what they are
	}
	json_decref(answer);
}

static void add_place(struct prompt *p, const struct command *row, const char *place, const char *begin)
{
	for (size_t len; *place; place += len + (place[len] == '|')) {
		len = strcspn(place, "|");
		if (*place == '<')
			add_values(p, place + 1, len - 2, begin);
		else if (!strncmp(place, begin, strlen(begin)))
			add(p, place, len, row->help);
	}
}

// All that may stand where the last word of the line is being said. Answers how much of it there is.
static size_t collect(struct prompt *p, const char *line)
{
	const char *word[COMMAND_WORDS_MAX];
	char copy[512], place[128];
	snprintf(copy, sizeof(copy), "%s", line);
	size_t len = strlen(copy);
	bool fresh = len == 0 || copy[len - 1] == ' ';
	int n = command_split(copy, word);
	clear(p);
	if (n < 0)
		return 0;
	const char *begin = fresh || n == 0 ? "" : word[--n];
	for (unsigned i = 0; i < command_count; i++)
		if (command_next(&command_table[i], word, (unsigned)n, place, sizeof(place)))
			add_place(p, &command_table[i], place, begin);
	if (n == 0 && !strncmp("quit", begin, strlen(begin)))
		add(p, "quit", 4, "leave the prompt; the appliance goes on");
	return strlen(begin);
}

// What all candidates go on with.
static size_t common(const struct prompt *p, size_t have)
{
	size_t n = p->n ? strlen(p->list[0].text) : have;
	for (unsigned i = 1; i < p->n; i++) {
		size_t k = have;
		while (k < n && p->list[i].text[k] == p->list[0].text[k])
			k++;
		n = k;
	}
	return n;
}

static int list_next(struct prompt *p, char *out, unsigned room)
{
	if (p->at == p->n)
		return 0;
	const struct candidate *k = &p->list[p->at++];
	if (p->help)
		snprintf(out, room, "%-20s %s", k->text, k->help);
	else
		snprintf(out, room, "%s", k->text);
	return RDLINE_RES_VALIDATED; // in rdline's words: one line of a list
}

// rdline's protocol: *state 0 for tab, -1 for `?`, then what was left there; RDLINE_RES_COMPLETE adds to the line,
// RDLINE_RES_VALIDATED is a line to show, 0 the end.
static int complete(struct rdline *edit, const char *line, char *out, unsigned room, int *state)
{
	struct prompt *p = rdline_get_opaque(edit);
	if (*state > 0)
		return list_next(p, out, room);
	p->help = *state < 0;
	size_t have = collect(p, line), n = common(p, have);
	*state = 1;
	if (!p->help && p->n == 1 && p->list[0].text[n - 1] != '/') {
		snprintf(out, room, "%s ", p->list[0].text + have);
		return RDLINE_RES_COMPLETE;
	}
	if (!p->help && n > have) {
		snprintf(out, room, "%.*s", (int)(n - have), p->list[0].text + have);
		return RDLINE_RES_COMPLETE;
	}
	return list_next(p, out, room);
}

static void raw(const struct prompt *p)
{
	struct termios t = p->cooked;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static void validate(struct rdline *edit, const char *line, unsigned size)
{
	struct prompt *p = rdline_get_opaque(edit);
	char copy[LINE_BYTES];
	(void)size;
	snprintf(copy, sizeof(copy), "%s", line);
	copy[strcspn(copy, "\r\n")] = '\0';
	if (!copy[strspn(copy, " ")])
		return;
	rdline_add_history(edit, copy);
	tcsetattr(STDIN_FILENO, TCSANOW, &p->cooked);
	cli_line(p->cli, copy);
	raw(p);
}

// Lines of before: ~/.sluice_history, as rdline keeps them (8 KiB at most).
static FILE *history(const char *mode)
{
	const char *home = getenv("HOME");
	char path[512];
	if (!home || snprintf(path, sizeof(path), "%s/.sluice_history", home) >= (int)sizeof(path))
		return NULL;
	return fopen(path, mode);
}

static void history_read(struct rdline *edit)
{
	char line[LINE_BYTES];
	FILE *f = history("re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		rdline_add_history(edit, line);
	}
	if (f)
		fclose(f);
}

static void history_write(struct rdline *edit)
{
	unsigned n = 0;
	mode_t before = umask(077); // what was asked is nobody else's business
	FILE *f = history("we");
	umask(before);
	while (rdline_get_history_item(edit, n))
		n++;
	while (f && n--)
		fprintf(f, "%s\n", rdline_get_history_item(edit, n));
	if (f)
		fclose(f);
}

// rdline leaves out what is not ASCII, and cuts what is too long: another line would be said than the one typed.
static bool spoils(const struct prompt *p, char ch)
{
	const char *why = NULL;
	if (ch & 0x80)
		why = "only ASCII can be typed here: a name as xn--..., or all of it by `sluice ctl set add ...` in a "
		      "shell";
	else if (ch >= ' ' && strlen(rdline_get_buffer(p->edit)) > LINE_TYPED)
		why = "the line is too long: `sluice ctl -f FILE` takes longer ones";
	if (why) {
		printf("\a\n%s; Enter begins anew\n", why);
		fflush(stdout);
	}
	return why;
}

// As rdline_char_in.
static int typed(struct prompt *p, char ch)
{
	if (p->spoilt || (p->spoilt = spoils(p, ch))) {
		p->spoilt = ch != '\r' && ch != '\n' && ch != KEY('C') && ch != KEY('U');
		if (!p->spoilt)
			rdline_newline(p->edit, PROMPT);
		return 0;
	}
	if (ch != KEY('U'))
		return rdline_char_in(p->edit, ch);
	rdline_char_in(p->edit, KEY('A'));
	return rdline_char_in(p->edit, KEY('K'));
}

int cli_prompt(struct cli *c)
{
	struct prompt p = {.cli = c};
	char ch;
	int rc = 0;
	p.edit = rdline_new(put_char, validate, complete, &p);
	if (!p.edit || tcgetattr(STDIN_FILENO, &p.cooked) < 0)
		return CALL_ENVIRONMENT;
	history_read(p.edit);
	raw(&p);
	rdline_newline(p.edit, PROMPT);
	while (!c->quit && rc >= 0 && read(STDIN_FILENO, &ch, 1) == 1) {
		rc = typed(&p, ch);
		if (rc == RDLINE_RES_VALIDATED && !c->quit)
			rdline_newline(p.edit, PROMPT);
	}
	tcsetattr(STDIN_FILENO, TCSANOW, &p.cooked);
	putchar('\n');
	history_write(p.edit);
	rdline_free(p.edit);
	clear(&p);
	return CALL_DONE;
}
