// SPDX-License-Identifier: BSD-3-Clause
//
// Records of swg_rules: lines of the input are keys and values in turn, as anybody may have written them (a line "-"
// removes). What the appliance does in between is a key "~": expires what has an end, takes machine-written rules or
// leaves them out, drops one by its id; at each commit it is seen whether that fits. Checked beyond the sanitizers:
// what was taken is canonical and reads the same again, the policy of it is JSON, what is in force only changes when it
// is taken.
#include <stdlib.h>
#include <string.h>

#include "decide/canonical.h"
#include "decide/rules_table.h"
#include "live/standing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(void *arg, const char *key, const struct rules_key *k, const struct rules_value *v)
{
	char why[RULES_WHY];
	if (!v)
		return;
	struct rules_value *same = rules_value_read(k, v->text, v->len, why);
	if (!same || same->len != v->len || memcmp(same->text, v->text, v->len) != 0)
		abort();
	rules_value_free(same);
}

static void look(struct rules_table *t)
{
	struct rules_sum force, after;
	struct rules_change c;
	size_t len;
	rules_table_each(t, again, NULL);
	rules_table_sum(t, true, &force);
	char *text = rules_table_policy(t, false, true, &len);
	json_t *o = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, NULL);
	if (!o)
		abort();
	json_decref(o);
	free(text);
	rules_table_change(t, &c);
	free(c.items);
	rules_table_sum(t, true, &after);
	if (strcmp(force.hash, after.hash) != 0)
		abort();
}

static void between(struct rules_table *t, const char *line, size_t len)
{
	char id[RULES_ID_MAX + 1];
	snprintf(id, sizeof(id), "%.*s", len ? (int)len - 1 : 0, line + 1);
	if (len && *line == 'e')
		rules_table_expire(t, len > 1 ? UINT64_MAX : 1700000000000000000);
	else if (len && *line == 'd')
		rules_table_drop(t, id);
	else if (len)
		rules_table_take_autos(t, *line == 'g');
}

static void version(struct rules_table *t, const struct rules_commit *c)
{
	char why[RULES_WHY];
	struct rules_sum sum;
	rules_table_fits(t, false, c, &sum, why);
	rules_table_take(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rules_table *t = rules_table_new();
	const char *at = (const char *)data, *end = at + size, *key = NULL;
	char why[RULES_WHY];
	size_t key_len = 0;
	while (at < end) {
		const char *line = at, *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - line);
		enum rules_kind kind;
		struct rules_commit c;
		at = stop ? stop + 1 : end;
		if (!key) {
			key = line;
			key_len = len;
			continue;
		}
		if (key_len == 6 && !memcmp(key, "commit", 6) && rules_commit_read(line, len, &c, why))
			version(t, &c);
		else if (key_len == 1 && *key == '~')
			between(t, line, len);
		else
			rules_table_put(t, key, key_len, len == 1 && *line == '-' ? NULL : line, len, &kind, why);
		key = NULL;
	}
	look(t);
	rules_table_take(t);
	rules_table_take_autos(t, true);
	look(t);
	rules_table_free(t);
	return 0;
}
