// SPDX-License-Identifier: BSD-3-Clause
//
// The control thread has a record ring of its own, which the shipper drains as it does the workers': what it says
// stands between their records in every sink, has node, boot and seq as they have, and the number after the last
// worker's. Should the ring ever be full, that is counted and said as a worker's is (event_type gap).
#include "ctl/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/eal.h"
#include "ctl/appliance.h"
#include "ctl/decider.h"
#include "base/clock.h"
#include "path/record_out.h"
#include "ship/spool.h"

#define TEXT_MAX 1024

static struct path_config config = {.record_cells = 1024};

int state_open(struct appliance *a)
{
	a->speaker = mem_take(sizeof(*a->speaker));
	if (!a->speaker)
		return -ENOMEM;
	a->speaker->id = (uint16_t)(a->nworkers + decider_workers(a));
	a->speaker->config = &config;
	return record_out_init(a->speaker);
}

void state_close(struct appliance *a)
{
	if (!a->speaker)
		return;
	record_out_fini(a->speaker);
	mem_give(a->speaker, sizeof(*a->speaker));
	a->speaker = NULL;
}

// "name=text" or "name:digits": what eve makes a member of.
static void say(struct worker *w, const struct state_fact *f)
{
	char text[TEXT_MAX];
	int n = f->text ? snprintf(text, sizeof(text), "%s=%s", f->name, f->text)
			: snprintf(text, sizeof(text), "%s:%lu", f->name, f->number);
	uint32_t len = n < TEXT_MAX ? (uint32_t)n : TEXT_MAX - 1;
	record_fact(w, FACT_STATE, text, len, (struct origin){0});
}

void state_say(struct appliance *a, const char *event, const struct state_fact *facts, unsigned n)
{
	struct worker *w = a->speaker;
	if (!w)
		return;
	w->now_ns = clock_ns(CLOCK_REALTIME);
	record_begin(w, RECORD_STATE);
	say(w, &(struct state_fact){.name = "event", .text = event});
	for (unsigned i = 0; i < n; i++)
		say(w, &facts[i]);
	record_write(w);
}

void state_recovered(struct appliance *a)
{
	unsigned n = 0;
	const struct spool_left *left = a->records.spool ? spool_recovered(a->records.spool, &n) : NULL;
	for (unsigned i = 0; i < n; i++)
		STATE_SAY(a, "recovered", STATE_NUMBER("of_boot", left[i].boot),
			  STATE_NUMBER("of_worker", left[i].worker), STATE_NUMBER("last_seq", left[i].seq),
			  STATE_TEXT("end", left[i].clean ? "closed" : "crashed"));
	if ((n = records_aside(&a->records)))
		STATE_SAY(a, "recovered", STATE_NUMBER("segments", n), STATE_TEXT("end", "damaged"));
}
