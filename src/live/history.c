// SPDX-License-Identifier: BSD-3-Clause
//
// The history of policies. In: a policy that has just come into force and the file that it was read from. Out: a folder
// with one folder an entry, whole or not there. On the thread that loads; lists are read by the control thread.
//
//   FOLDER/000012/policy.json          as it was written
//                 lists/bad.txt        files of its sets, where they stood beside it
//                 about.json           number, time, hash, rules, file
//
// An entry is made as .new of what was read, while it is read; brought to disk, and renamed when it is in force. A
// set's file that has not changed is the entry before's, by a hard link: a reload a second of a policy with a million
// names costs no disk. Files of sets that stand outside the policy's folder are not kept; an entry reads them where
// they are.
#include "live/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/word.h"

#define PIECE 65536

void history_file(const char *folder, unsigned number, char path[HISTORY_PATH])
{
	snprintf(path, HISTORY_PATH, "%.400s/%06u/policy.json", folder, number);
}

// ---- files -------------------------------------------------------------------------------------------------------

static int write_file(const char *path, const char *p, size_t len)
{
	FILE *f = fopen(path, "wex");
	if (!f)
		return -errno;
	fchmod(fileno(f), 0640);
	int rc = fwrite(p, 1, len, f) == len ? 0 : -errno;
	return fclose(f) == 0 ? rc : -errno;
}

static bool same(const char *path, const char *p, size_t len)
{
	char piece[PIECE];
	FILE *f = fopen(path, "re");
	size_t at = 0, n = 0;
	while (f && (n = fread(piece, 1, sizeof(piece), f)) && n <= len - at && !memcmp(piece, p + at, n))
		at += n;
	if (f)
		fclose(f);
	return f && !n && at == len;
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

// To disk, with all that is below it if it is a folder.
static int sync_all(const char *path, bool below)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	DIR *d = below ? opendir(path) : NULL;
	for (struct dirent *e; d && rc == 0 && (e = readdir(d));) {
		char in[2 * HISTORY_PATH];
		snprintf(in, sizeof(in), "%.700s/%.255s", path, e->d_name);
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = sync_all(in, true);
	}
	if (d)
		closedir(d);
	if (fd >= 0)
		close(fd);
	return rc;
}

// ---- what is there -----------------------------------------------------------------------------------------------

static void about(const char *folder, unsigned number, struct history_entry *e)
{
	char path[HISTORY_PATH + 32];
	const char *hash = "", *time = "", *from = "", *version = "", *author = "", *why = "";
	json_int_t rules = 0, machines = 0;
	snprintf(path, sizeof(path), "%.400s/%06u/about.json", folder, number);
	json_t *o = json_load_file(path, 0, NULL);
	json_unpack(o, "{s?s,s?s,s?s,s?I,s?s,s?s,s?s,s?I}", "hash", &hash, "time", &time, "file", &from, "rules",
		    &rules, "version", &version, "author", &author, "why", &why, "machine_written", &machines);
	*e = (struct history_entry){.number = number, .rules = (uint32_t)rules, .machines = (uint32_t)machines};
	snprintf(e->hash, sizeof(e->hash), "%s", hash);
	snprintf(e->time, sizeof(e->time), "%s", time);
	snprintf(e->from, sizeof(e->from), "%s", from);
	snprintf(e->version, sizeof(e->version), "%s", version);
	snprintf(e->author, sizeof(e->author), "%s", author);
	snprintf(e->why, sizeof(e->why), "%s", why);
	word_cut(e->author);
	word_cut(e->why);
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

static int find(const struct history_entry *list, int n, unsigned number)
{
	int i = 0;
	while (i < n && list[i].number != number)
		i++;
	return i;
}

int history_before(const char *folder, const struct history_entry *list, int n, const char *hash)
{
	int i = 0;
	while (i < n && strcmp(list[i].hash, hash) != 0)
		i++;
	unsigned below = i < n ? list[i].number : ~0u;
	for (char path[HISTORY_PATH]; i < n; i = find(list, n, below)) {
		unsigned of = 0;
		size_t len = strlen(folder);
		if (!strncmp(list[i].from, folder, len) && sscanf(list[i].from + len, "/%6u/", &of) == 1)
			history_file(folder, of, path);
		if (!of || of >= below || strcmp(path, list[i].from) != 0)
			break;
		below = of;
	}
	for (i = 0; i < n && (list[i].number >= below || !strcmp(list[i].hash, hash)); i++)
		;
	return i < n ? i : -1;
}

// ---- one more ----------------------------------------------------------------------------------------------------

void history_begin(struct history_draft *d, const char *folder)
{
	struct history_entry *list;
	int n = history_list(folder, &list);
	*d = (struct history_draft){.folder = folder, .last = n > 0 ? list[0].number : 0, .rc = n < 0 ? n : 0};
	snprintf(d->made, sizeof(d->made), "%.400s/.new", folder);
	free(list);
	away(d->made); // of a process that was killed
	if (d->rc == 0 && mkdir(d->made, 0750) < 0)
		d->rc = -errno;
}

void history_read(void *arg, const char *name, const char *text, size_t len)
{
	struct history_draft *d = arg;
	char before[2 * HISTORY_PATH], to[2 * HISTORY_PATH];
	if (d->rc < 0 || *name == '/' || strstr(name, ".."))
		return;
	name = *name ? name : "policy.json";
	snprintf(before, sizeof(before), "%.400s/%06u/%.500s", d->folder, d->last, name);
	snprintf(to, sizeof(to), "%.500s/%.500s", d->made, name);
	way_to(d->made, name);
	if (access(to, F_OK) == 0) // two sets of one file
		d->rc = same(to, text, len) ? 0 : -ESTALE;
	else if (!d->last || !same(before, text, len) || link(before, to) < 0)
		d->rc = write_file(to, text, len);
}

static int write_about(const struct history_draft *e, const struct policy *p, const char *file)
{
	char path[HISTORY_PATH + 16], now[24];
	time_t t = time(NULL);
	struct tm tm;
	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	snprintf(path, sizeof(path), "%.500s/about.json", e->made);
	json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:I}", "number", (int)e->last + 1, "time", now, "hash", p->hash, "file",
			      file, "rules", (json_int_t)p->nrules);
	if (o && e->version)
		json_object_update_new(o, json_pack("{s:s,s:s,s:s,s:I}", "version", e->version, "author", e->author,
						    "why", e->why, "machine_written", (json_int_t)e->machines));
	int rc = o && json_dump_file(o, path, JSON_INDENT(1)) == 0 ? 0 : -EIO;
	json_decref(o);
	return rc;
}

