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

int doctor_main(int argc, char **argv)
{
	static const struct option table[] = {{"config", 1, 0, 'c'}, {"set", 1, 0, 's'},  {"fix", 0, 0, 'f'},
					      {"json", 0, 0, 'j'},   {"help", 0, 0, 'h'}, {0}};
	static struct doctor d;
	const char *file = NULL, *sets[SETS_MAX];
	bool fix = false, json = false;
	unsigned nsets = 0;
	for (int o; (o = getopt_long(argc, argv, "c:jh", table, NULL)) != -1;) {
		if (o == 'c')
			file = optarg;
		else if (o == 's' && nsets < SETS_MAX)
			sets[nsets++] = optarg;
		else if (o == 'f')
			fix = true;
		else if (o == 'j')
			json = true;
		else {
			usage(o == 'h' ? stdout : stderr);
			return o == 'h' ? EXIT_DONE : EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fputs("sluice doctor: one word too many; see sluice doctor --help\n", stderr);
		return EXIT_USAGE;
	}
	if (file) {
		struct complaints c = {0};
		int rc = config_read(&d.config, file, sets, nsets, false, &c); // what this machine lacks is ours to say
		if (rc < 0)
			complaints_print(&c, stderr);
		complaints_clear(&c);
		if (rc < 0)
			return rc == -EINVAL ? EXIT_FINDINGS : EXIT_ENVIRONMENT;
		d.configured = true;
	}
	doctor_look(&d);
	if (fix && mend(&d)) {
		struct doctor before = d;
		d.n = 0;
		doctor_look(&d);
		for (unsigned i = 0; i < before.n && i < d.n; i++)
			d.found[i].fixed = before.found[i].level != DOCTOR_OK && d.found[i].level == DOCTOR_OK;
	}
	json ? as_json(&d) : as_words(&d);
	return bad(&d) ? EXIT_FINDINGS : EXIT_DONE;
}
