// SPDX-License-Identifier: BSD-3-Clause
//
// From the tables of fields, actions, answers and keys to words: Markdown tables, and a JSON schema (draft 2020-12).
// The schema is the grammar: what it refuses, check refuses too; check also knows names, sets and regexes.
#include "grammar.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "policy/action.h"
#include "policy/field.h"
#include "policy/rule.h"
#include "policy/set.h"

static const char *shown(enum field f)
{
	return f == FIELD_HTTP_HEADER ? "http.header.NAME" : field_names[f];
}

static void operators(enum field f, FILE *out)
{
	uint32_t ops = field_ops(f), sets = field_sets(f);
	const char *comma = "";
	for (unsigned op = TEST_IN; op <= TEST_RANGE; op++) {
		if (!(ops & 1u << op))
			continue;
		fprintf(out, "%s`%s`", comma, field_op_names[op]);
		comma = ", ";
		const char *slash = " ";
		for (unsigned s = 0; s < SET_TYPES && op == TEST_IN; s++) {
			if (sets & 1u << s) {
				fprintf(out, "%s%s", slash, set_type_names[s]);
				slash = "/";
			}
		}
	}
}

static void words(enum field f, FILE *out)
{
	const struct field_words *w = field_words(f);
	if (!w)
		return;
	fprintf(out, "| `%s` |", shown(f));
	for (uint32_t i = 0; i < w->n; i++)
		fprintf(out, " `%s`", w->words[i]);
	if (w->highest)
		fprintf(out, "; numbers to %u", w->highest);
	fprintf(out, "%s%s |\n", w->also ? "; " : "", w->also ? w->also : "");
}

void grammar_fields(FILE *out)
{
	fputs("| field | what it is | value | operators | values | holds | known from | absent where |\n"
	      "|---|---|---|---|---|---|---|---|\n",
	      out);
	for (enum field f = 0; f < FIELD_COUNT; f++) {
		const struct field_row *row = &field_table[f];
		fprintf(out, "| `%s` | %s | %s | ", shown(f), row->help, field_type_names[row->type]);
		operators(f, out);
		fprintf(out, " | %s | %s | %s | %s |\n", row->many ? "many" : "one", row->hold ? "yes" : "no",
			row->known, row->absent);
	}
	fputs("\n| field | its words |\n|---|---|\n", out);
	for (enum field f = 0; f < FIELD_COUNT; f++)
		words(f, out);
}

static void whose(uint32_t actions, FILE *out)
{
	const char *comma = "";
	if (actions == (1u << ACTION_COUNT) - 1) {
		fputs("all", out);
		return;
	}
	for (unsigned a = 0; a < ACTION_COUNT; a++) {
		if (actions & 1u << a) {
			fprintf(out, "%s%s", comma, action_names[a]);
			comma = ", ";
		}
	}
}

static const char *const rejudge_help[REJUDGE_COUNT] = {
#define X(symbol, name, help) help,
	REJUDGES(X)
#undef X
};

void grammar_actions(FILE *out)
{
	fputs("| action | what it does | ends the search | counts as deny |\n|---|---|---|---|\n", out);
	for (unsigned a = 0; a < ACTION_COUNT; a++)
		fprintf(out, "| `%s` | %s | %s | %s |\n", action_names[a], action_table[a].help,
			action_table[a].ends ? "yes" : "no", action_table[a].denies ? "yes" : "no");
	fputs("\n| key of a rule | for | value | what it says |\n|---|---|---|---|\n", out);
	for (unsigned i = 0; i < rule_key_count; i++) {
		fprintf(out, "| `%s` | ", rule_keys[i].name);
		whose(rule_keys[i].actions, out);
		fprintf(out, " | %s | %s |\n", rule_keys[i].value, rule_keys[i].help);
	}
	fputs("\n| answer | what is sent |\n|---|---|\n", out);
	for (unsigned i = 0; i < RESPONSE_COUNT; i++)
		fprintf(out, "| `%s` | %s |\n", response_names[i], response_help[i]);
	fputs("\n| `rejudge_unknown` | what becomes of a live flow of which another policy would have to know more "
	      "|\n|---|---|\n",
	      out);
	for (unsigned i = 0; i < REJUDGE_COUNT; i++)
		fprintf(out, "| `%s` | %s |\n", rejudge_names[i], rejudge_help[i]);
}