static int put(const struct history_draft *d)
{
	char final[HISTORY_PATH];
	snprintf(final, sizeof(final), "%.400s/%06u", d->folder, d->last + 1);
	int rc = sync_all(d->made, true);
	if (rc == 0 && rename(d->made, final) < 0)
		rc = -errno;
	return rc == 0 ? sync_all(d->folder, false) : rc;
}

// N.m: what machines wrote over version N.
static bool machine(const char *version, uint64_t *of, uint64_t *minor)
{
	return version && sscanf(version, "%" SCNu64 ".%" SCNu64, of, minor) == 2 && *minor;
}

static void forget(const char *folder, const struct history_entry *list, unsigned n, unsigned keep)
{
	for (unsigned i = keep ? keep - 1 : 0; i < n; i++) { // list is without the newest
		char path[HISTORY_PATH];
		snprintf(path, sizeof(path), "%.400s/%06u", folder, list[i].number);
		away(path);
	}
}

static void forget_machines(const struct history_draft *d, const struct history_entry *list, int n)
{
	uint64_t of, minor, other, m;
	if (!machine(d->version, &of, &minor))
		return;
	for (int i = 0; i < n; i++) {
		char path[HISTORY_PATH];
		snprintf(path, sizeof(path), "%.400s/%06u", d->folder, list[i].number);
		if (machine(list[i].version, &other, &m) && other == of)
			away(path);
	}
}

int history_people(const struct history_entry *list, int n, const char *version)
{
	uint64_t of, minor, other, m;
	int i = 0;
	if (!machine(version, &of, &minor))
		return -1;
	while (i < n && !(sscanf(list[i].version, "%" SCNu64 ".%" SCNu64, &other, &m) == 2 && other == of && !m))
		i++;
	return i < n ? i : -1;
}

int history_end(struct history_draft *d, unsigned keep, const struct policy *policy, const char *file)
{
	struct history_entry *list = NULL;
	int n = policy && d->rc == 0 ? history_list(d->folder, &list) : d->rc, rc = n < 0 ? n : 0;
	bool again = n > 0 && policy && !strcmp(list[0].hash, policy->hash) &&
		     (!d->version || !strcmp(list[0].version, d->version));
	bool more = policy && rc == 0 && !again;
	if (more)
		rc = write_about(d, policy, file);
	if (more && rc == 0)
		rc = put(d);
	if (more && rc == 0) {
		forget_machines(d, list, n);
		forget(d->folder, list, (unsigned)n, keep);
	}
	if (!more || rc < 0)
		away(d->made);
	free(list);
	return rc;
}
