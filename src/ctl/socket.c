// SPDX-License-Identifier: BSD-3-Clause
//
// People and scripts, each a client of a local stream socket. A client is in one of three states: it is read from, or
// its answer is being written, or its command's work goes on elsewhere. So one request of one client is in work at a
// time, what it may cost in memory is bounded by a line and an answer, and a client that sends without reading is not
// read. After each request the next client has its turn.
//
// Nobody who misbehaves is waited for: answers that nobody takes for 10 s, lines without an end, are cut off and
// counted. When all places are taken, the client that was idle for longest gives way, if that is ten seconds.
#include "ctl/socket.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/loop.h"

#define PATIENCE_S 10
#define ANSWERS_BYTES_MAX (64u << 20) // of all clients together that are not taken yet
#define TICK_MS 1000

struct client {
	struct socket_server *server;
	int fd;          // -1: nobody is here
	uint64_t ticket; // of the command whose work goes on; 0: none
	time_t moved;    // when it last said or took something
	char *out;       // its answer: what is left of it; NULL: none
	size_t out_len, out_done;
	size_t in_len;
	char in[COMMAND_BYTES_MAX];
};

struct socket_server {
	struct loop *loop;
	struct appliance *appliance;
	int fd, timer;
	gid_t group;
	uint64_t tickets;
	size_t waiting_bytes;
	struct socket_counters counters;
	struct sockaddr_un at;
	struct client *clients[SOCKET_CLIENTS_MAX];
};

static time_t now_s(void)
{
	return (time_t)(clock_ns(CLOCK_MONOTONIC_COARSE) / 1000000000);
}

static void client_close(struct client *c)
{
	struct socket_server *s = c->server;
	loop_remove(s->loop, c->fd);
	close(c->fd);
	s->waiting_bytes -= c->out_len;
	s->counters.clients--;
	for (unsigned i = 0; i < SOCKET_CLIENTS_MAX; i++)
		if (s->clients[i] == c)
			s->clients[i] = NULL;
	free(c->out);
	free(c);
}

static void client_cut_off(struct client *c, const char *why)
{
	c->server->counters.cut_off++;
	log_say(LOG_NOTICE, "ctl", "client cut off why=\"%s\"", why);
	client_close(c);
}

// Has it something to take before it is read from again?
static bool client_owes(const struct client *c)
{
	return !c->ticket && (c->out || memchr(c->in, '\n', c->in_len));
}

// What it waits for next: while it has an answer to take or work goes on, it is not read. A line that came together
// with the one before has its turn when the socket can be written, which is at once.
static void client_wait(struct client *c)
{
	loop_change(c->server->loop, c->fd, c->ticket ? 0 : client_owes(c) ? EPOLLOUT : EPOLLIN);
}

// False: it is gone.
static bool client_write(struct client *c)
{
	while (c->out && c->out_done < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_done, c->out_len - c->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			client_close(c);
			return false;
		}
		c->out_done += (size_t)n;
		c->moved = now_s();
	}
	c->server->waiting_bytes -= c->out_len;
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_done = 0;
	return true;
}

// The answer is taken. False: the client is gone.
static bool client_answer(struct client *c, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	json_decref(answer);
	if (!text || c->server->waiting_bytes + len > ANSWERS_BYTES_MAX) {
		free(text);
		client_cut_off(c, "too much that others have not taken");
		return false;
	}
	text[len] = '\n'; // in place of its end
	c->out = text;
	c->out_len = len + 1;
	c->server->waiting_bytes += c->out_len;
	return client_write(c);
}

uint64_t socket_later(struct call *c)
{
	struct client *client = c->client;
	c->later = client ? ++client->server->tickets : 1;
	return c->later;
}

void socket_answer(struct socket_server *s, uint64_t later, struct call *call, json_t *result)
{
	for (unsigned i = 0; i < SOCKET_CLIENTS_MAX; i++) {
		struct client *c = s->clients[i];
		if (!c || c->ticket != later)
			continue;
		c->ticket = 0;
		if (client_answer(c, command_answer(call, result)))
			client_wait(c);
		return;
	}
	json_decref(result);
}

// The first whole line, if there is one. False: the client is gone.
static bool client_serve(struct client *c)
{
	struct call call = {.client = c};
	char *end = memchr(c->in, '\n', c->in_len), line[COMMAND_BYTES_MAX];
	if (!end)
		return true;
	size_t len = (size_t)(end - c->in);
	bool text = !memchr(c->in, '\0', len);
	memcpy(line, c->in, len);
	line[len] = '\0';
	c->in_len -= len + 1;
	memmove(c->in, end + 1, c->in_len);
	c->moved = now_s();
	c->server->counters.requests++;
	json_t *answer;
	if (text) {
		answer = command_serve(c->server->appliance, line, &call);
	} else {
		call_fail(&call, CALL_USAGE, "a request is text");
		answer = command_answer(&call, NULL);
	}
	if (!answer)
		c->ticket = call.later;
	return !answer || client_answer(c, answer);
}

// False: the client is gone.
static bool client_read(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		client_close(c);
		return false;
	}
	c->in_len += (size_t)n;
	if (c->in_len == sizeof(c->in) && !memchr(c->in, '\n', c->in_len)) {
		client_cut_off(c, "a line that does not end");
		return false;
	}
	return true;
}

static void client_ready(void *arg, uint32_t events)
{
	struct client *c = arg;
	if (events & EPOLLERR || (c->ticket && events & EPOLLHUP)) {
		client_close(c);
		return;
	}
	if (c->out && !client_write(c))
		return;
	if (!c->out && events & EPOLLIN && !client_read(c))
		return;
	if (!c->out && !client_serve(c))
		return;
	client_wait(c);
}

