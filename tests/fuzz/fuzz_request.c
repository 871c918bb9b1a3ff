// SPDX-License-Identifier: BSD-3-Clause
//
// Requests over Kafka: a message as it comes, read, judged, answered; or sent to the topic of errors. Checked beyond
// the sanitizers: what is taken jansson takes, too; no line of the head that is made of it is anybody's but a header's;
// what is answered is JSON that jansson reads, and has the id.
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "decide/decision.h"
#include "decide/request.h"
#include "decide/unread.h"
#include "path/judge.h"
#include "path/limit.h"
#include "path/path.h"
#include "policy/compile.h"
#include "policy/policy.h"
#include "record_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] =
	"{\"sets\":{\"internal\":{\"type\":\"net\",\"items\":[\"10.0.0.0/"
	"8\"]},\"bad\":{\"type\":\"domain\",\"items\":[\"bad.example\"]}},"
	"\"rules\":[{\"id\":\"a\",\"action\":\"deny\",\"when\":{\"host\":{\"in\":\"bad\"},\"user\":{\"not\":\"root\"}}}"
	","
	"{\"id\":\"b\",\"action\":\"alert\",\"when\":{\"url\":{\"regex\":\"a+b\"}}},"
	"{\"id\":\"c\",\"action\":\"limit\",\"rate\":\"2pps\",\"by\":\"user\",\"when\":{\"group\":\"x\"}},"
	"{\"id\":\"d\",\"action\":\"deny\",\"when\":{\"http.header.x-key\":{\"contains\":\"1\"},\"direction\":[\"out\","
	"\"in\"]}},"
	"{\"id\":\"e\",\"action\":\"tag\",\"tag\":\"t\",\"when\":{\"http.path\":{\"prefix\":\"/t\"}}},"
	"{\"id\":\"f\",\"action\":\"deny\",\"when\":{\"tag\":\"t\",\"tls.sni\":{\"present\":true}}}]}";

static struct path_config config = {.flows = 64,
				    .streams = 64,
				    .chunks = 64,
				    .apps = 16,
				    .fragments = 16,
				    .arena_bytes = 1 << 18,
				    .record_cells = 1 << 12,
				    .seed = 1,
				    .policy_fields = UINT64_MAX};
static struct worker w;
static struct request *q;

static void open_world(void)
{
	struct complaints c = {0};
	char error[256];
	struct policy *p = policy_parse("p", policy_text, strlen(policy_text), &c);
	struct ruleset *rs = p ? compile_ruleset(p, &(struct compile_options){0}, error, sizeof(error)) : NULL;
	q = calloc(1, sizeof(*q));
	w.limits = limits_new(1);
	if (!rs || !q || !w.limits || path_init(&w, &config) < 0)
		abort();
	judge_use(&w, judge_policy_new(rs, 1));
}

static void is_json(const char *text, size_t len, const char *id, size_t id_len)
{
	json_t *o = json_loadb(text, len, JSON_ALLOW_NUL, NULL), *i = json_object_get(o, "id");
	if (!o ||
	    (id && (!json_is_string(i) || json_string_length(i) != id_len || memcmp(json_string_value(i), id, id_len))))
		abort();
	json_decref(o);
}

// Request line, lines of fields, and the empty line at the end.
static void sound(const uint8_t *head, uint32_t len)
{
	if (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0 || memchr(head, 0, len))
		abort();
	for (uint32_t i = 0; i + 4 < len; i++)
		if ((head[i] == '\n') != (i && head[i - 1] == '\r') || !memcmp(head + i, "\r\n\r\n", 4))
			abort();
}

static void answer(bool good)
{
	static char words[DECISION_MAX], text[DECISION_MAX + 4096];
	struct asked a;
	if (good)
		judge_ask(&w, &q->ask, &a);
	else
		judge_ask_unread(&w, &q->ask, q->why, &a);
	size_t n = decision_words(words, sizeof(words), &a, NULL, "n", q->why);
	n = decision_write(text, sizeof(text), q->ask.id, words, n, 1, good);
	is_json(text, n, (const char *)q->ask.id.p, q->ask.id.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t key[2] = {1, 2};
	static char text[UNREAD_MAX];
	if (!q)
		open_world();
	w.now_ns += 1000000;
	bool good = request_read(q, data, size, key) == 0;
	if (good) {
		json_error_t e;
		json_t *o = json_loadb((const char *)data, size, JSON_ALLOW_NUL, &e);
		if (!o && !strstr(e.text, "too big") && !strstr(e.text, "overflow")) // it has a bound for numbers
			abort();
		json_decref(o);
		sound(q->ask.head, q->ask.head_len);
	} else if (!*q->why) {
		abort();
	}
	if (q->ask.id.len)
		answer(good);
	const struct unread u = {.topic = "t", .why = q->why, .node = "n", .p = data, .len = size};
	is_json(text, unread_write(text, &u), NULL, 0);
	for (const struct record *r; (r = record_peek(w.records)); record_done(w.records, r))
		;
	return 0;
}
