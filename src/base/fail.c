// SPDX-License-Identifier: BSD-3-Clause
//
// The fail modes: what is done where the corridor cannot know, or cannot do, what it should (corridor.md 9). Words come
// in, from a command line or a config file, and struct fail_modes goes out, which the corridor reads. Any thread,
// before the workers start: a mode does not change under way.
//
// The defaults are all zero, so that who sets nothing has them.
#include "base/fail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/word.h"

// clang-format off
const struct fail_row fail_rows[FAIL_ROWS] = {
#define ROW(key, field, help, ...) {key, {__VA_ARGS__}, help, offsetof(struct fail_modes, field)},
	ROW("no_policy", no_policy_closed, "while there is no policy all passes, or nothing", "open", "closed")
	ROW("out_of_memory", memory_open,
	    "what there is no memory to read in does not leave, or goes on as hold_exceeded says", "closed", "open")
	ROW("hold_exceeded", hold_exceeded,
	    "what waited for its verdict too long, or is too much: what was not seen is absent and the policy decides, "
	    "or it passes, or it is dropped",
	    "absent", "pass", "drop")
	ROW("decap_depth", depth_open,
	    "layers beyond the depth that is looked at, where a policy is in force: dropped, or passed", "closed",
	    "open")
	ROW("http_ambiguous", ambiguous_pass,
	    "an HTTP message whose end two readers would see differently: nothing from it on leaves, or it passes as "
	    "it was read here",
	    "close", "pass")
	ROW("tls_bad_name", tls_name_absent,
	    "a server name that cannot be: its hello is dropped, or judged as one without a name", "drop", "absent")
	ROW("dns_bad_name", dns_name_pass,
	    "a DNS name that cannot be: its message is dropped, or judged by what could be read", "drop", "pass")
	ROW("midstream", midstream_drop,
	    "a TCP connection that no SYN was seen of: followed from there on, or dropped", "pick_up", "drop")
	ROW("bad_request", request_open,
	    "a request over Kafka that cannot be read, but has an id, is answered with deny, or allow", "closed", "open")
#undef ROW
};
// clang-format on

static unsigned values_of(const struct fail_row *r)
{
	unsigned n = 0;
	while (n < 4 && r->values[n])
		n++;
	return n;
}

const char *fail_values(const struct fail_row *r, char *room, size_t size)
{
	size_t at = 0;
	for (unsigned i = 0; i < values_of(r) && at < size; i++)
		at += (size_t)snprintf(room + at, size - at, "%s%s", i ? "|" : "", r->values[i]);
	return room;
}

static uint8_t *place(struct fail_modes *m, const struct fail_row *r)
{
	return (uint8_t *)m + r->at;
}

const char *fail_value(const struct fail_modes *m, const struct fail_row *r)
{
	return r->values[*((const uint8_t *)m + r->at)];
}

bool fail_usual(const struct fail_modes *m, const struct fail_row *r)
{
	return *((const uint8_t *)m + r->at) == 0;
}

// Which of the words it is; n: none, and that is said.
static unsigned find(const char *const *words, unsigned n, const char *p, size_t len, const char *what,
		     char say[FAIL_SAY])
{
	unsigned i = word_find(words, n, p, len);
	if (i < n)
		return i;
	const char *near = word_near(words, n, p, len);
	int at = snprintf(say, FAIL_SAY, "%s \"%.*s\"", what, len < 80 ? (int)len : 80, p);
	if (near)
		snprintf(say + at, FAIL_SAY - (size_t)at, " (did you mean \"%s\"?)", near);
	return n;
}

int fail_set(struct fail_modes *m, const char *key, size_t len, const char *value, char say[FAIL_SAY])
{
	const char *keys[FAIL_ROWS];
	char words[64];
	for (unsigned i = 0; i < FAIL_ROWS; i++)
		keys[i] = fail_rows[i].key;
	unsigned k = find(keys, FAIL_ROWS, key, len, "unknown fail mode", say);
	if (k == FAIL_ROWS)
		return -EINVAL;
	const struct fail_row *r = &fail_rows[k];
	unsigned n = values_of(r), v = find(r->values, n, value, strlen(value), "unknown value", say);
	if (v == n) {
		size_t at = strlen(say);
		snprintf(say + at, FAIL_SAY - at, ": %s is %s", r->key, fail_values(r, words, sizeof(words)));
		return -EINVAL;
	}
	*place(m, r) = (uint8_t)v;
	return 0;
}

int fail_option(struct fail_modes *m, const char *text, char say[FAIL_SAY])
{
	size_t key = strcspn(text, "=");
	*say = '\0';
	return text[key] ? fail_set(m, text, key, text + key + 1, say) : -EINVAL;
}
