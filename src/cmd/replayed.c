// SPDX-License-Identifier: BSD-3-Clause
//
// A replay in a process of its own, with its records on a pipe: DPDK lives once in a process, and two replays (diff)
// must not share what either changes. The child is replay_main with the options that a user could give.
//
// Records and ends of frames come on a pipe each, and are read as they come: whoever listens to two replays at once
// must not wait for one of four pipes while the others fill.
//
// Rejected: both replays in one process, one after the other (all records of the first would have to be kept); threads
// (DPDK's own state, getopt's, signals).
#include "replayed.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "cmd.h"

#define BUFFER (256 * 1024)
#define RUNNING_MAX 4

struct stream { // of bytes, from the child
	int fd;
	bool over;
	size_t at, n; // of the buffer
	uint64_t buffer[BUFFER / sizeof(uint64_t)];
};

struct replayed {
	pid_t pid;
	struct stream records, ends;
	char *const *captures;
	unsigned ncaptures, capture, next; // the one in work, and from where on the next is looked for
};
static_assert(BUFFER >= 2 * RECORD_MAX, "a record fits");

// A child must not keep the pipes of another open.
static struct replayed *running[RUNNING_MAX];

const char *replayed_fail(struct replayed_fails *f, const char *text)
{
	static char wrong[FAIL_SAY];
	struct fail_modes any = {0};
	if (f->n == REPLAYED_FAILS)
		return "";
	if (fail_option(&any, text, wrong) < 0)
		return wrong;
	f->words[f->n++] = (char *)(uintptr_t)text;
	return NULL;
}

// In the child: never comes back.
static void become(const struct replayed_config *c, int out, int ends)
{
	for (unsigned i = 0; i < RUNNING_MAX; i++) {
		if (running[i]) {
			close(running[i]->records.fd);
			close(running[i]->ends.fd);
		}
	}
	char **argv = calloc(c->ncaptures + 2 * (c->nguards + c->fails->n + c->nswaps) + 16u, sizeof(*argv)), path[32];
	int argc = 0;
	if (!argv || dup2(out, STDOUT_FILENO) < 0)
		_exit(EXIT_ENVIRONMENT);
	if (c->quiet && !freopen("/dev/null", "w", stderr))
		_exit(EXIT_ENVIRONMENT);
	argv[argc++] = "replay";
	argv[argc++] = "--format=raw";
	argv[argc++] = "--summary=/dev/null";
	argv[argc++] = "--output=-";
	if (c->policy) {
		argv[argc++] = "--policy";
		argv[argc++] = (char *)(uintptr_t)c->policy;
	}
	if (c->shadow) {
		argv[argc++] = "--shadow";
		argv[argc++] = (char *)(uintptr_t)c->shadow;
	}
	for (unsigned i = 0; i < c->nswaps; i++) {
		argv[argc++] = "--policy-at";
		argv[argc++] = c->swaps[i];
	}
	for (unsigned i = 0; i < c->nguards; i++) {
		argv[argc++] = "--guard";
		argv[argc++] = c->guards[i];
	}
	for (unsigned i = 0; i < c->fails->n; i++) {
		argv[argc++] = "--fail";
		argv[argc++] = c->fails->words[i];
	}
	if (ends >= 0) {
		snprintf(path, sizeof(path), "--ends=%d", ends);
		argv[argc++] = path;
	}
	argv[argc++] = "--";
	for (unsigned i = 0; i < c->ncaptures; i++)
		argv[argc++] = c->captures[i];
	int rc = replay_heard(argc, argv, c->ear);
	fflush(NULL);
	_exit(rc);
}

static bool pipes(int records[2], int ends[2])
{
	if (pipe(records) < 0)
		return false;
	if (pipe(ends) == 0)
		return true;
	int error = errno;
	close(records[0]);
	close(records[1]);
	errno = error;
	return false;
}

