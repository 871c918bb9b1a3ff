// SPDX-License-Identifier: BSD-3-Clause
//
// See sink_counts.h. On each sink's own thread.
#include "sink_counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define PAUSE_MIN_NS 100000000ull
#define PAUSE_MAX_NS 10000000000ull

static void turn(struct sink_counts *c, bool up)
{
	c->up = up;
	c->since_ns = clock_ns(CLOCK_REALTIME);
}

void sink_counts_begin(struct sink_counts *c, const char *name)
{
	*c = (struct sink_counts){0};
	snprintf(c->name, sizeof(c->name), "%s", name);
	turn(c, true);
}

void sink_counts_troubled(struct sink_counts *c, const char *why)
{
	c->errors++;
	snprintf(c->error, sizeof(c->error), "%s", why);
}

bool sink_counts_fails(struct sink_counts *c, const char *why)
{
	bool news = c->up || strcmp(why, c->error) != 0;
	sink_counts_troubled(c, why);
	if (c->up)
		turn(c, false);
	return news;
}

bool sink_counts_works(struct sink_counts *c)
{
	bool news = !c->up;
	if (news)
		turn(c, true);
	return news;
}

uint64_t sink_counts_pause(uint64_t *pause_ns)
{
	uint64_t twice = 2 * *pause_ns;
	*pause_ns = !twice ? PAUSE_MIN_NS : twice > PAUSE_MAX_NS ? PAUSE_MAX_NS : twice;
	return *pause_ns / 2 + (uint64_t)random() % (*pause_ns / 2);
}
