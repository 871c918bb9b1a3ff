// SPDX-License-Identifier: BSD-3-Clause
//
// The corridor: the rooms in the order in which a packet walks them. In comes a burst from whatever port, out goes
// every packet of it by tx, by a named reason, or into defrag's hold, from where it leaves later. Runs on a
// worker's thread; nothing here or below allocates, locks, logs or calls the kernel.
//
// Datagrams that defrag puts together are walked through decap and parse once more, since what they carry may be
// a tunnel, which may carry fragments again: hence the bounded loop. It was tried to let decap call defrag where
// it meets a fragment; then every packet pays for the rare one.
#include "path.h"

#include <errno.h>
#include <string.h>

#include "act.h"
#include "flood.h"
#include "flow.h"
#include "hold.h"
#include "judge.h"
#include "record_out.h"
#include "rooms.h"
#include "steer.h"

int path_init(struct worker *w, const struct path_config *config)
{
	static int (*const inits[])(struct worker *) = {record_out_init, defrag_init, flow_init,
							flood_init,      stream_init, inspect_init,
							hold_init,       judge_init,  act_init};
	w->config = config;
	w->steer = steer_key(config->seed);
	for (unsigned i = 0; i < sizeof(inits) / sizeof(inits[0]); i++) {
		int rc = inits[i](w);
		if (rc < 0) {
			path_fini(w);
			return rc;
		}
	}
	return 0;
}

void path_fini(struct worker *w)
{
	act_fini(w);
	judge_fini(w);
	hold_fini(w);
	inspect_fini(w);
	stream_fini(w);
	flood_fini(w);
	flow_fini(w);
	defrag_fini(w);
	record_out_fini(w);
}

// Datagrams that were put together are read again from where their fragments' header stood.
static void defrag_room(struct worker *w, struct burst *b)
{
	for (unsigned depth = 0; depth < LAYERS_MAX && defrag_burst(w, b) > 0; depth++) {
		decap_burst(w, b);
		parse_burst(w, b);
	}
}

const struct path_room path_rooms[PATH_ROOMS] = {
	{"decap", decap_burst},       {"parse", parse_burst},   {"defrag", defrag_room},
	{"outer", flow_outer_burst},  {"steer", steer_burst},   {"flow", flow_burst},
	{"admit", judge_admit_burst}, {"stream", stream_burst}, {"inspect", inspect_burst},
	{"policy", act_burst},        {"tx", tx_burst},
};

static void walk(struct worker *w, struct burst *b, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		path_rooms[i].burst(w, b);
}

void path_front(struct worker *w, struct burst *b)
{
	walk(w, b, 0, PATH_BACK);
}

void path_look(struct worker *w, struct burst *b)
{
	decap_burst(w, b);
	parse_burst(w, b);
	defrag_room(w, b);
}

void path_back(struct worker *w, struct burst *b)
{
	do // a packet that ends a flow of its own burst waits for the rooms to be done with those before it
		walk(w, b, PATH_BACK, PATH_ROOMS);
	while (flow_rest(w, b));
}

void path_burst(struct worker *w, struct burst *b)
{
	path_front(w, b);
	path_back(w, b);
}

bool path_age(struct worker *w, uint64_t time_ns, uint64_t frame)
{
	bool more = defrag_age(w, time_ns) | hold_age(w, time_ns);
	more |= flow_age(w, time_ns, frame);
	return flood_age(w, time_ns) || more;
}

void path_drain(struct worker *w)
{
	defrag_drain(w);
	flow_drain(w);
	flood_drain(w);
	act_drain(w);
	drop_forget(w);
}
