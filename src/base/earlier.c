// SPDX-License-Identifier: BSD-3-Clause
//
// See earlier.h. On the thread that writes the file.
#include "earlier.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define STAMP_LEN 23  // ".20261121T093005.123456Z" less its point
#define PRUNED_MAX 64 // at a time; there are more only when `keep` was lowered

static void stamp(char text[STAMP_LEN + 1], uint64_t us)
{
	struct tm tm;
	char second[16];
	gmtime_r(&(time_t){(time_t)(us / 1000000)}, &tm);
	strftime(second, sizeof(second), "%Y%m%dT%H%M%S", &tm);
	snprintf(text, STAMP_LEN + 1, "%s.%06uZ", second, (unsigned)(us % 1000000));
}

static bool is_stamp(const char *s)
{
	static const char form[] = "00000000T000000.000000Z";
	for (unsigned i = 0; i < STAMP_LEN; i++)
		if (form[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return false;
	return s[STAMP_LEN] == 0;
}

// How many of its earlier files there are, and which is the oldest.
static unsigned earlier(DIR *dir, const char *name, char *oldest)
{
	size_t len = strlen(name);
	unsigned n = 0;
	rewinddir(dir);
	for (const struct dirent *e; (e = readdir(dir));) {
		if (strncmp(e->d_name, name, len) || e->d_name[len] != '.' || !is_stamp(e->d_name + len + 1))
			continue;
		if (n++ == 0 || strcmp(e->d_name, oldest) < 0)
			strcpy(oldest, e->d_name);
	}
	return n;
}

void earlier_prune(const char *path, unsigned keep)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX], oldest[NAME_MAX + 1];
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	DIR *dir = keep ? opendir(folder) : NULL;
	if (!dir)
		return;
	for (unsigned i = 0; i < PRUNED_MAX && earlier(dir, slash ? slash + 1 : path, oldest) > keep; i++)
		if (unlinkat(dirfd(dir), oldest, 0) != 0)
			break;
	closedir(dir);
}

int earlier_put(const char *path, uint64_t *stamp_us, char *to)
{
	char text[STAMP_LEN + 1];
	uint64_t now_us = clock_ns(CLOCK_REALTIME) / 1000;
	*stamp_us = now_us > *stamp_us ? now_us : *stamp_us;
	do {
		stamp(text, ++*stamp_us);
		snprintf(to, PATH_MAX, "%s.%s", path, text);
	} while (access(to, F_OK) == 0);
	return rename(path, to);
}
