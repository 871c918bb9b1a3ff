// SPDX-License-Identifier: BSD-3-Clause
//
// Frames and their comments come in, in their order; out go blocks of a pcapng, by the thread that polls mirrors.c.
//
// A file of --mirror is written over, and an error ends it: the replay goes on without it. A sink of type `pcapng` is a
// file like those of `file` sinks (base/file.c): rotated by size and time, reopened at SIGHUP, whole blocks whatever
// happens to the disk. What it does not take is tried again after a pause that grows; meanwhile blocks gather here, as
// many as there is room for, and what comes then is lost and counted. With `wait` (replay) a reader that is slow is
// waited for, a disk that is full is not.
//
// What a copy promises is less than what a record does: it goes at most once, and it can be lost, but never without
// being counted: here as the sink's `lost`, before it as `mirror_lost`. Nor is it synced: a power cut takes what the
// kernel had not written. So copies do not go by the spool. Rejected, because one flood of frames would take the
// spool's bound from the records, whose loss is worse; because each frame would be written twice, to the disk that it
// ends on anyway; and because nothing far away, for which it would have to wait, ever takes them.
#include "live/mirror_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define GATHER (256u * 1024)
#define NAP_NS 1000000

void mirror_file_of(struct mirror_file *f, const struct mirror_to *to, bool wait)
{
	*f = (struct mirror_file){.to = to, .wait = wait, .file.fd = -1};
	pthread_mutex_init(&f->lock, NULL);
	sink_counts_begin(&f->counts, to->as ? to->as->name : "");
	for (unsigned i = 0; to->as && i < to->as->ntenants; i++)
		f->tenants[i] = strtoull(to->as->tenants[i], NULL, 10);
}

bool mirror_file_takes(const struct mirror_file *f, uint64_t tenant)
{
	unsigned n = f->to->as ? f->to->as->ntenants : 0, i = 0;
	while (i < n && f->tenants[i] != tenant)
		i++;
	return n == 0 || i < n;
}

// ---- a sink's ----------------------------------------------------------------------------------------------------

static size_t whole(const uint8_t *blocks, size_t n)
{
	size_t at = 0;
	while (at + 8 <= n && at + capture_out_block(blocks + at, NULL) <= n)
		at += capture_out_block(blocks + at, NULL);
	return at;
}

// Done bytes have gone, the first `rest` of which ended a block: how many are left of the one that they end in.
static size_t rest_of(const uint8_t *blocks, size_t rest, size_t done)
{
	if (done <= rest)
		return rest - done;
	size_t at = rest + whole(blocks + rest, done - rest);
	return at == done ? 0 : at + capture_out_block(blocks + at, NULL) - done;
}

static const uint8_t *head(const void *arg, size_t *n)
{
	return capture_out_head(arg, n);
}

// It went, or it did not.
static void note(struct mirror_file *f, uint64_t now, size_t done, size_t left)
{
	bool failing = f->file.failing;
	const char *why = strerror(f->file.error);
	char text[SINK_TEXT];
	bool trouble = file_trouble(&f->file, &f->shown, text, sizeof(text));
	pthread_mutex_lock(&f->lock);
	f->counts.bytes += done;
	f->counts.behind_bytes = left;
	bool news = failing ? sink_counts_fails(&f->counts, why) : sink_counts_works(&f->counts);
	if (trouble)
		sink_counts_troubled(&f->counts, text);
	pthread_mutex_unlock(&f->lock);
	f->pause_ns = failing ? f->pause_ns : 0;
	f->due_ns = failing ? now + sink_counts_pause(&f->pause_ns) : 0;
	if (news && failing)
		log_say(LOG_ERROR, "ship", "sink=%s is down: %s: %s; copies that find no room are lost", f->counts.name,
			f->to->file, why);
	else if (news)
		log_say(LOG_NOTICE, "ship", "sink=%s is up again", f->counts.name);
}

