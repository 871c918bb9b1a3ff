// SPDX-License-Identifier: BSD-3-Clause
#include "disk.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/spool_fixture.h"

#define FDS 1024
#define SECTOR 512

const char *const disk_call_names[DISK_CALL_COUNT] = {
#define X(symbol) #symbol,
	DISK_CALLS(X)
#undef X
};

static struct disk *disk;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file_of {
	uint32_t serial; // 0: not of the folder
	char name[56];
} fds[FDS];
static struct dirty {
	uint64_t from, to;
} dirty[1 << 16]; // by serial

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name)
{
	void *at = dlsym(RTLD_NEXT, name);
	if (!at)
		abort();
	return at;
}

static void shadow_name(const struct disk *d, char path[300], uint32_t serial)
{
	snprintf(path, 300, "%s/%u", d->shadow, serial);
}

static struct disk_name *named(struct disk_names *names, const char *name)
{
	for (unsigned i = 0; i < names->n; i++)
		if (!strcmp(names->name[i].name, name))
			return &names->name[i];
	return NULL;
}

static void unname(struct disk_names *names, const char *name)
{
	struct disk_name *n = named(names, name);
	if (n)
		*n = names->name[--names->n];
}

static void name_it(struct disk_names *names, const char *name, uint32_t serial)
{
	unname(names, name);
	if (names->n == DISK_NAMES)
		abort();
	struct disk_name *n = &names->name[names->n++];
	snprintf(n->name, sizeof(n->name), "%.55s", name);
	n->serial = serial;
}

static bool ends(const char *name, const char *ending)
{
	size_t n = strlen(name), m = strlen(ending);
	return n >= m && !strcmp(name + n - m, ending);
}

static enum disk_call call_of(const char *name, enum disk_call segment, enum disk_call cursor, enum disk_call copy)
{
	return ends(name, ".seg") || ends(name, ".ahead") ? segment
	       : ends(name, ".cur")                       ? cursor
	       : ends(name, ".tmp")                       ? copy
							  : DISK_NONE;
}

// The end may come here.
static void passing(enum disk_call call, bool after)
{
	if (!disk || call == DISK_NONE)
		return;
	disk->calls[call] += !after;
	if (call == disk->kill && disk->calls[call] == disk->kill_at && after == disk->kill_after)
		raise(SIGKILL);
}

static bool fails(void)
{
	if (!disk || !disk->fault)
		return false;
	disk->any = mix(disk->any);
	disk->faults += disk->any % disk->fault == 0;
	return disk->any % disk->fault == 0;
}

static struct file_of *of(int fd)
{
	return disk && fd >= 0 && fd < FDS && fds[fd].serial ? &fds[fd] : NULL;
}

static void soiled(uint32_t serial, uint64_t from, uint64_t to)
{
	struct dirty *d = &dirty[serial % (1 << 16)];
	if (d->to == 0)
		*d = (struct dirty){from, to};
	d->from = from < d->from ? from : d->from;
	d->to = to > d->to ? to : d->to;
}

