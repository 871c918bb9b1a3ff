// SPDX-License-Identifier: BSD-3-Clause
//
// The configuration in force, value by value, with where each came from. Out of the struct and the table of keys alone,
// so that what is shown is what is used. Off the path; takes and gives back memory.
#include <stdlib.h>

#include "ctl/config_key.h"

void config_key_name(const struct config *c, const struct config_group *g, unsigned i, unsigned k, char dot, char *out,
		     size_t size)
{
	const char *key = k < g->nkeys ? g->keys[k].name : "";
	size_t at = (size_t)snprintf(out, size, "%s", g->name);
	if (g->shape == CONFIG_NAMED)
		at += (size_t)snprintf(out + at, size - at, "%c%s", dot, config_element(c, g, i));
	else if (g->shape == CONFIG_LISTED)
		at += (size_t)snprintf(out + at, size - at, "%c%u", dot, i);
	if (*key)
		snprintf(out + at, size - at, "%.*s%s", at > 0, &dot, key);
}

void config_origin_say(const struct config *c, uint32_t at, char *out, size_t size)
{
	if (at == 0)
		snprintf(out, size, "default");
	else if (at & CONFIG_BY_SET)
		snprintf(out, size, "--set");
	else
		snprintf(out, size, "%s:%u", c->file, at >> 12);
}

static void say(const struct config *c, const struct config_group *g, unsigned i, unsigned k, config_cb *cb, void *arg)
{
	char name[128], from[CONFIG_FILE + 16], *json;
	size_t len;
	FILE *f = open_memstream(&json, &len);
	if (!f)
		abort();
	config_value_print(c, &g->keys[k], config_element(c, g, i), f);
	fclose(f);
	config_key_name(c, g, i, k, '.', name, sizeof(name));
	config_origin_say(c, *config_origin((struct config *)(uintptr_t)c, g, i, k), from, sizeof(from));
	cb(arg, name, json, from);
	free(json);
}

void config_each(const struct config *config, config_cb *cb, void *arg)
{
	for (unsigned j = 0; j < config_group_count; j++) {
		const struct config_group *g = &config_groups[j];
		if (g->shape == CONFIG_FREE)
			config_free_each(config, g, cb, arg);
		for (unsigned i = 0; i < config_count(config, g); i++) {
			for (unsigned k = 0; k < g->nkeys; k++)
				say(config, g, i, k, cb, arg);
		}
	}
}

void config_stalled(const struct config *config, FILE *out)
{
	const char *does = config->stalled_closed ? "drops" : "forwards from port to port";
	for (unsigned i = 0; i < config->npaths; i++) {
		const struct config_path *p = &config->paths[i];
		bool xdp = true;
		for (unsigned j = 0; j < p->nports; j++)
			xdp &= config->ports[p->ports[j]].port.type == PORT_AF_XDP;
		fprintf(out, "paths/%u (%s): a worker that stalls: ", i, config_modes[p->mode]);
		if (xdp)
			fprintf(out, "XDP %s within a second\n", does);
		else
			fputs("the health probe fails and the process starts itself again\n", out);
	}
}
