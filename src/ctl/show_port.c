// SPDX-License-Identifier: BSD-3-Clause
//
// testpmd's words for ports: what each is, what it counted, all that its driver counts.
#include "ctl/show.h"

#include <stdio.h>
#include <string.h>

#include <rte_ether.h>

#include "ctl/appliance.h"

json_t *show_port_names(struct appliance *a)
{
	json_t *list = json_array();
	for (unsigned i = 0; a && i < a->nports; i++)
		json_array_append_new(list, json_string(a->ports[i].config.name));
	return list;
}

static json_t *info(struct port *p)
{
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	rte_ether_format_addr(mac, sizeof(mac), &p->mac);
	bool up = atomic_load_explicit(&p->up, memory_order_acquire);
	return json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:b}", "type", port_type_name(p->config.type), "device",
			 p->config.device, "link", up ? p->link ? "up" : "down" : "gone", "mac", mac, "mtu",
			 (int)p->mtu, "queues", (int)p->queues, "symmetric", p->symmetric);
}

static json_t *stats(struct port *p)
{
	struct port_counters c;
	port_counters(p, &c);
	const struct {
		const char *key;
		uint64_t value;
	} all[] = {{"rx", c.rx},
		   {"rx_bytes", c.rx_bytes},
		   {"tx", c.tx},
		   {"tx_bytes", c.tx_bytes},
		   {"missed", c.missed},
		   {"no_mbuf", c.no_mbuf},
		   {"too_long", c.too_long},
		   {"rx_errors", c.rx_errors},
		   {"tx_errors", c.tx_errors},
		   {"kernel_rx_dropped", c.kernel_rx_dropped},
		   {"kernel_tx_dropped", c.kernel_tx_dropped},
		   {"cloud", c.cloud}};
	json_t *o = json_object();
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		json_object_set_new(o, all[i].key, json_integer((json_int_t)all[i].value));
	return o;
}

static void add_xstat(void *arg, const char *name, uint64_t value)
{
	json_object_set_new(arg, name, json_integer((json_int_t)value));
}

static json_t *xstats(struct port *p)
{
	json_t *o = json_object();
	port_xstats(p, add_xstat, o);
	return o;
}

static json_t *clear_stats(struct port *p)
{
	port_counters_clear(p);
	return json_object();
}

// One object a port, with its name.
static json_t *each(struct appliance *a, struct call *c, json_t *(*say)(struct port *p))
{
	const char *name = call_value(c, "port");
	json_t *list = json_array();
	for (unsigned i = 0; i < a->nports; i++) {
		struct port *p = &a->ports[i];
		if (strcmp(name, "all") && strcmp(name, p->config.name))
			continue;
		json_t *row = json_pack("{s:s}", "port", p->config.name), *said = say(p);
		json_object_update(row, said);
		json_decref(said);
		json_array_append_new(list, row);
	}
	if (json_array_size(list))
		return json_pack("{s:o}", "ports", list);
	json_decref(list);
	return call_fail(c, CALL_USAGE, "no port \"%.40s\"; `show port info all` lists them", name);
}

json_t *show_port(struct appliance *a, struct call *c)
{
	static const struct {
		const char *word;
		json_t *(*say)(struct port *p);
	} words[] = {{"info", info}, {"stats", stats}, {"xstats", xstats}};
	unsigned i = 0;
	while (strcmp(words[i].word, c->word[2]))
		i++;
	return each(a, c, words[i].say);
}

json_t *clear_port_stats(struct appliance *a, struct call *c)
{
	return each(a, c, clear_stats);
}

// Counters of a port read better below each other, and zeroes not at all.
void view_port(struct view *v, const json_t *result)
{
	size_t i;
	const json_t *port;
	const char *key;
	json_t *value;
	char name[256], text[256];
	json_array_foreach(json_object_get(result, "ports"), i, port) {
		view_value("port", json_object_get(port, "port"), text, sizeof(text));
		view_put(v, VIEW_BOLD, text, 0);
		fputc('\n', v->out);
		json_object_foreach((json_t *)port, key, value)
			if (strcmp(key, "port") && !(json_is_integer(value) && !json_integer_value(value))) {
				fputs("  ", v->out);
				view_key(key, name, sizeof(name));
				view_put(v, VIEW_FAINT, name, 24);
				view_value(key, value, text, sizeof(text));
				view_put(v, json_is_number(value) ? VIEW_PLAIN : view_colour_of(text), text,
					 json_is_number(value) ? -16 : 0);
				fputc('\n', v->out);
			}
	}
}
