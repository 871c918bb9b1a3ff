// SPDX-License-Identifier: BSD-3-Clause
//
// Progress: percent of the captures' bytes and frames a second, on standard error where that is a terminal, after
// half a second, five times a second. Cleared before anything else is said there.
#include "replay_progress.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS 500000000ull
#define EACH_NS 200000000ull

void progress_start(struct progress *p, char **paths, unsigned npaths)
{
	*p = (struct progress){.terminal = isatty(STDERR_FILENO) == 1, .started_ns = clock_ns(CLOCK_MONOTONIC)};
	p->shown_ns = p->started_ns + FIRST_NS - EACH_NS;
	for (unsigned i = 0; p->terminal && i < npaths; i++) {
		struct stat st;
		if (strcmp(paths[i], "-") && stat(paths[i], &st) == 0 && S_ISREG(st.st_mode))
			p->total += st.st_size;
	}
}

bool progress_due(struct progress *p)
{
	return p->terminal && clock_ns(CLOCK_MONOTONIC) >= p->shown_ns + EACH_NS;
}

void progress_show(struct progress *p, uint64_t taken, uint64_t frames)
{
	if (!progress_due(p))
		return;
	p->shown_ns = clock_ns(CLOCK_MONOTONIC);
	p->shown = true;
	double seconds = progress_seconds(p);
	fputs("\r\033[K", stderr);
	if (p->total)
		fprintf(stderr, "%3.0f %%  ", 100.0 * (p->done + taken) / p->total);
	fprintf(stderr, "%lu frames, %.0f frames/s", frames, frames / seconds);
	fflush(stderr);
}

void progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->shown = false;
}

double progress_seconds(const struct progress *p)
{
	return (clock_ns(CLOCK_MONOTONIC) - p->started_ns) / 1e9;
}
