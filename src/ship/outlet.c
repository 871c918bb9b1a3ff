// SPDX-License-Identifier: BSD-3-Clause
//
// Lines come in from a face, 256 KiB at a time leaves by write(2). Shipper's thread only; it may block here when the
// reader of a pipe is slow, and the workers then wait for room in their rings: nothing is lost in a replay.
//
// After an error nothing more is written and everything is still taken, so that nobody upstream blocks.
// Rejected: stdio (its lock and its copy for each piece, and no way to say where an error was).
#include "ship/outlet.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int outlet_open(struct outlet *o, int fd)
{
	*o = (struct outlet){.fd = fd};
	o->base = malloc(OUTLET_WRITE + OUTLET_LINE_MAX);
	if (!o->base)
		return -ENOMEM;
	o->at = o->base;
	o->end = o->base + OUTLET_WRITE + OUTLET_LINE_MAX;
	return 0;
}

void outlet_close(struct outlet *o)
{
	free(o->base);
	o->base = NULL;
}

// In memory all lines of a record stay until they are taken.
static void more_room(struct outlet *o)
{
	size_t n = (size_t)(o->at - o->base), room = 2 * (size_t)(o->end - o->base);
	char *more = realloc(o->base, room);
	if (!more)
		return; // what does not fit is counted
	o->base = more;
	o->at = more + n;
	o->end = more + room;
}

struct jsonl outlet_line(struct outlet *o)
{
	if (o->fd >= 0 && o->at - o->base >= OUTLET_WRITE)
		outlet_flush(o);
	if (o->end - o->at < OUTLET_LINE_MAX)
		more_room(o);
	return (struct jsonl){.at = o->at, .end = o->end};
}

void outlet_put(struct outlet *o, const struct jsonl *j)
{
	if (j->full) {
		o->lost++;
		if (!o->error)
			o->error = EMSGSIZE;
		return;
	}
	o->at = j->at;
	o->lines++;
}

static void failed(struct outlet *o, int error)
{
	o->over = true;
	if (error == EPIPE)
		o->closed = true;
	else if (!o->error)
		o->error = error;
}

void outlet_flush(struct outlet *o)
{
	for (const char *p = o->base; p < o->at && !o->over;) {
		ssize_t n = write(o->fd, p, (size_t)(o->at - p));
		if (n >= 0) {
			p += n;
			o->bytes += (uint64_t)n;
		} else if (errno == EAGAIN) { // a pipe that somebody else made non-blocking
			poll(&(struct pollfd){.fd = o->fd, .events = POLLOUT}, 1, 1000);
		} else if (errno != EINTR) {
			failed(o, errno);
		}
	}
	o->at = o->base;
}

const char *outlet_take(struct outlet *o, size_t *len)
{
	*len = (size_t)(o->at - o->base);
	o->at = o->base;
	return o->base;
}
