// SPDX-License-Identifier: BSD-3-Clause
//
// What a verdict costs: a policy loaded, compiled, and judged by the facts of a SYN, a TLS hello, an HTTP request and a
// DNS query, whose names are ever new. And what a set of names costs: looked up one by one, and by eight.
//   bench_judge POLICY.json [CACHE]          ns a judgement
//   bench_judge --names NAMES.txt            ns a lookup, bytes a name
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/eal.h"
#include "path/delta.h"
#include "path/policy.h"
#include "path/policy_set.h"
#include "path/rules.h"
#include "policy/compile.h"
#include "policy/edit.h"

#define EDITS 10000
#define CASES 4096

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static uint32_t below(uint32_t n)
{
	static uint64_t s = 88172645463325252;
	s ^= s << 13, s ^= s >> 7, s ^= s << 17;
	return (s >> 16) % n;
}

struct sample {
	struct facts facts;
	struct fact_value value[24];
	char host[64], uri[96];
	uint8_t src[4], dst[4];
	unsigned n;
};

static void put(struct sample *c, enum field f, const void *p, uint32_t len, uint64_t num)
{
	c->value[c->n] = (struct fact_value){.p = p, .len = len, .num = num};
	c->facts.state[f] = FACT_ALL;
	c->facts.n[f] = 1;
	c->facts.value[f] = &c->value[c->n++];
}

static void text(struct sample *c, enum field f, const char *s)
{
	put(c, f, s, strlen(s), 0);
}

static void absent(struct sample *c, enum field from, enum field to)
{
	for (unsigned f = from; f <= to; f++)
		if (c->facts.state[f] == FACT_UNKNOWN)
			c->facts.state[f] = FACT_ABSENT;
}

enum kind { SYN, TLS, HTTP, DNS, KINDS };
static const char *const kinds[KINDS] = {"syn", "tls", "http", "dns"};

static void fill(struct sample *c, enum kind kind)
{
	static const char *const words[] = {"alpha", "beta", "shop", "mail", "cdn", "static", "api", "news", "cloud"};
	static const char *const tops[] = {"com", "net", "org", "io", "de", "co.uk"};
	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; i < 4; i++)
		c->src[i] = below(256), c->dst[i] = below(256);
	snprintf(c->host, sizeof(c->host), "%s%u.%s-%s.%s", words[below(9)], below(1000), words[below(9)],
		 words[below(9)], tops[below(6)]);
	snprintf(c->uri, sizeof(c->uri), "/%s/%x%x/index.html?id=%u", words[below(9)], below(1 << 30), below(1 << 30),
		 below(100000));
	put(c, FIELD_SRC, c->src, 4, 0);
	put(c, FIELD_DST, c->dst, 4, 0);
	put(c, FIELD_SPORT, NULL, 0, 1024 + below(60000));
	put(c, FIELD_DPORT, NULL, 0, kind == DNS ? 53 : kind == HTTP ? 80 : 443);
	put(c, FIELD_PROTO, NULL, 0, kind == DNS ? 17 : 6);
	absent(c, FIELD_IP_VERSION, FIELD_STREAM_AMBIGUOUS);
	if (kind == SYN)
		return;
	text(c, FIELD_APP, kinds[kind]);
	text(c, FIELD_HOST, c->host);
	if (kind == TLS)
		text(c, FIELD_TLS_SNI, c->host);
	if (kind == DNS)
		text(c, FIELD_DNS_QNAME, c->host);
	if (kind == HTTP) {
		text(c, FIELD_HTTP_METHOD, "GET");
		text(c, FIELD_HTTP_HOST, c->host);
		text(c, FIELD_HTTP_URI, c->uri);
		text(c, FIELD_HTTP_PATH, c->uri);
		text(c, FIELD_HTTP_USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0");
	}
	absent(c, FIELD_URL, FIELD_SSH_SOFTWARE);
}

