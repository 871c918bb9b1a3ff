// SPDX-License-Identifier: BSD-3-Clause
//
// The verb `doctor`: is this machine fit for that configuration? In: a configuration, or none. Out: a table of checks,
// each with what it means and the command that mends it; with --fix the safe commands are run and said. Main thread;
// it opens no port and changes nothing without --fix. The checks are doctor_checks.c's.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <jansson.h>

#include "cmd.h"
#include "doctor.h"
#include "option.h"
#include "policy/policy.h"

static const char *const levels[] = {"ok", "warn", "bad"};

void doctor_say(struct doctor *d, enum doctor_level level, const char *check, bool safe, const char *fix,
		const char *format, ...)
{
	va_list args;
	if (d->n == DOCTOR_MAX)
		return;
	struct finding *f = &d->found[d->n++];
	*f = (struct finding){.level = level, .check = check, .safe = safe && *fix};
	snprintf(f->fix, sizeof(f->fix), "%s", fix);
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
}

static bool bad(const struct doctor *d)
{
	bool any = false;
	for (unsigned i = 0; i < d->n; i++)
		any |= d->found[i].level == DOCTOR_BAD;
	return any;
}

static void as_words(const struct doctor *d)
{
	for (unsigned i = 0; i < d->n; i++) {
		const struct finding *f = &d->found[i];
		printf("%-4s  %-12s %s\n", levels[f->level], f->check, f->text);
		if (*f->fix)
			printf("%20s%s%s\n", "", f->fix, f->fixed ? "   (done)" : f->safe ? "   (--fix does it)" : "");
	}
}

static void as_json(const struct doctor *d)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < d->n; i++) {
		const struct finding *f = &d->found[i];
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:b,s:b}", "check", f->check, "level",
						      levels[f->level], "text", f->text, "fix", f->fix, "safe", f->safe,
						      "fixed", f->fixed));
	}
	json_t *o = json_pack("{s:b,s:o}", "ok", !bad(d), "checks", list);
	json_dumpf(o, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(o);
}

// Runs what is safe; whether it helped is seen by looking again.
static bool mend(struct doctor *d)
{
	bool any = false;
	for (unsigned i = 0; i < d->n; i++) {
		struct finding *f = &d->found[i];
		if (!f->safe || f->level == DOCTOR_OK)
			continue;
		int rc = system(f->fix);
		fprintf(stderr, "fix: %s: %s\n", f->fix, rc == 0 ? "done" : "failed");
		any = true;
	}
	return any;
}

static void usage(FILE *out)
{
	fputs("usage: sluice doctor [-c CONFIG] [--set KEY=VALUE]... [--fix] [-j]\n\n"
	      "Is this machine fit to run CONFIG? Each check says what it means and which command mends it.\n\n"
	      "  -c, --config FILE  what is to run; none: what any configuration needs\n"
	      "      --set KEY=VALUE\n"
	      "      --fix          run the commands that are safe (marked), and say which\n"
	      "  -j, --json         one JSON object\n"
	      "  -h, --help         this\n\n"
	      "exit codes: 0 nothing is bad, 1 something is, 2 usage, 3 the configuration cannot be read\n\n"
	      "example: sluice doctor -c configs/bridge.json --fix\n",
	      out);
}

#define SETS_MAX 64

struct asked {
	const char *file, *sets[SETS_MAX];
	unsigned nsets;
	bool fix, json;
};

int doctor_main(int argc, char **argv)
{
#define O(field) OPTION_AT(struct asked, field)
	static const struct option_row rows[] = {
		{"config", 'c', "FILE", OPTION_TEXT, O(file)},
		{"set", 0, "KEY=VALUE", OPTION_LIST, O(sets), offsetof(struct asked, nsets), .high = SETS_MAX},
		{"fix", 0, NULL, OPTION_FLAG, O(fix)},
		{"json", 'j', NULL, OPTION_FLAG, O(json)},
		{"help", 'h', NULL, OPTION_SHOW, .show = usage}};
#undef O
	static const struct option_table table = OPTION_TABLE("doctor", rows);
	static struct doctor d;
	struct asked a = {0};
	int rc = option_read(&table, &a, argc, argv);
	if (rc >= 0)
		return rc;
	if (optind < argc)
		return option_mistake("doctor", "one word too many: %.80s", argv[optind]);
	if (a.file) {
		struct complaints c = {0};
		rc = config_read(&d.config, a.file, a.sets, a.nsets, false,
				 &c); // what this machine lacks is ours to say
		if (rc < 0)
			complaints_print(&c, stderr);
		complaints_clear(&c);
		if (rc < 0)
			return rc == -EINVAL ? EXIT_FINDINGS : EXIT_ENVIRONMENT;
		d.configured = true;
	}
	doctor_look(&d);
	if (a.fix && mend(&d)) {
		struct doctor before = d;
		d.n = 0;
		doctor_look(&d);
		for (unsigned i = 0; i < before.n && i < d.n; i++)
			d.found[i].fixed = before.found[i].level != DOCTOR_OK && d.found[i].level == DOCTOR_OK;
	}
	a.json ? as_json(&d) : as_words(&d);
	return bad(&d) ? EXIT_FINDINGS : EXIT_DONE;
}