// ---- the schema -------------------------------------------------------------------------------------------------

static json_t *text(const char *json)
{
	json_error_t e;
	json_t *j = json_loads(json, 0, &e);
	if (!j) {
		fprintf(stderr, "grammar: %s in %s\n", e.text, json);
		abort();
	}
	return j;
}

static json_t *names(const char *const *words, unsigned n)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(words[i]));
	return json_pack("{s:o}", "enum", list);
}

static json_t *reference(const char *kind, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "#/$defs/%s%s", kind, name);
	return json_pack("{s:s}", "$ref", path);
}

static json_t *value_of(enum field f)
{
	const struct field_words *w = field_words(f);
	switch ((enum field_type)field_table[f].type) {
	case FIELD_TYPE_PORT:
		return text("{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 65535}");
	case FIELD_TYPE_NUM:
		return text("{\"type\": \"integer\", \"minimum\": 0}");
	case FIELD_TYPE_BOOL:
		return text("{\"type\": \"boolean\"}");
	case FIELD_TYPE_WORD:
		if (w->highest)
			return json_pack("{s:[{s:s},{s:s,s:i,s:i}]}", "anyOf", "type", "string", "type", "integer",
					 "minimum", 0, "maximum", (int)w->highest);
		return f == FIELD_TLS_VERSION || f == FIELD_QUIC_VERSION ? text("{\"type\": [\"string\", \"number\"]}")
									 : text("{\"type\": \"string\"}");
	case FIELD_TYPE_TIME:
		return reference("", "schedule");
	default:
		return text("{\"type\": \"string\"}");
	}
}

// {"type": "object", "required": [op], "properties": {op: value, "nocase"?}, "additionalProperties": false}
static json_t *operator_of(unsigned op, json_t *self)
{
	bool texts = op >= TEST_PREFIX && op <= TEST_REGEX;
	json_t *value = op == TEST_PRESENT ? text("{\"type\": \"boolean\"}")
			: op == TEST_RANGE
				? text("{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"items\": "
				       "{\"type\": \"integer\", \"minimum\": 0}, \"minItems\": 2, \"maxItems\": 2}]}")
			: op == TEST_NOT ? json_incref(self)
			: op == TEST_ALL ? json_pack("{s:s,s:O,s:i}", "type", "array", "items", self, "minItems", 1)
					 : text("{\"type\": \"string\", \"minLength\": 1}");
	json_t *properties = json_pack("{s:o}", field_op_names[op], value);
	if (texts)
		json_object_set_new(properties, "nocase", text("{\"type\": \"boolean\"}"));
	return json_pack("{s:s,s:[s],s:o,s:b}", "type", "object", "required", field_op_names[op], "properties",
			 properties, "additionalProperties", 0);
}

static json_t *test_of(enum field f)
{
	json_t *any = json_array(), *self = reference("", shown(f));
	if (field_ops(f) & 1u << TEST_IS)
		json_array_append_new(any, value_of(f));
	json_array_append_new(any, json_pack("{s:s,s:O,s:i}", "type", "array", "items", self, "minItems", 1));
	for (unsigned op = 0; op <= TEST_PRESENT; op++) {
		if (field_ops(f) & 1u << op && *field_op_names[op])
			json_array_append_new(any, operator_of(op, self));
	}
	json_decref(self);
	return json_pack("{s:s,s:o}", "description", field_table[f].help, "anyOf", any);
}

static json_t *when(void)
{
	json_t *properties = json_object();
	for (enum field f = 0; f < FIELD_COUNT; f++) {
		if (f != FIELD_HTTP_HEADER)
			json_object_set_new(properties, field_names[f], reference("", field_names[f]));
	}
	json_object_set_new(properties, "any",
			    text("{\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/$defs/when\"}}"));
	return json_pack("{s:s,s:o,s:{s:o},s:b}", "type", "object", "properties", properties, "patternProperties",
			 "^http\\.header\\.[!#$%&'*+.^_`|~0-9A-Za-z-]+$", reference("", "http.header.NAME"),
			 "additionalProperties", 0);
}