void bench_judge(const struct ruleset *rs, struct policy_scratch *s, const struct sample *c, uint32_t n,
		 uint64_t *hits);

// apart, so that callgrind can be told to count here alone
__attribute__((noinline)) void bench_judge(const struct ruleset *rs, struct policy_scratch *s, const struct sample *c,
					   uint32_t n, uint64_t *hits)
{
	struct verdict v;
	for (uint32_t i = 0; i < n; i++) {
		policy_judge(rs, s, &c[i].facts, &v);
		const uint32_t *fired;
		*hits += policy_fired(s, &fired) + (v.rule != RULE_DEFAULT);
	}
}

static int judge(const char *file, const char *cache)
{
	struct complaints complaints = {0};
	char error[256];
	double t0 = now();
	struct policy *p = policy_load(file, &complaints);
	if (!p) {
		complaints_print(&complaints, stderr);
		return 1;
	}
	double t1 = now();
	struct compile_options o = {.cache = cache, .seed = 0x5eed};
	struct ruleset *rs = compile_ruleset(p, &o, error, sizeof(error));
	if (!rs) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	double t2 = now();
	struct policy_scratch *s = policy_worker_init(rs);
	struct sample *c = calloc(CASES, sizeof(*c));
	if (!s || !c)
		return 1;
	printf("%u rules, %u classes, %u patterns' words, loaded in %.0f ms, compiled in %.0f ms\n", rs->nrules,
	       rs->nclasses, rs->nfound, (t1 - t0) / 1e6, (t2 - t1) / 1e6);
	for (unsigned kind = 0; kind < KINDS; kind++) {
		double best = 1e18;
		uint64_t hits = 0;
		for (unsigned i = 0; i < CASES; i++)
			fill(&c[i], kind);
		for (unsigned loop = 0; loop < 5; loop++) {
			double begin = now();
			hits = 0;
			bench_judge(rs, s, c, CASES, &hits);
			double t = (now() - begin) / CASES;
			best = t < best ? t : best;
		}
		printf("%-5s %8.1f ns a judgement, %.4f rules hit\n", kinds[kind], best, (double)hits / CASES);
	}
	policy_worker_fini(s);
	compile_free(rs);
	policy_free(p);
	return 0;
}