static size_t gathered(const struct mirror_file *f)
{
	size_t n;
	capture_out_gathered(f->out, &n);
	return n;
}

static void write_out(struct mirror_file *f, bool last)
{
	size_t n;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	if (now < f->due_ns && !f->file.again && !last)
		return;
	if (f->file.fd < 0) { // another reader begins with a block
		capture_out_gone(f->out, f->rest);
		f->rest = 0;
	}
	const uint8_t *blocks = capture_out_gathered(f->out, &n);
	size_t done = file_write(&f->file, blocks, n, last);
	f->rest = rest_of(blocks, f->rest, done);
	capture_out_gone(f->out, done);
	note(f, now, done, n - done);
}

// As far as it goes; all of it, where the reader is waited for.
static void push_out(struct mirror_file *f, bool last)
{
	write_out(f, last);
	while (f->wait && gathered(f) && !f->file.failing) {
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
		write_out(f, last);
	}
}

static void put(struct mirror_file *f, const struct capture_record *frame, const char *const *comments, unsigned n)
{
	bool fits = frame && capture_out_said(f->out, frame, comments, n);
	if (frame && !fits) {
		push_out(f, false);
		fits = capture_out_said(f->out, frame, comments, n);
	}
	pthread_mutex_lock(&f->lock);
	f->counts.units += fits;
	f->counts.lost += !fits;
	f->counts.behind_bytes = gathered(f);
	pthread_mutex_unlock(&f->lock);
	if (gathered(f) > GATHER)
		write_out(f, false);
}

static int open_sink(struct mirror_file *f, uint16_t link_type)
{
	const struct sink_config *c = f->to->as;
	if (!(f->out = capture_out_gather(link_type)))
		return -ENOMEM;
	file_open(&f->file, &(struct file_config){.path = c->path,
						  .rotate_bytes = (uint64_t)c->rotate_mb << 20,
						  .rotate_s = c->rotate_s,
						  .keep = c->keep,
						  .whole = whole,
						  .head = head,
						  .arg = f->out});
	write_out(f, false); // its head
	return 0;
}

// What it did not take in time is lost, too.
static void close_sink(struct mirror_file *f)
{
	size_t n, left = 0;
	uint32_t type;
	push_out(f, true);
	const uint8_t *blocks = capture_out_gathered(f->out, &n);
	for (size_t at = f->rest; at < n; left += type == CAPTURE_PACKET)
		at += capture_out_block(blocks + at, &type);
	pthread_mutex_lock(&f->lock);
	f->counts.lost += left;
	bool lost = f->wait ? f->counts.lost : left;
	pthread_mutex_unlock(&f->lock);
	if (lost)
		f->error = f->file.error ? f->file.error : EAGAIN;
	file_close(&f->file);
	capture_out_close(f->out);
	f->out = NULL;
}

// ---- both --------------------------------------------------------------------------------------------------------

int mirror_file_open(struct mirror_file *f, uint16_t link_type)
{
	const struct capture_format format = {.link_type = link_type, .nanoseconds = true, .pcapng = true};
	if (f->out || f->error)
		return 0;
	if (f->to->as)
		return open_sink(f, link_type);
	f->out = capture_out_open(f->to->file, &format);
	return f->out ? 0 : -errno;
}

void mirror_file_put(struct mirror_file *f, const struct capture_record *frame, const char *const *comments, unsigned n)
{
	if (f->out && f->to->as)
		put(f, frame, comments, n);
	else if (f->out && frame)
		capture_out_said(f->out, frame, comments, n);
}

void mirror_file_flush(struct mirror_file *f)
{
	if (f->out && f->to->as)
		push_out(f, false);
	else if (f->out)
		capture_out_flush(f->out);
}

void mirror_file_close(struct mirror_file *f)
{
	if (f->out && f->to->as) {
		close_sink(f);
		return;
	}
	int rc = capture_out_close(f->out);
	f->out = NULL;
	f->error = rc ? -rc : f->error;
}
