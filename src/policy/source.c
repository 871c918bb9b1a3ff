// SPDX-License-Identifier: BSD-3-Clause
//
// The text of a policy, whole, from a file or a pipe. Off the path.
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/doc.h"

static char *larger(char *p, size_t *room)
{
	char *q = realloc(p, *room *= 2);
	if (!q)
		free(p);
	return q;
}

// Until it ends, or is more than a policy may be.
static char *read_all(int fd, size_t *len)
{
	struct stat st;
	bool known = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= DOC_BYTES_MAX;
	size_t room = known ? (size_t)st.st_size + 1 : 65536;
	char *p = malloc(room);
	*len = 0;
	while (p && *len <= DOC_BYTES_MAX) {
		ssize_t got = read(fd, p + *len, room - *len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(p);
			return NULL;
		}
		if (got == 0)
			break;
		*len += (size_t)got;
		if (*len == room)
			p = larger(p, &room);
	}
	return p;
}

char *source_read(const char *file, size_t *len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *text = read_all(fd, len);
	int error = errno;
	close(fd);
	errno = error;
	return text;
}
