// SPDX-License-Identifier: BSD-3-Clause
//
// Which frames leave under one of two policies only: ends of frames of two replays, matched by number.
#pragma once

#include "replayed.h"

struct diff_frames;

// One frame that leaves on one side only: was, is: its ends. capture: index.
typedef void diff_frame(void *arg, unsigned capture, const struct exits_end *was, const struct exits_end *is);

struct diff_frames *diff_frames_new(diff_frame *changed, void *arg);
void diff_frames_free(struct diff_frames *f);
// The next end of a side (0, 1). False: it has to wait, for the other side is behind.
bool diff_frames_end(struct diff_frames *f, unsigned side, const struct exits_end *e);
// Nothing more will come of a side.
void diff_frames_gone(struct diff_frames *f, unsigned side);
// Frames of which both ends were seen; and of which only one was.
uint64_t diff_frames_compared(const struct diff_frames *f);
uint64_t diff_frames_alone(const struct diff_frames *f);
