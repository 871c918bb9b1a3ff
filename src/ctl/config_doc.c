// SPDX-License-Identifier: BSD-3-Clause
//
// The table of keys as documents: Markdown for people, a JSON schema for editors. Off the path.
#include "config_doc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ctl/config_key.h"

// ---- tables -----------------------------------------------------------------------------------------------------

static void say_value(const struct config_key *k, FILE *out)
{
	static const char *const kinds[CONFIG_KINDS] = {[CONFIG_BOOL] = "true or false",
							[CONFIG_TEXT] = "text",
							[CONFIG_BESIDE] = "file",
							[CONFIG_HOST] = "address",
							[CONFIG_ENDPOINT] = "address:port",
							[CONFIG_NET_] = "address/bits",
							[CONFIG_PORT] = "port"};
	fputs(k->many ? "list: " : "", out);
	if (k->kind == CONFIG_NUMBER)
		fprintf(out, "%" PRIu64 " to %" PRIu64, k->low, k->high);
	for (unsigned i = 0; k->kind == CONFIG_WORD && i < k->nwords; i++)
		fprintf(out, "%s`%s`", i ? ", " : "", k->words[i]);
	if (kinds[k->kind])
		fputs(k->kind == CONFIG_NET_ && k->low ? "address" : kinds[k->kind], out);
}

static void say_default(const struct config_key *k, FILE *out)
{
	if (!k->value)
		fputs("must be given", out);
	else if (*k->value)
		fprintf(out, "`%s`", k->value);
}

static void say_row(const struct config_group *g, const struct config_key *k, FILE *out)
{
	fprintf(out, "| `%s` | ", k->name);
	say_value(k, out);
	fputs(" | ", out);
	say_default(k, out);
	fprintf(out, " | %s", k->help);
	for (unsigned w = 0, n = 0; k->only && w < g->keys[0].nwords; w++) {
		if (k->only >> w & 1)
			fprintf(out, "%s`%s`", n++ ? ", " : " (only ", g->keys[0].words[w]);
	}
	fputs(k->only ? ") |\n" : " |\n", out);
}

void config_doc_keys(FILE *out)
{
	config_keys_init();
	for (unsigned j = 0; j < config_group_count; j++) {
		const struct config_group *g = &config_groups[j];
		const char *form = g->shape == CONFIG_NAMED ? ".NAME" : g->shape == CONFIG_LISTED ? ".N" : "";
		if (*g->name)
			fprintf(out, "### `%s%s`\n\n%s", g->name, form, g->help);
		else
			fprintf(out, "### At the top\n\n%s", g->help);
		if (g->shape == CONFIG_FREE) {
			g->judge->doc(out);
			continue;
		}
		if (g->shape != CONFIG_ONE)
			fprintf(out, " Up to %u.", g->room);
		fputs("\n\n| key | value | default | what it says |\n|---|---|---|---|\n", out);
		for (unsigned k = 0; k < g->nkeys; k++)
			say_row(g, &g->keys[k], out);
		putc('\n', out);
	}
}

// ---- schema -----------------------------------------------------------------------------------------------------

static json_t *schema_words(const char *const *words, unsigned n)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(words[i]));
	return json_pack("{s:o}", "enum", list);
}

static json_t *schema_value(const struct config_key *k)
{
	json_t *o;
	if (k->kind == CONFIG_WORD)
		o = schema_words(k->words, k->nwords);
	else if (k->kind == CONFIG_NUMBER)
		o = json_pack("{s:s,s:I,s:I}", "type", "integer", "minimum", (json_int_t)k->low, "maximum",
			      (json_int_t)k->high);
	else if (k->kind == CONFIG_BOOL)
		o = json_pack("{s:s}", "type", "boolean");
	else
		o = json_pack("{s:s,s:i}", "type", "string", "minLength", k->many || !k->value);
	if (k->many)
		o = json_pack("{s:s,s:o,s:i,s:i}", "type", "array", "items", o, "maxItems", k->many, "minItems",
			      !k->value);
	json_object_set_new(o, "description", json_string(k->help));
	return o;
}

static json_t *schema_object(void)
{
	json_t *comment = json_pack("{s:{s:{s:[ss],s:{s:s}}}}", "patternProperties", "^_", "type", "string", "array",
				    "items", "type", "string");
	json_object_set_new(comment, "type", json_string("object"));
	json_object_set_new(comment, "additionalProperties", json_false());
	json_object_set_new(comment, "properties", json_object());
	return comment;
}

static json_t *schema_keys(const struct config_group *g, json_t *o)
{
	json_t *required = json_array();
	for (unsigned k = 0; k < g->nkeys; k++) {
		json_object_set_new(json_object_get(o, "properties"), g->keys[k].name, schema_value(&g->keys[k]));
		if (!g->keys[k].value)
			json_array_append_new(required, json_string(g->keys[k].name));
	}
	if (json_array_size(required))
		json_object_set(o, "required", required);
	json_decref(required);
	return o;
}

static json_t *schema_group(const struct config_group *g)
{
	json_t *one = schema_keys(g, schema_object());
	if (g->shape == CONFIG_FREE) {
		json_object_set_new(one, "additionalProperties",
				    json_pack("{s:[ssss]}", "type", "string", "number", "boolean", "object"));
	} else if (g->shape == CONFIG_LISTED) {
		one = json_pack("{s:s,s:o,s:i}", "type", "array", "items", one, "maxItems", g->room);
	} else if (g->shape == CONFIG_NAMED) {
		json_t *all = schema_object();
		json_object_set_new(json_object_get(all, "patternProperties"), "^[A-Za-z0-9-][A-Za-z0-9_-]{0,30}$",
				    one);
		one = all;
	}
	json_object_set_new(one, "description", json_string(g->help));
	return one;
}

void config_doc_schema(FILE *out)
{
	config_keys_init();
	json_t *top = json_pack("{s:s,s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
				"Sluice configuration");
	json_t *keys = schema_keys(config_groups, schema_object());
	json_object_update(top, keys);
	json_decref(keys);
	for (unsigned j = 1; j < config_group_count; j++)
		json_object_set_new(json_object_get(top, "properties"), config_groups[j].name,
				    schema_group(&config_groups[j]));
	json_dumpf(top, out, JSON_INDENT(1));
	putc('\n', out);
	json_decref(top);
}
