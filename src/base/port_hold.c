// SPDX-License-Identifier: BSD-3-Clause
#include "base/port_hold.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t address(const char *device, struct sockaddr_un *a)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	int n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "sluice/port/%.80s", device);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static void holder(const struct sockaddr_un *a, socklen_t len, char *who, size_t size)
{
	struct ucred cred = {0};
	socklen_t cred_len = sizeof(cred);
	char path[64], name[32] = "a process";
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s >= 0 && connect(s, (const struct sockaddr *)a, len) == 0)
		getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len);
	if (s >= 0)
		close(s);
	snprintf(path, sizeof(path), "/proc/%d/comm", cred.pid);
	FILE *f = cred.pid > 0 ? fopen(path, "r") : NULL;
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = 0;
	if (f)
		fclose(f);
	if (cred.pid > 0)
		snprintf(who, size, "%s, pid %d", name, cred.pid);
	else
		snprintf(who, size, "another process");
}

int port_hold_take(const char *device, char *who, size_t who_size)
{
	struct sockaddr_un a;
	socklen_t len = address(device, &a);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0)
		return -errno;
	if (bind(s, (const struct sockaddr *)&a, len) == 0 && listen(s, 64) == 0)
		return s;
	int rc = errno == EADDRINUSE ? -EBUSY : -errno;
	close(s);
	if (rc == -EBUSY)
		holder(&a, len, who, who_size);
	return rc;
}

void port_hold_answer(int hold)
{
	for (unsigned n = 0; hold >= 0 && n < 64; n++) {
		int s = accept4(hold, NULL, NULL, SOCK_CLOEXEC);
		if (s < 0)
			return;
		close(s);
	}
}