static json_t *rule_of(void)
{
	json_t *properties = json_object(), *cases = json_array();
	for (unsigned i = 0; i < rule_key_count; i++)
		json_object_set_new(properties, rule_keys[i].name,
				    rule_keys[i].schema ? text(rule_keys[i].schema)
							: names(action_names, ACTION_COUNT));
	for (unsigned a = 0; a < ACTION_COUNT; a++) { // keys that this action does not have
		json_t *without = json_object();
		for (unsigned i = 0; i < rule_key_count; i++) {
			if (!(rule_keys[i].actions & 1u << a))
				json_object_set_new(without, rule_keys[i].name, json_false());
		}
		json_array_append_new(cases, json_pack("{s:{s:{s:{s:s}}},s:{s:o}}", "if", "properties", "action",
						       "const", action_names[a], "then", "properties", without));
	}
	return json_pack("{s:s,s:[s,s],s:o,s:b,s:o}", "type", "object", "required", "id", "action", "properties",
			 properties, "additionalProperties", 0, "allOf", cases);
}

static json_t *undecided(void)
{
	return text("{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
		    "\"handshake\": {\"enum\": [\"possible\", \"pass\", \"drop\"]},"
		    "\"server_first\": {\"enum\": [\"possible\", \"pass\", \"hold\"]},"
		    "\"prelude\": {\"enum\": [\"possible\", \"pass\", \"drop\"]}}}");
}

static json_t *definitions(void)
{
	json_t *defs = json_object();
	json_object_set_new(defs, "rule", rule_of());
	json_object_set_new(defs, "when", when());
	json_object_set_new(
		defs, "respond",
		json_pack("{s:[o,o]}", "anyOf", names(response_names, RESPONSE_COUNT),
			  text("{\"type\": \"object\", \"required\": [\"sinkhole\"], \"properties\": {\"sinkhole\": "
			       "{\"type\": \"string\"}}, \"additionalProperties\": false}")));
	json_object_set_new(
		defs, "schedule",
		text("{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
		     "\"days\": {\"type\": [\"string\", \"array\"]}, \"from\": {\"$ref\": \"#/$defs/minute\"},"
		     "\"to\": {\"$ref\": \"#/$defs/minute\"}, \"zone\": {\"type\": \"string\"}}}"));
	json_object_set_new(defs, "minute", text("{\"type\": \"string\", \"pattern\": \"^[0-2][0-9]:[0-5][0-9]$\"}"));
	json_object_set_new(defs, "set",
			    json_pack("{s:s,s:[s],s:[{s:[s]},{s:[s]}],s:{s:o,s:o,s:o},s:b}", "type", "object",
				      "required", "type", "oneOf", "required", "items", "required", "file",
				      "properties", "type", names(set_type_names, SET_TYPES), "items",
				      text("{\"type\": \"array\", \"items\": {\"type\": [\"string\", \"integer\"]}}"),
				      "file", text("{\"type\": \"string\", \"minLength\": 1}"), "additionalProperties",
				      0));
	for (enum field f = 0; f < FIELD_COUNT; f++)
		json_object_set_new(defs, shown(f), test_of(f));
	return defs;
}

void grammar_schema(FILE *out)
{
	json_t *fallback = json_pack("{s:s,s:[s],s:{s:o,s:o},s:b}", "type", "object", "required", "action",
				     "properties", "action", names(action_names, ACTION_DENY + 1), "respond",
				     names(response_names, RESPONSE_COUNT), "additionalProperties", 0);
	json_t *parts =
		json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "version", text("{\"const\": 1}"), "default", fallback,
			  "undecided", undecided(), "rejudge_unknown", names(rejudge_names, REJUDGE_COUNT), "sets",
			  text("{\"type\": \"object\", \"additionalProperties\": {\"$ref\": \"#/$defs/set\"}}"),
			  "rules", text("{\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/rule\"}}"));
	json_t *all =
		json_pack("{s:s,s:s,s:s,s:s,s:o,s:b,s:o}", "$schema", "https://json-schema.org/draft/2020-12/schema",
			  "title", "A policy of Sluice", "description",
			  "Printed by `sluice check --schema` from the tables that the parser reads by.", "type",
			  "object", "properties", parts, "additionalProperties", 0, "$defs", definitions());
	json_dumpf(all, out, JSON_INDENT(1));
	putc('\n', out);
	json_decref(all);
}
