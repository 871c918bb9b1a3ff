// SPDX-License-Identifier: BSD-3-Clause
//
// A stream socket with a line out and a line in. The appliance is not trusted with our memory either: an answer has an
// end at 64 MiB.
#include "ctl/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define PATIENCE_S 60 // a policy of a million names compiles in seconds

struct ask {
	int fd;
	char *in;
	size_t len, room;
};

static const char *remedy(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "; is the appliance running? -s names another socket";
	case EACCES:
		return "; its group may use it: see `control` in the configuration";
	}
	return "";
}

struct ask *ask_open(const char *path, char *why, size_t room)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(at.sun_path)) {
		snprintf(why, room, "%s is too long for a socket", path);
		return NULL;
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = PATIENCE_S};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	struct ask *k = calloc(1, sizeof(*k));
	if (fd < 0 || !k || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		snprintf(why, room, "%s: %s%s", path, strerror(errno), remedy(errno));
		free(k);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	k->fd = fd;
	return k;
}

void ask_close(struct ask *k)
{
	if (!k)
		return;
	close(k->fd);
	free(k->in);
	free(k);
}

static int say(struct ask *k, const char *line)
{
	struct iovec v[] = {{(void *)line, strlen(line)}, {"\n", 1}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
	return sendmsg(k->fd, &m, MSG_NOSIGNAL) == (ssize_t)(v[0].iov_len + 1) ? 0
									       : -1; // a line fits the socket's buffer
}

static bool hear(struct ask *k)
{
	if (k->len == k->room) {
		size_t room = k->room ? k->room * 2 : 16384;
		char *in = room <= ANSWER_BYTES_MAX ? realloc(k->in, room) : NULL;
		if (!in)
			return false;
		k->in = in;
		k->room = room;
	}
	ssize_t n = recv(k->fd, k->in + k->len, k->room - k->len, 0);
	if (n > 0)
		k->len += (size_t)n;
	return n > 0;
}

json_t *ask(struct ask *k, const char *line)
{
	k->len = 0;
	if (say(k, line) < 0)
		k->len = 0; // why may still be there to read
	do {
		if (!hear(k))
			return NULL;
	} while (k->in[k->len - 1] != '\n');
	return json_loadb(k->in, k->len, 0, NULL);
}
