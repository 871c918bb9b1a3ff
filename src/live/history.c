// SPDX-License-Identifier: BSD-3-Clause
//
// The history of policies. In: a policy that has just come into force and the file that it was read from. Out: a folder
// with one folder an entry, whole or not there. On the thread that loads; lists are read by the control thread.
//
//   FOLDER/000012/policy.json          as it was written
//                 lists/bad.txt        files of its sets, where they stood beside it
//                 about.json           number, time, hash, rules, file
//
// An entry is made as .new, brought to disk, and renamed. A set's file that has not changed is the entry before's, by a
// hard link: a reload a second of a policy with a million names costs no disk. Files of sets that stand outside the
// policy's folder are not kept; an entry reads them where they are.
#include "live/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#define PIECE 65536

void history_file(const char *folder, unsigned number, char path[HISTORY_PATH])
{
	snprintf(path, HISTORY_PATH, "%.400s/%06u/policy.json", folder, number);
}

// ---- files -------------------------------------------------------------------------------------------------------

static int copy(const char *from, const char *to)
{
	char piece[PIECE];
	int in = open(from, O_RDONLY | O_CLOEXEC), rc = in < 0 ? -errno : 0;
	int out = rc ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (!rc && out < 0)
		rc = -errno;
	for (ssize_t n; !rc && (n = read(in, piece, sizeof(piece))) != 0;)
		if (n < 0 || write(out, piece, (size_t)n) != n)
			rc = n < 0 ? -errno : -ENOSPC;
	if (!rc && fsync(out) < 0)
		rc = -errno;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return rc;
}

static bool same(const char *a, const char *b)
{
	static __thread char pa[PIECE], pb[PIECE];
	FILE *fa = fopen(a, "re"), *fb = fopen(b, "re");
	bool equal = fa && fb;
	for (size_t n = 1; equal && n;) {
		n = fread(pa, 1, sizeof(pa), fa);
		equal = fread(pb, 1, sizeof(pb), fb) == n && !memcmp(pa, pb, n);
	}
	if (fa)
		fclose(fa);
	if (fb)
		fclose(fb);
	return equal;
}

// Folders on the way to a file below base.
static void way_to(const char *base, const char *file)
{
	char path[2 * HISTORY_PATH];
	snprintf(path, sizeof(path), "%.500s/%.500s", base, file);
	for (char *at = path + strlen(base) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		mkdir(path, 0750);
		*at = '/';
	}
}

static void away(const char *folder)
{
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[2 * HISTORY_PATH];
		snprintf(path, sizeof(path), "%.700s/%.255s", folder, e->d_name);
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && unlink(path) < 0)
			away(path);
	}
	if (d)
		closedir(d);
	rmdir(folder);
}

static int sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

// ---- what is there -----------------------------------------------------------------------------------------------

static void about(const char *folder, unsigned number, struct history_entry *e)
{
	char path[HISTORY_PATH + 32];
	const char *hash = "", *time = "", *from = "";
	json_int_t rules = 0;
	snprintf(path, sizeof(path), "%.400s/%06u/about.json", folder, number);
	json_t *o = json_load_file(path, 0, NULL);
	json_unpack(o, "{s?s,s?s,s?s,s?I}", "hash", &hash, "time", &time, "file", &from, "rules", &rules);
	*e = (struct history_entry){.number = number, .rules = (uint32_t)rules};
	snprintf(e->hash, sizeof(e->hash), "%s", hash);
	snprintf(e->time, sizeof(e->time), "%s", time);
	snprintf(e->from, sizeof(e->from), "%s", from);
	json_decref(o);
}

static int newer(const void *a, const void *b)
{
	unsigned x = ((const struct history_entry *)a)->number, y = ((const struct history_entry *)b)->number;
	return (x < y) - (x > y);
}

