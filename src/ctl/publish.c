// SPDX-License-Identifier: BSD-3-Clause
//
// The client's own commands: a policy file becomes the next version of swg_rules, or is compared with it. In: words;
// how Kafka is reached comes from a configuration, which the appliance names where nobody else does. Out: what was
// added (+), removed (-) and changed (~), and the version. In the process of `sluice ctl`, for minutes where Kafka is
// slow; what is wrong is on standard error.
#include "ctl/publish.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/cli.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "decide/rules_publish.h"

#define SETS_MAX 32

json_t *publish_elsewhere(struct appliance *a, struct call *c)
{
	return call_fail(c, CALL_USAGE, "`sluice ctl` does this itself, and this one is too old for it");
}

bool publish_is(const char *const *word, unsigned n)
{
	return n >= 2 && !strcmp(word[0], "policy") &&
	       (!strcmp(word[1], "publish") || (n > 3 && !strcmp(word[1], "diff") && !strcmp(word[2], "kafka")));
}

#ifdef HAVE_KAFKA
struct publish {
	const char *file, *config, *author, *why, *sets[SETS_MAX];
	unsigned nsets;
	bool dry;
};

static int mistake(const char *what, const char *word)
{
	fprintf(stderr,
		"sluice ctl: %s%s\n"
		"usage: sluice ctl policy publish FILE [-c CONFIG] [--set kafka.KEY=VALUE]... [--author WHO] [--why "
		"TEXT] "
		"[--dry-run]\n"
		"       sluice ctl policy diff kafka FILE [-c CONFIG] [--set kafka.KEY=VALUE]...\n",
		what, word);
	return CALL_USAGE;
}

static int words(struct publish *p, const char *const *word, unsigned n)
{
	p->dry = strcmp(word[1], "publish") != 0;
	for (unsigned i = p->dry ? 3 : 2; i < n; i++) {
		const struct {
			const char *name;
			const char **value;
		} rows[] = {{"-c", &p->config},
			    {"--config", &p->config},
			    {"--set", p->nsets < SETS_MAX ? &p->sets[p->nsets] : NULL},
			    {"--author", &p->author},
			    {"--why", &p->why}};
		unsigned k = 0;
		while (k < sizeof(rows) / sizeof(*rows) && strcmp(rows[k].name, word[i]) != 0)
			k++;
		if (k < sizeof(rows) / sizeof(*rows)) {
			if (i + 1 == n || !rows[k].value)
				return mistake("a value is missing behind ", word[i]);
			*rows[k].value = word[++i];
			p->nsets += k == 2;
		} else if (!strcmp(word[i], "--dry-run")) {
			p->dry = true;
		} else if (word[i][0] == '-' && word[i][1]) {
			return mistake("unknown option ", word[i]);
		} else if (p->file) {
			return mistake("one word too many: ", word[i]);
		} else {
			p->file = word[i];
		}
	}
	return p->file ? CALL_DONE : mistake("which policy?", "");
}

// The appliance's own configuration, by its name.
static char *appliance_config(struct cli *c)
{
	json_t *answer = cli_ask(c, "show policy");
	const char *file = NULL;
	json_unpack(answer, "{s:{s:{s:s}}}", "result", "kafka", "config", &file);
	char *copy = file ? strdup(file) : NULL;
	if (!file)
		fprintf(stderr,
			"sluice ctl: %s: -c CONFIG, or --set kafka.bootstrap.servers=HOST:9092, says how Kafka is "
			"reached\n",
			answer ? "this appliance's policy does not come from Kafka" : "so nobody says where to");
	json_decref(answer);
	return copy;
}

static int settings(struct cli *c, const struct publish *p, struct config *config)
{
	char *said = NULL, *file = p->config ? strdup(p->config) : p->nsets ? NULL : appliance_config(c);
	size_t size;
	if (!file && !p->nsets)
		return CALL_ENVIRONMENT;
	FILE *say = open_memstream(&said, &size); // of a configuration that is for another machine
	int rc = say ? config_load_kafka(config, file, p->sets, p->nsets, say) : -ENOMEM;
	if (say)
		fclose(say);
	if (rc < 0)
		fprintf(stderr, "%s", said ? said : "");
	else if (config->kafka.pairs.n == 0)
		fprintf(stderr, "sluice ctl: %s has no group \"kafka\"\n", file ? file : "--set");
	free(said);
	free(file);
	return rc == 0 && config->kafka.pairs.n ? CALL_DONE
	       : rc == -EINVAL || rc == 0       ? CALL_FINDINGS
						: CALL_ENVIRONMENT;
}