int openat(int dir, const char *name, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	int (*next)(int, const char *, int, ...) = REAL(openat);
	if (!disk || strchr(name, '/'))
		return next(dir, name, flags, mode);
	pthread_mutex_lock(&lock);
	struct disk_name *was = named(&disk->now, name);
	enum disk_call call = flags & O_CREAT && !was ? call_of(name, DISK_SEGMENT_CREATE, 0, 0) : DISK_NONE;
	passing(call, false);
	int fd = call && fails() ? (errno = ENOSPC, -1) : next(dir, name, flags, mode);
	passing(call, true);
	if (fd >= 0 && fd < FDS) {
		if (!was && flags & O_CREAT) {
			name_it(&disk->now, name, ++disk->serial);
			dirty[disk->serial % (1 << 16)] = (struct dirty){0};
			was = named(&disk->now, name);
		}
		fds[fd].serial = was ? was->serial : 0;
		snprintf(fds[fd].name, sizeof(fds[fd].name), "%.50s", name);
		if (was && flags & O_TRUNC)
			soiled(was->serial, 0, 1);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	pthread_mutex_lock(&lock);
	struct file_of *f = of(fd);
	enum disk_call call = f ? call_of(f->name, DISK_SEGMENT_WRITE, DISK_CURSOR_WRITE, DISK_COPY_WRITE) : DISK_NONE;
	passing(call, false);
	bool bad = call && fails();
	if (bad)
		n /= 2; // a full disk takes some of it
	ssize_t took = bad && n == 0 ? (errno = ENOSPC, -1) : REAL(pwrite)(fd, p, n, at);
	if (f && took > 0)
		soiled(f->serial, (uint64_t)at, (uint64_t)at + (uint64_t)took);
	if (bad && disk->any & 1 << 20)
		took = (errno = disk->any & 1 << 21 ? EIO : ENOSPC, -1);
	passing(call, true);
	pthread_mutex_unlock(&lock);
	return took;
}

// What was written up to when that was noted.
static void keep(uint32_t serial, int fd, struct dirty d, off_t size)
{
	static uint8_t bytes[1 << 20];
	char path[300];
	shadow_name(disk, path, serial);
	int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (to < 0)
		abort();
	for (uint64_t at = d.from; at < d.to;) {
		size_t want = d.to - at < sizeof(bytes) ? (size_t)(d.to - at) : sizeof(bytes);
		ssize_t n = pread(fd, bytes, want, (off_t)at);
		if (n <= 0)
			break; // it is shorter now
		if (REAL(pwrite)(to, bytes, (size_t)n, (off_t)at) != n)
			abort();
		at += (uint64_t)n;
	}
	if (ftruncate(to, size) != 0)
		abort();
	close(to);
}

static bool is_slow(enum disk_call call)
{
	if (call != DISK_SEGMENT_SYNC || !disk->slow)
		return false;
	disk->any = mix(disk->any);
	return disk->any % disk->slow == 0;
}

int fdatasync(int fd)
{
	pthread_mutex_lock(&lock);
	struct file_of *f = of(fd);
	enum disk_call call = f ? call_of(f->name, DISK_SEGMENT_SYNC, DISK_CURSOR_SYNC, DISK_COPY_SYNC) : DISK_NONE;
	passing(call, false);
	int rc = 0;
	struct stat st;
	if (f) {
		uint32_t serial = f->serial;
		struct dirty *d = &dirty[serial % (1 << 16)], was = *d;
		bool bad = fails();
		*d = (struct dirty){0};
		if (fstat(fd, &st) != 0)
			abort();
		if (is_slow(call)) {
			disk->slowed++;
			pthread_mutex_unlock(&lock);
			usleep(disk->slow_ms * 1000);
			pthread_mutex_lock(&lock);
		}
		if (bad)
			rc = (errno = EIO, -1);
		else
			keep(serial, fd, was, st.st_size);
	}
	passing(call, true);
	pthread_mutex_unlock(&lock);
	return rc;
}

// Of the folder; other files are not asked for so.
int fsync(int fd)
{
	pthread_mutex_lock(&lock);
	passing(DISK_FOLDER_SYNC, false);
	int rc = disk && fails() ? (errno = EIO, -1) : 0;
	if (disk && rc == 0)
		disk->durable = disk->now;
	passing(DISK_FOLDER_SYNC, true);
	pthread_mutex_unlock(&lock);
	return rc;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	pthread_mutex_lock(&lock);
	passing(DISK_RENAME, false);
	int rc = disk && fails() ? (errno = EIO, -1) : REAL(renameat)(from_dir, from, to_dir, to);
	struct disk_name *was = disk && rc == 0 ? named(&disk->now, from) : NULL;
	if (was) {
		uint32_t serial = was->serial;
		unname(&disk->now, from);
		name_it(&disk->now, to, serial);
	}
	passing(DISK_RENAME, true);
	pthread_mutex_unlock(&lock);
	return rc;
}

int unlinkat(int dir, const char *name, int flags)
{
	pthread_mutex_lock(&lock);
	passing(DISK_UNLINK, false);
	int rc = REAL(unlinkat)(dir, name, flags);
	if (disk && rc == 0)
		unname(&disk->now, name);
	passing(DISK_UNLINK, true);
	pthread_mutex_unlock(&lock);
	return rc;
}

// ---- its ends ----------------------------------------------------------------------------------------------------

static size_t load(const char *path, uint8_t *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, to, room);
	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static void store(const char *path, const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	close(fd);
}

#define FILE_ROOM (1 << 20)
static uint8_t now[FILE_ROOM], kept[FILE_ROOM];

// All that is there is durable.
static void begin_anew(struct disk *d)
{
	char path[300], to[300];
	remove_folder(d->shadow);
	mkdir(d->shadow, 0700);
	mkdir(d->folder, 0700);
	d->now.n = 0;
	DIR *dir = opendir(d->folder);
	for (const struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.')
			continue;
		name_it(&d->now, e->d_name, ++d->serial);
		snprintf(path, sizeof(path), "%s/%.100s", d->folder, e->d_name);
		shadow_name(d, to, d->serial);
		store(to, now, load(path, now, sizeof(now)));
	}
	closedir(dir);
	d->durable = d->now;
}

void disk_begin(struct disk *d)
{
	memset(d->calls, 0, sizeof(d->calls));
	if (!d->killed)
		begin_anew(d);
	for (unsigned i = 0; d->killed && i < d->now.n; i++)
		dirty[d->now.name[i].serial % (1 << 16)] = (struct dirty){0, FILE_ROOM};
	disk = d;
}

// Of the two contents, half a kilobyte of this, half a kilobyte of that.
static size_t blend(size_t n, size_t k, uint64_t any)
{
	for (size_t at = 0; at < n; at += SECTOR) {
		any = mix(any);
		size_t part = n - at < SECTOR ? n - at : SECTOR;
		if (any & 1 && at < k)
			memcpy(now + at, kept + at, part);
		else if (any & 1)
			memset(now + at, 0, part);
	}
	return n;
}

void disk_power_lost(struct disk *d, bool mixed, uint64_t any)
{
	struct disk_names names = mixed && mix(any) & 1 ? d->now : d->durable;
	char path[300], safe[140], shadow[300];
	snprintf(safe, sizeof(safe), "%s.after", d->folder);
	mkdir(safe, 0700);
	for (unsigned i = 0; i < names.n; i++) {
		const struct disk_name *n = &names.name[i];
		shadow_name(d, shadow, n->serial);
		size_t len = load(shadow, kept, sizeof(kept)), live = 0;
		for (unsigned k = 0; k < d->now.n && mixed; k++)
			if (d->now.name[k].serial == n->serial) {
				snprintf(path, sizeof(path), "%s/%s", d->folder, d->now.name[k].name);
				live = load(path, now, sizeof(now));
			}
		if (live)
			live = blend(live, len, any + n->serial);
		snprintf(path, sizeof(path), "%s/%s", safe, n->name);
		store(path, live ? now : kept, live ? live : len);
	}
	remove_folder(d->folder);
	if (rename(safe, d->folder) != 0)
		abort();
}