int history_list(const char *folder, struct history_entry **list)
{
	DIR *d = opendir(folder);
	unsigned n = 0, room = 0;
	*list = NULL;
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	for (struct dirent *e; (e = readdir(d));) {
		char *end;
		unsigned long number = strtoul(e->d_name, &end, 10);
		if (*end || number == 0 || number > 1u << 30)
			continue;
		if (n == room) {
			room = room ? 2 * room : 128;
			struct history_entry *more = realloc(*list, room * sizeof(**list));
			if (!more)
				break;
			*list = more;
		}
		about(folder, (unsigned)number, &(*list)[n++]);
	}
	closedir(d);
	if (n)
		qsort(*list, n, sizeof(**list), newer);
	return (int)n;
}

// ---- one more ----------------------------------------------------------------------------------------------------

struct entry {
	const char *folder, *file;
	char made[HISTORY_PATH]; // FOLDER/.new
	unsigned last;           // number of the entry before; 0: none
};

static int keep_set(const struct entry *e, const struct set *s)
{
	char beside[HISTORY_PATH], from[2 * HISTORY_PATH], before[2 * HISTORY_PATH], to[2 * HISTORY_PATH];
	if (!s->file || *s->file == '/' || strstr(s->file, ".."))
		return 0;
	snprintf(beside, sizeof(beside), "%.511s", e->file);
	snprintf(from, sizeof(from), "%.500s/%.500s", dirname(beside), s->file);
	snprintf(before, sizeof(before), "%.400s/%06u/%.500s", e->folder, e->last, s->file);
	snprintf(to, sizeof(to), "%.500s/%.500s", e->made, s->file);
	way_to(e->made, s->file);
	if (access(to, F_OK) == 0) // two sets of one file
		return 0;
	if (e->last && same(from, before) && link(before, to) == 0)
		return 0;
	return copy(from, to);
}

static int write_about(const struct entry *e, const struct policy *p)
{
	char path[HISTORY_PATH + 16], now[24];
	time_t t = time(NULL);
	struct tm tm;
	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	snprintf(path, sizeof(path), "%.500s/about.json", e->made);
	json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:I}", "number", (int)e->last + 1, "time", now, "hash", p->hash, "file",
			      e->file, "rules", (json_int_t)p->nrules);
	int rc = o && json_dump_file(o, path, JSON_INDENT(1)) == 0 ? 0 : -EIO;
	json_decref(o);
	return rc;
}

static int fill(const struct entry *e, const struct policy *p)
{
	char path[HISTORY_PATH + 16];
	away(e->made); // of a process that was killed
	if (mkdir(e->made, 0750) < 0)
		return -errno;
	snprintf(path, sizeof(path), "%.500s/policy.json", e->made);
	int rc = copy(e->file, path);
	for (uint32_t i = 0; i < p->nsets && rc == 0; i++)
		rc = keep_set(e, &p->sets[i]);
	if (rc == 0)
		rc = write_about(e, p);
	return rc == 0 ? sync_folder(e->made) : rc;
}

static int put(const struct entry *e)
{
	char final[HISTORY_PATH];
	snprintf(final, sizeof(final), "%.400s/%06u", e->folder, e->last + 1);
	if (rename(e->made, final) < 0)
		return -errno;
	return sync_folder(e->folder);
}

static void forget(const char *folder, const struct history_entry *list, unsigned n, unsigned keep)
{
	for (unsigned i = keep ? keep - 1 : 0; i < n; i++) { // list is without the newest
		char path[HISTORY_PATH];
		snprintf(path, sizeof(path), "%.400s/%06u", folder, list[i].number);
		away(path);
	}
}

int history_keep(const char *folder, unsigned keep, const struct policy *policy, const char *file)
{
	struct history_entry *list;
	int n = history_list(folder, &list);
	struct entry e = {.folder = folder, .file = file, .last = n > 0 ? list[0].number : 0};
	int rc = n < 0 ? n : 0;
	snprintf(e.made, sizeof(e.made), "%.400s/.new", folder);
	if (n > 0 && !strcmp(list[0].hash, policy->hash)) {
		free(list);
		return 0;
	}
	if (rc == 0)
		rc = fill(&e, policy);
	if (rc == 0)
		rc = put(&e);
	if (rc < 0)
		away(e.made);
	else
		forget(folder, list, (unsigned)n, keep);
	free(list);
	return rc;
}