static void heard(void *arg, char sign, const char *what)
{
	json_array_append_new(arg, json_sprintf("%c %s", sign, what));
}

static void who(char *out, size_t room)
{
	char host[128] = "";
	const struct passwd *u = getpwuid(getuid());
	gethostname(host, sizeof(host) - 1);
	snprintf(out, room, "%s@%s", u ? u->pw_name : "?", host);
}

static json_t *outcome(const struct publish *p, const struct rules_published *d, json_t *list)
{
	return json_pack("{s:s,s:b,s:I,s:o,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:s,s:b}", "file", p->file, "published",
			 d->written, "version", (json_int_t)d->version, "changes", list, "added", (int)d->added,
			 "changed", (int)d->changed, "removed", (int)d->removed, "items_added", (int)d->items_added,
			 "items_removed", (int)d->items_removed, "rules", (int)d->rules, "sets", (int)d->sets, "hash",
			 d->hash, "topic_created", d->created);
}

int publish_words(struct cli *c, const char *const *word, unsigned n)
{
	struct publish p = {0};
	static struct config config;
	struct rules_published done;
	char me[256];
	who(me, sizeof(me));
	int code = words(&p, word, n);
	if (!code)
		code = settings(c, &p, &config);
	if (code)
		return code;
	json_t *list = json_array();
	const struct rules_publish wish = {.kafka = &config.kafka.pairs,
					   .file = p.file,
					   .author = p.author ? p.author : me,
					   .why = p.why ? p.why : "",
					   .dry = p.dry,
					   .heard = heard,
					   .arg = list};
	int rc = rules_publish(&wish, &done, stderr);
	code = rc == 0 ? CALL_DONE : rc == -EINVAL || rc == -EBUSY ? CALL_FINDINGS : CALL_ENVIRONMENT;
	json_t *result = outcome(&p, &done, list);
	if (c->json) {
		struct call call = {.exit = code};
		snprintf(call.error, sizeof(call.error), "%s", code ? "not published" : "");
		json_t *answer = command_answer(&call, json_incref(result));
		json_dumpf(answer, c->view.out, JSON_COMPACT);
		fputc('\n', c->view.out);
		json_decref(answer);
	} else if (!code) {
		publish_view(&c->view, result);
	}
	fflush(c->view.out);
	json_decref(result);
	return code;
}
#else
int publish_words(struct cli *c, const char *const *word, unsigned n)
{
	fputs("sluice ctl: this program was built without Kafka\n", stderr);
	return CALL_ENVIRONMENT;
}
#endif

#define SHOWN 40

void publish_view(struct view *v, const json_t *result)
{
	const json_t *list = json_object_get(result, "changes"), *line;
	char text[1024];
	size_t i;
	json_array_foreach(list, i, line) {
		const char *s = json_string_value(line);
		if (i == SHOWN) {
			fprintf(v->out, "and %zu more\n", json_array_size(list) - SHOWN);
			break;
		}
		char sign[2] = {s[0], 0};
		view_put(v, *s == '+' ? VIEW_GREEN : *s == '-' ? VIEW_RED : VIEW_YELLOW, sign, 0);
		json_t *rest = json_string(s + 2);
		view_value("id", rest, text, sizeof(text));
		fprintf(v->out, " %s\n", text);
		json_decref(rest);
	}
	json_int_t version = json_integer_value(json_object_get(result, "version"));
	if (json_is_true(json_object_get(result, "topic_created")))
		fputs("the topic swg_rules was created: compacted, one partition; and swg_rules_status, where it was "
		      "not there\n",
		      v->out);
	if (json_is_true(json_object_get(result, "published")))
		fprintf(v->out, "version %lld published: %lld rules, %lld sets, hash %.12s\n", version,
			json_integer_value(json_object_get(result, "rules")),
			json_integer_value(json_object_get(result, "sets")),
			json_string_value(json_object_get(result, "hash")));
	else if (json_array_size(list))
		fprintf(v->out, "that would be version %lld\n", version);
	else
		fprintf(v->out, "version %lld says so already: nothing to publish\n", version);
}
