// SPDX-License-Identifier: BSD-3-Clause
//
// What one rule more costs, from the record of swg_rules to the rule set that workers are given, in its parts: without
// Kafka and without workers, so that it can be counted (valgrind --tool=callgrind --toggle-collect=one).
//   bench_edit POLICY.json [TIMES [NAMES]]   ms of each part, the median; NAMES: items of a set beside it
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/eal.h"
#include "decide/rules_keyed.h"
#include "live/standing.h"
#include "policy/policy.h"

#define PARTS 8
static const char *const parts[PARTS] = {"record",  "hash",     "text", "read",
					 "compile", "in force", "all",  "of processor"};

static struct rules_table *table;
static struct standing *standing;
static char *text;
static size_t len;

static void into(void *arg, const char *key, size_t key_len, const char *value, size_t value_len)
{
	char why[RULES_WHY];
	enum rules_kind kind;
	if (rules_table_put(table, key, key_len, value, value_len, &kind, why) < 0)
		exit(fprintf(stderr, "%s: %s\n", key, why));
}

static void hear(void *arg, const char *name, const char *p, size_t n)
{
	if (*name)
		return;
	text = malloc(n + 1);
	memcpy(text, p, n);
	len = n;
}

static double ms(uint64_t *from)
{
	uint64_t was = *from;
	*from = clock_ns(CLOCK_MONOTONIC);
	return (double)(*from - was) / 1e6;
}

static void apply(bool sets, double took[PARTS])
{
	struct rules_sum sum;
	struct rules_change change;
	struct complaints c = {0};
	struct standing_done done;
	char *policy = NULL;
	size_t n = 0;
	uint64_t at = clock_ns(CLOCK_MONOTONIC), began = at;
	rules_table_sum(table, false, &sum);
	took[1] = ms(&at);
	rules_table_change(table, &change);
	if (sets || change.rules)
		policy = rules_table_policy(table, false, sets, &n);
	took[2] = ms(&at);
	const struct standing_text to = {.name = "bench",
					 .text = policy,
					 .len = n,
					 .sets = sets,
					 .hash = sum.all,
					 .items = change.items,
					 .nitems = sets ? 0 : change.nitems};
	if (standing_apply(standing, &to, "", &done, &c, stderr) < 0)
		exit(fprintf(stderr, "refused: %s\n", c.n ? c.list[0].text : "?"));
	took[3] = done.read_ms;
	took[4] = done.compile_ms;
	took[5] = (double)(done.force_ns - began) / 1e6;
	rules_table_take(table);
	free(change.items);
	free(policy);
}

void one(unsigned i, bool name, double took[PARTS]);
void one(unsigned i, bool name, double took[PARTS])
{
	char key[64], value[256];
	uint64_t at = clock_ns(CLOCK_MONOTONIC), from = at, cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	snprintf(key, sizeof(key), name ? "set:names:edit%u.example" : "rule:edit%u", i);
	snprintf(value, sizeof(value),
		 name ? "{}"
		      : "{\"order\":%u.5,\"action\":\"deny\",\"when\":{\"http.uri\":{\"regex\":\"/e%u/[a-z]+x\"}}}",
		 5000 + i, i);
	into(NULL, key, strlen(key), value, strlen(value));
	took[0] = ms(&at);
	apply(false, took);
	took[6] = ms(&from);
	took[7] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / 1e6;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(unsigned times, bool name)
{
	double took[PARTS], *all = calloc(PARTS * times, sizeof(*all));
	for (unsigned i = 0; i < times; i++) {
		one(i, name, took);
		for (unsigned p = 0; p < PARTS; p++)
			all[p * times + i] = took[p];
	}
	printf("one %s more:", name ? "name" : "rule");
	for (unsigned p = 0; p < PARTS; p++) {
		qsort(all + p * times, times, sizeof(*all), ascending);
		printf(" %s %.2f", parts[p], all[p * times + times / 2]);
	}
	printf(" most %.2f ms\n", all[(PARTS - 1) * times - 1]);
	free(all);
}

int main(int argc, char **argv)
{
	struct complaints c = {0};
	double took[PARTS];
	unsigned times = argc > 2 ? (unsigned)atoi(argv[2]) : 21, names = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
	struct policy *p = argc > 1 ? policy_load_heard(argv[1], &(struct policy_ear){hear, NULL}, &c) : NULL;
	if (!p || eal_init(64) < 0)
		return fprintf(stderr, "usage: bench_edit POLICY.json [TIMES [NAMES]]\n"), 2;
	table = rules_table_new();
	standing = standing_new(&(struct standing_config){.workers = 0, .seed = 1});
	rules_keyed(p, text, len, table, into, NULL, stderr);
	if (names)
		into(NULL, "set:names", 9, "{\"type\":\"domain\"}", 17);
	for (unsigned i = 0; i < names; i++) {
		char key[64];
		into(NULL, key,
		     (size_t)snprintf(key, sizeof(key), "set:names:n%x.example%u.com", i * 2654435761u, i % 5000), "{}",
		     2);
	}
	apply(true, took);
	printf("%u rules: hash %.1f text %.1f read %.1f compile %.1f ms, the first time\n", p->nrules, took[1], took[2],
	       took[3], took[4]);
	if (times)
		measure(times, false);
	if (names)
		measure(times, true);
	return 0;
}
