// SPDX-License-Identifier: BSD-3-Clause
//
// A replay in a process of its own, with its records on a pipe: DPDK lives once in a process, and two replays (diff)
// must not share what either changes. The child is replay_main with the options that a user could give.
//
// Ends of frames go to a file without a name: they may be as many as frames, and are wanted after the records.
// Rejected: both replays in one process, one after the other (all records of the first would have to be kept); threads
// (DPDK's own state, getopt's, signals).
#include "replayed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

#define BUFFER (256 * 1024)

struct replayed {
	pid_t pid;
	int in;
	FILE *ends;
	char *const *captures;
	unsigned ncaptures, capture, next; // the one in work, and from where on the next is looked for
	size_t at, n;                      // of the buffer
	uint64_t buffer[BUFFER / sizeof(uint64_t)];
};
static_assert(BUFFER >= 2 * RECORD_MAX, "a record fits");

// In the child: never comes back.
static void become(const struct replayed_config *c, int out, int ends)
{
	char **argv = calloc(c->ncaptures + 2 * c->nguards + 16u, sizeof(*argv)), path[32];
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
	for (unsigned i = 0; i < c->nguards; i++) {
		argv[argc++] = "--guard";
		argv[argc++] = c->guards[i];
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

struct replayed *replayed_start(const struct replayed_config *config)
{
	struct replayed *r = calloc(1, sizeof(*r));
	int fds[2], ends = config->ends ? memfd_create("ends", 0) : -1;
	if (!r || (config->ends && ends < 0) || pipe(fds) < 0) {
		free(r);
		return NULL;
	}
	fflush(NULL); // what is buffered is said once
	r->captures = config->captures;
	r->ncaptures = config->ncaptures;
	r->pid = fork();
	if (r->pid == 0) {
		close(fds[0]);
		become(config, fds[1], ends);
	}
	close(fds[1]);
	r->in = fds[0];
	r->ends = ends >= 0 ? fdopen(ends, "r") : NULL;
	if (r->pid > 0)
		return r;
	int error = errno;
	replayed_stop(r);
	errno = error;
	return NULL;
}

// Has the buffer so many bytes?
static bool fill(struct replayed *r, size_t want)
{
	uint8_t *buffer = (uint8_t *)r->buffer;
	if (r->n - r->at >= want)
		return true;
	memmove(buffer, buffer + r->at, r->n - r->at);
	r->n -= r->at;
	r->at = 0;
	while (r->n < want) {
		ssize_t n = read(r->in, buffer + r->n, BUFFER - r->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		r->n += (size_t)n;
	}
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
	while (fill(r, sizeof(struct record))) {
		const struct record *rec = (const struct record *)((uint8_t *)r->buffer + r->at);
		uint32_t len = rec->len;
		if (len < sizeof(*rec) || len > RECORD_MAX || len % 8 || !fill(r, len))
			return NULL;
		rec = (const struct record *)((uint8_t *)r->buffer + r->at);
		r->at += len;
		if (rec->kind != RECORD_NONE) {
			*capture = r->capture;
			return rec;
		}
		begin(r, record_first(rec));
	}
	return NULL;
}

bool replayed_end(struct replayed *r, struct exits_end *e)
{
	if (r->pid > 0) { // it writes them until it ends
		int status;
		waitpid(r->pid, &status, 0);
		r->pid = -(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_ENVIRONMENT) - 1;
		if (r->ends)
			rewind(r->ends);
	}
	return r->ends && fread(e, sizeof(*e), 1, r->ends) == 1;
}

int replayed_stop(struct replayed *r)
{
	int status = 0, rc = -r->pid - 1;
	close(r->in); // it ends as where a reader of standard output went away
	if (r->pid > 0) {
		waitpid(r->pid, &status, 0);
		rc = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_ENVIRONMENT;
	}
	if (r->ends)
		fclose(r->ends);
	free(r);
	return rc;
}