// Who stands on the other side: root, ourselves, or one of the group.
static bool peer_allowed(const struct socket_server *s, int fd)
{
	struct ucred peer;
	gid_t groups[256];
	socklen_t len = sizeof(peer), groups_len = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.gid == s->group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_len) < 0)
		return false;
	for (unsigned i = 0; i < groups_len / sizeof(groups[0]); i++)
		if (groups[i] == s->group)
			return true;
	return false;
}

// A place, by sending away who was idle for longest if need be.
static struct client **place(struct socket_server *s)
{
	struct client **oldest = NULL;
	for (unsigned i = 0; i < SOCKET_CLIENTS_MAX; i++) {
		struct client **at = &s->clients[i];
		if (!*at)
			return at;
		if (!(*at)->ticket && (!oldest || (*at)->moved < (*oldest)->moved))
			oldest = at;
	}
	if (!oldest || now_s() - (*oldest)->moved < PATIENCE_S)
		return NULL;
	s->counters.evicted++;
	client_close(*oldest);
	return oldest;
}

// One that is sent away is told why, if it listens.
static void turn_away(int fd, uint64_t *counter, const char *why)
{
	struct call c = {0};
	call_fail(&c, CALL_ENVIRONMENT, "%s", why);
	json_t *answer = command_answer(&c, NULL);
	char text[256];
	size_t n = json_dumpb(answer, text, sizeof(text) - 1, JSON_COMPACT);
	json_decref(answer);
	text[n] = '\n';
	if (send(fd, text, n + 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) // it does not listen
		log_say(LOG_DEBUG, "ctl", "client gone before it was refused");
	(*counter)++;
	close(fd);
}

static void listener_ready(void *arg, uint32_t events)
{
	struct socket_server *s = arg;
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (!peer_allowed(s, fd)) {
		turn_away(fd, &s->counters.refused, "not allowed: you are not in the group of the control socket");
		return;
	}
	struct client **at = place(s), *c = at ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		turn_away(fd, &s->counters.too_many, "too many clients: all 200 places are taken");
		return;
	}
	*c = (struct client){.server = s, .fd = fd, .moved = now_s()};
	if (loop_add(s->loop, fd, EPOLLIN, client_ready, c) < 0) {
		free(c);
		turn_away(fd, &s->counters.too_many, "too many descriptors are open");
		return;
	}
	*at = c;
	s->counters.accepted++;
	s->counters.clients++;
}

static void tick(void *arg)
{
	struct socket_server *s = arg;
	time_t now = now_s();
	for (unsigned i = 0; i < SOCKET_CLIENTS_MAX; i++)
		if (s->clients[i] && client_owes(s->clients[i]) && now - s->clients[i]->moved >= PATIENCE_S)
			client_cut_off(s->clients[i], "did not take its answer");
}

// Nobody may answer there already. A path that nobody listens at any more is removed.
static bool path_free(const struct sockaddr_un *at, char *why, size_t room)
{
	struct stat st;
	if (lstat(at->sun_path, &st) < 0)
		return true;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, room, "%s is there and is no socket", at->sun_path);
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	int rc = connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ? errno : 0;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	close(fd);
	if (rc == ECONNREFUSED)
		return unlink(at->sun_path) == 0;
	snprintf(why, room, "process %d answers at %s", (int)peer.pid, at->sun_path);
	return false;
}

// The folder is made if it alone is missing: /run begins empty.
static int listen_at(struct socket_server *s)
{
	char folder[sizeof(s->at.sun_path)];
	memcpy(folder, s->at.sun_path, sizeof(folder));
	if (mkdir(dirname(folder), 0755) < 0 && errno != EEXIST)
		return -errno;
	mode_t before = umask(0117); // it must not be open to others for a moment
	int rc = bind(s->fd, (struct sockaddr *)&s->at, sizeof(s->at)) < 0 ? -errno : 0;
	umask(before);
	if (!rc && s->group != getegid() && chown(s->at.sun_path, (uid_t)-1, s->group) < 0)
		rc = -errno;
	if (!rc && listen(s->fd, SOCKET_CLIENTS_MAX) < 0)
		rc = -errno;
	return rc ? rc : loop_add(s->loop, s->fd, EPOLLIN, listener_ready, s);
}

struct socket_server *socket_open(struct loop *l, const char *path, gid_t group, struct appliance *a, char *why,
				  size_t room)
{
	struct socket_server *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	*s = (struct socket_server){.loop = l, .appliance = a, .fd = -1, .timer = -1, .at.sun_family = AF_UNIX};
	s->group = group == (gid_t)-1 ? getegid() : group;
	if (strlen(path) >= sizeof(s->at.sun_path)) {
		snprintf(why, room, "%s is too long for a socket", path);
		goto failed;
	}
	memcpy(s->at.sun_path, path, strlen(path) + 1);
	if (!path_free(&s->at, why, room))
		goto failed;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = s->fd < 0 ? -errno : listen_at(s);
	if (!rc)
		rc = s->timer = loop_timer(l, TICK_MS, TICK_MS, tick, s);
	if (rc >= 0)
		return s;
	snprintf(why, room, "%s: %s", path, strerror(-rc));
failed:
	if (s->fd >= 0) {
		loop_remove(l, s->fd);
		close(s->fd);
	}
	free(s);
	return NULL;
}

void socket_close(struct socket_server *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < SOCKET_CLIENTS_MAX; i++)
		if (s->clients[i])
			client_close(s->clients[i]);
	loop_timer_stop(s->loop, s->timer);
	loop_remove(s->loop, s->fd);
	close(s->fd);
	unlink(s->at.sun_path);
	free(s);
}

struct socket_counters socket_counters(const struct socket_server *s)
{
	return s->counters;
}
