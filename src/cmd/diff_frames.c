// SPDX-License-Identifier: BSD-3-Clause
//
// What leaves is what users feel: a rate that changes denies no flow, and an open flow that passes is as good as one
// that was allowed. So the ends of all frames are compared: does it leave, and if not, why. Both sides walk the same
// frames; the one that is AHEAD frames ahead waits, so what is kept is bounded.
#include "diff_frames.h"

#include <stdlib.h>

#include "verdict.h"

#define KEPT (1u << 17) // frames of which one end was seen
#define AHEAD (KEPT / 2)

struct diff_frames {
	diff_frame *changed;
	void *arg;
	unsigned capture;
	uint64_t last[2]; // order of the last end of each side in this capture
	bool over[2];     // this capture
	bool gone[2];     // all of them
	uint64_t compared, alone;
	uint8_t side[KEPT]; // + 1; 0: free
	struct exits_end kept[KEPT];
};

struct diff_frames *diff_frames_new(diff_frame *changed, void *arg)
{
	struct diff_frames *f = calloc(1, sizeof(*f));
	if (f) {
		f->changed = changed;
		f->arg = arg;
	}
	return f;
}

void diff_frames_free(struct diff_frames *f)
{
	free(f);
}

static void compare(struct diff_frames *f, const struct exits_end *was, const struct exits_end *is)
{
	f->compared++;
	if ((was->door == DOOR_DROP) != (is->door == DOOR_DROP))
		f->changed(f->arg, f->capture, was, is);
}

static void capture_over(struct diff_frames *f)
{
	for (unsigned i = 0; i < KEPT; i++) {
		f->alone += f->side[i] != 0;
		f->side[i] = 0;
	}
	f->capture++;
	f->last[0] = f->last[1] = 0;
	f->over[0] = f->over[1] = false;
}

bool diff_frames_end(struct diff_frames *f, unsigned side, const struct exits_end *e)
{
	unsigned at = e->order % KEPT;
	bool alone = f->over[!side] || f->gone[!side];
	if (f->over[side] || (!alone && e->order > f->last[!side] + AHEAD))
		return false;
	if (e->order == 0) {
		f->over[side] = true;
		if (alone)
			capture_over(f);
		return true;
	}
	f->last[side] = e->order > f->last[side] ? e->order : f->last[side];
	if (f->side[at] == !side + 1u && f->kept[at].order == e->order) {
		compare(f, side ? &f->kept[at] : e, side ? e : &f->kept[at]);
		f->side[at] = 0;
		return true;
	}
	f->alone += f->side[at] != 0; // it came too late
	f->side[at] = (uint8_t)(side + 1);
	f->kept[at] = *e;
	return true;
}

void diff_frames_gone(struct diff_frames *f, unsigned side)
{
	if (!f->gone[side] && f->over[!side])
		capture_over(f);
	f->gone[side] = true;
}

uint64_t diff_frames_compared(const struct diff_frames *f)
{
	return f->compared;
}

uint64_t diff_frames_alone(const struct diff_frames *f)
{
	return f->alone;
}
