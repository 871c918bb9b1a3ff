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

// Here and in /metrics.
const struct show_port_counter show_port_counters[] = {
#define COUNTER(member, metric, unit, help)                                                                            \
	{                                                                                                              \
#member, metric, unit, help, offsetof(struct port_counters, member)                                    \
	}
	COUNTER(rx, "port_rx_frames", NULL, "Frames that the port brought."),
	COUNTER(rx_bytes, "port_rx_bytes", "bytes", "Bytes that the port brought."),
	COUNTER(tx, "port_tx_frames", NULL, "Frames that the port took."),
	COUNTER(tx_bytes, "port_tx_bytes", "bytes", "Bytes that the port took."),
	COUNTER(missed, "port_missed_frames", NULL, "Frames that came faster than they were fetched."),
	COUNTER(no_mbuf, "port_no_mbuf_frames", NULL, "Frames for which there was no buffer."),
	COUNTER(too_long, "port_too_long_frames", NULL, "Frames longer than the port's MTU (GRO, TSO)."),
	COUNTER(rx_errors, "port_rx_errors", NULL, "Frames damaged on the wire."),
	COUNTER(tx_errors, "port_tx_errors", NULL, "Frames that the port took and did not send."),
	COUNTER(kernel_rx_dropped, "port_kernel_rx_dropped", NULL, "Frames that the kernel dropped beneath."),
	COUNTER(kernel_tx_dropped, "port_kernel_tx_dropped", NULL, "The same, on the way out."),
	COUNTER(cloud, "port_cloud_exceeded", NULL, "Frames beyond an allowance of the instance (ENA)."),
#undef COUNTER
};
const unsigned show_nport_counters = sizeof(show_port_counters) / sizeof(show_port_counters[0]);

uint64_t show_port_counter(const struct port_counters *c, unsigned i)
{
	uint64_t n;
	memcpy(&n, (const char *)c + show_port_counters[i].at, sizeof(n));
	return n;
}

static json_t *stats(struct port *p)
{
	struct port_counters c;
	port_counters(p, &c);
	json_t *o = json_object();
	for (unsigned i = 0; i < show_nport_counters; i++)
		json_object_set_new(o, show_port_counters[i].name, json_integer((json_int_t)show_port_counter(&c, i)));
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