static struct ruleset *names(const char *file, uint8_t **texts, uint32_t **at, uint32_t *n, double *ms)
{
	FILE *f = fopen(file, "r");
	static char line[512];
	uint32_t used = 0, room = 1 << 28;
	struct set_item *items = NULL;
	if (!f)
		return NULL;
	*texts = malloc(room);
	*at = malloc((8 << 20) * sizeof(**at));
	for (*n = 0; fgets(line, sizeof(line), f) && *n < (8 << 20) - 1; (*n)++) {
		uint32_t len = strcspn(line, "\r\n");
		memcpy(*texts + used, line, len);
		(*at)[*n] = used;
		used += len;
	}
	(*at)[*n] = used;
	fclose(f);
	items = calloc(*n, sizeof(*items));
	for (uint32_t i = 0; i < *n; i++)
		items[i].operand = (struct operand){.p = *texts + (*at)[i], .len = (*at)[i + 1] - (*at)[i]};
	struct set set = {.name = "names", .type = SET_DOMAIN, .items = items, .nitems = *n};
	struct test test = {.op = TEST_IN, .set = &set};
	struct condition when = {.kind = CONDITION_FIELD, .field = FIELD_HOST, .test = &test};
	struct rule rule = {.action = ACTION_DENY, .when = &when};
	struct policy p = {.rules = &rule, .nrules = 1, .sets = &set, .nsets = 1};
	struct compile_options o = {.seed = 0x5eed};
	char error[256];
	double begin = now();
	struct ruleset *rs = compile_ruleset(&p, &o, error, sizeof(error));
	*ms = (now() - begin) / 1e6;
	free(items);
	return rs;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

// One name more in the set in force, each the first that its memory sees of it.
static int one_more(struct ruleset *rs, uint32_t n)
{
	static double took[EDITS];
	struct set set = {.name = "names", .type = SET_DOMAIN, .nitems = n};
	struct policy p = {.sets = &set, .nsets = 1};
	rs->delta = delta_new(1);
	for (unsigned i = 0; i < EDITS; i++) {
		char name[64];
		struct edit e;
		snprintf(name, sizeof(name), "added%u.example", i * 7919);
		double begin = now();
		int rc = edit_set(&p, rs, "names", name, true, &e);
		took[i] = now() - begin;
		if (rc < 0)
			return rc;
	}
	qsort(took, EDITS, sizeof(*took), by_size);
	printf("one name more: %.2f us (half of %u), 99 in 100 below %.2f, all below %.0f\n", took[EDITS / 2] / 1e3,
	       EDITS, took[EDITS * 99 / 100] / 1e3, took[EDITS - 1] / 1e3);
	return 0;
}

// half of what is asked is in the set, below one of its names; half is not
static int lookups(const char *file)
{
	uint8_t *texts;
	uint32_t *at, n, asked = 1 << 16, have = 0;
	double ms;
	struct ruleset *rs = names(file, &texts, &at, &n, &ms);
	if (!rs)
		return 1;
	struct fact_value *v = calloc(asked, sizeof(*v));
	char *room = calloc(asked, 128);
	for (uint32_t i = 0, used = 0; i < asked; i++) {
		uint32_t k = below(n), size = at[k + 1] - at[k];
		int len = i % 2 ? snprintf(room + used, 128, "www.%.*s", (int)size, texts + at[k])
				: snprintf(room + used, 128, "x%u.%.*s", k, size > 9 ? 9 : (int)size, texts + at[k]);
		v[i] = (struct fact_value){.p = (uint8_t *)room + used, .len = len};
		used += len;
	}
	double single = 1e18, batch = 1e18, edited = 1e18;
	for (unsigned loop = 0; loop < 7; loop++) {
		double begin = now();
		have = 0;
		for (uint32_t i = 0; i < asked; i++)
			have += policy_set_has(rs, 0, &v[i], false);
		double t = (now() - begin) / asked;
		single = t < single ? t : single;
		begin = now();
		for (uint32_t i = 0; i < asked; i += 8) {
			struct policy_set_probe x[8];
			for (unsigned k = 0; k < 8; k++)
				policy_set_ask(rs, &v[i + k], &x[k]);
			for (unsigned k = 0; k < 8; k++)
				policy_set_ask_text(rs, &x[k]);
			for (unsigned k = 0; k < 8; k++)
				have += policy_set_asked(rs, 0, &v[i + k], &x[k]);
		}
		t = (now() - begin) / asked;
		batch = t < batch ? t : batch;
	}
	double bytes = rs->names.nbuckets * sizeof(struct name_bucket) + rs->names.ntext;
	printf("%u names compiled in %.0f ms, %.1f bytes a name; %u of %u asked are in it\n", n, ms, bytes / n,
	       have / 2, asked);
	printf("%.1f ns a lookup, %.1f by eight\n", single, batch);
	if (one_more(rs, n) < 0)
		return 1;
	for (unsigned loop = 0; loop < 7; loop++) {
		double begin = now();
		for (uint32_t i = 0; i < asked; i++)
			have += policy_set_has(rs, 0, &v[i], false);
		double t = (now() - begin) / asked;
		edited = t < edited ? t : edited;
	}
	printf("%.1f ns a lookup after that\n", edited);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--names"))
		return lookups(argv[2]);
	if (argc < 2) {
		fprintf(stderr, "usage: bench_judge POLICY.json [CACHE]\n       bench_judge --names NAMES.txt\n");
		return 2;
	}
	return judge(argv[1], argc > 2 ? argv[2] : NULL);
}
