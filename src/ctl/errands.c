// SPDX-License-Identifier: BSD-3-Clause
//
// From the control thread to the workers and back: an errand is set where each worker sees it, and a timer looks each
// millisecond whether all have taken it back. What a stalled worker still holds stays until it lets go; who asked is
// told in the meantime.
#include "ctl/errands.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "ctl/control.h"
#include "base/clock.h"
#include "ctl/loop.h"

#define LOOK_MS 1
#define PATIENCE_NS 5000000000ull

struct errand_post {
	struct errand_ask ask;
	struct errand_post *next;
	uint64_t until_ns;
	int timer; // of the first
	bool sent, told;
};

static unsigned late(const struct appliance *a, const struct errand_post *e)
{
	unsigned n = 0;
	for (unsigned i = 0; i < a->nworkers; i++)
		n += atomic_load_explicit(&a->polls[i]->errand, memory_order_acquire) == e->ask.errand;
	return n;
}

static void tell(struct appliance *a, struct errand_post *e, unsigned n)
{
	if (!e->told)
		e->ask.done(a, e->ask.arg, n);
	e->told = true;
}

static void send_first(struct appliance *a)
{
	struct errand_post *e = a->errands;
	if (!e || e->sent)
		return;
	e->sent = true;
	for (unsigned i = 0; i < a->nworkers; i++)
		atomic_store_explicit(&a->polls[i]->errand, e->ask.errand, memory_order_release);
}

// Those behind one that is stuck do not wait longer than it.
static void tell_late(struct appliance *a)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	for (struct errand_post *e = a->errands; e; e = e->next)
		if (now >= e->until_ns)
			tell(a, e, RTE_MAX(late(a, a->errands), 1u));
}

static void look(void *arg)
{
	struct appliance *a = arg;
	struct errand_post *e = a->errands;
	int timer = e->timer;
	while (e && (e->told ? !e->sent || !late(a, e) : e->sent && !late(a, e))) {
		tell(a, e, 0);
		a->errands = e->next;
		e->ask.free_it(e->ask.arg);
		free(e);
		if ((e = a->errands) != NULL)
			e->timer = timer;
		if (e && !e->told)
			send_first(a);
	}
	if (a->errands)
		tell_late(a);
	else
		loop_timer_stop(control_loop(a->control), timer);
}

int errands_ask(struct appliance *a, const struct errand_ask *ask)
{
	struct errand_post *e = calloc(1, sizeof(*e)), **at = &a->errands;
	if (!e)
		return -ENOMEM;
	*e = (struct errand_post){.ask = *ask, .until_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS};
	if (!a->errands)
		e->timer = loop_timer(control_loop(a->control), LOOK_MS, LOOK_MS, look, a);
	if (e->timer < 0) {
		free(e);
		return -ENOMEM;
	}
	while (*at)
		at = &(*at)->next;
	*at = e;
	send_first(a);
	return 0;
}

void errands_close(struct appliance *a)
{
	while (a->errands) {
		struct errand_post *e = a->errands;
		a->errands = e->next;
		e->ask.free_it(e->ask.arg);
		free(e);
	}
}