struct replayed *replayed_start(const struct replayed_config *config)
{
	struct replayed *r = calloc(1, sizeof(*r));
	int records[2], ends[2];
	unsigned at = 0;
	while (at < RUNNING_MAX && running[at])
		at++;
	if (!r || at == RUNNING_MAX || !pipes(records, ends)) {
		free(r);
		return NULL;
	}
	fflush(NULL); // what is buffered is said once
	r->captures = config->captures;
	r->ncaptures = config->ncaptures;
	r->pid = fork();
	if (r->pid == 0) {
		close(records[0]);
		close(ends[0]);
		if (!config->ends)
			close(ends[1]);
		become(config, records[1], config->ends ? ends[1] : -1);
	}
	close(records[1]);
	close(ends[1]);
	r->records.fd = records[0];
	r->ends.fd = ends[0];
	running[at] = r;
	if (r->pid > 0)
		return r;
	int error = errno;
	replayed_stop(r);
	errno = error;
	return NULL;
}

// What there is, into the buffer.
static void more(struct stream *s)
{
	uint8_t *buffer = (uint8_t *)s->buffer;
	memmove(buffer, buffer + s->at, s->n - s->at);
	s->n -= s->at;
	s->at = 0;
	ssize_t n = read(s->fd, buffer + s->n, BUFFER - s->n);
	if (n > 0)
		s->n += (size_t)n;
	s->over = n == 0 || (n < 0 && errno != EINTR);
}

bool replayed_wait(struct replayed *const *list, const unsigned *wanted, unsigned n)
{
	struct pollfd fds[2 * RUNNING_MAX];
	struct stream *of[2 * RUNNING_MAX];
	unsigned k = 0;
	for (unsigned i = 0; i < n; i++) {
		struct stream *both[] = {&list[i]->records, &list[i]->ends};
		for (unsigned j = 0; j < 2; j++) {
			if (!(wanted[i] >> j & 1) || both[j]->over)
				continue;
			fds[k] = (struct pollfd){.fd = both[j]->fd, .events = POLLIN};
			of[k++] = both[j];
		}
	}
	if (k == 0)
		return false;
	if (poll(fds, k, -1) < 0)
		return errno == EINTR;
	for (unsigned i = 0; i < k; i++)
		if (fds[i].revents)
			more(of[i]);
	return true;
}

static void begin(struct replayed *r, const struct fact *name)
{
	for (unsigned i = r->next; i < r->ncaptures; i++) {
		if (strnlen(r->captures[i], FACT_VALUE_MAX) == name->len &&
		    !memcmp(r->captures[i], name->value, name->len)) {
			r->capture = i;
			r->next = i + 1;
			return;
		}
	}
}

const struct record *replayed_record(struct replayed *r, unsigned *capture)
{
	struct stream *s = &r->records;
	while (s->n - s->at >= sizeof(struct record)) {
		const struct record *rec = (const struct record *)((uint8_t *)s->buffer + s->at);
		uint32_t len = rec->len;
		if (len < sizeof(*rec) || len > RECORD_MAX || len % 8) { // of no replay of ours
			s->over = true;
			s->n = s->at;
		}
		if (s->n - s->at < len)
			return NULL;
		if (rec->kind != RECORD_NONE) {
			*capture = r->capture;
			return rec;
		}
		begin(r, record_first(rec));
		s->at += len;
	}
	return NULL;
}

void replayed_record_done(struct replayed *r, const struct record *rec)
{
	r->records.at += rec->len;
}

const struct exits_end *replayed_end(const struct replayed *r)
{
	const struct stream *s = &r->ends;
	return s->n - s->at >= sizeof(struct exits_end) ? (const struct exits_end *)((const uint8_t *)s->buffer + s->at)
							: NULL;
}

void replayed_end_done(struct replayed *r)
{
	r->ends.at += sizeof(struct exits_end);
}

bool replayed_over(const struct replayed *r, enum replayed_what what)
{
	return what == REPLAYED_RECORDS ? r->records.over : r->ends.over;
}

int replayed_stop(struct replayed *r)
{
	int status = 0;
	for (unsigned i = 0; i < RUNNING_MAX; i++)
		running[i] = running[i] == r ? NULL : running[i];
	close(r->records.fd); // it ends as where a reader of standard output went away
	close(r->ends.fd);
	if (r->pid > 0)
		waitpid(r->pid, &status, 0);
	free(r);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_ENVIRONMENT;
}
