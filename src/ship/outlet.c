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

#include "ship/file.h"

int outlet_open(struct outlet *o, int fd, struct file *file)
{
	*o = (struct outlet){.fd = fd, .file = file};
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

struct jsonl outlet_line(struct outlet *o)
{
	if (o->at - o->base >= OUTLET_WRITE)
		outlet_flush(o);
	return (struct jsonl){.at = o->at, .end = o->end};
}

void outlet_put(struct outlet *o, const struct jsonl *j)
{
	if (j->full) {
		o->lost++;
		if (!o->error && !o->file)
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

static void to_file(struct outlet *o, bool last)
{
	size_t gathered = (size_t)(o->at - o->base), n = file_write(o->file, o->base, gathered, last);
	o->bytes += n;
	memmove(o->base, o->base + n, gathered - n);
	o->at -= n;
}

void outlet_flush(struct outlet *o)
{
	if (o->file) {
		to_file(o, false);
		return;
	}
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

bool outlet_takes(struct outlet *o)
{
	if (o->at - o->base >= OUTLET_WRITE)
		outlet_flush(o);
	return o->at - o->base < OUTLET_WRITE;
}

void outlet_end(struct outlet *o)
{
	outlet_flush(o);
	if (!o->file)
		return;
	to_file(o, true);
	for (const char *p = o->base; p < o->at; p++)
		o->lost += *p == '\n';
	o->at = o->base;
}
