// SPDX-License-Identifier: BSD-3-Clause
//
// The spool's folder, as the doctor sees it: is it there or can it be made, may the configured user write in it, does
// its filesystem have as much as the bound allows to wait, and does it keep what it has over a restart. Nothing is
// made: a start as root makes the folder and gives it to the user.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ctl/privilege.h"
#include "doctor.h"

#define CHECK "spool"
#define ELSEWHERE "sluice run ... --set spool.path=FOLDER"

// The nearest folder above that is there.
static void above(char path[PATH_MAX])
{
	while (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
		char *slash = strrchr(path, '/');
		if (!slash)
			strcpy(path, ".");
		else
			slash[slash == path] = 0;
	}
}

static void folder(struct doctor *d, const char *path, const char *at)
{
	const char *who = *d->config.user ? d->config.user : "root";
	bool there = !strcmp(path, at), root = geteuid() == 0;
	char inside[PATH_MAX + 2];
	snprintf(inside, sizeof(inside), "%s/.", at);
	bool ours = access(inside, W_OK | X_OK) == 0; // of who starts it; EROFS, ENOTDIR are root's, too
	int error = errno;
	bool theirs = there && privilege_may(&d->config, at, W_OK | X_OK);
	char fix[192] = "";
	if (!ours || (there && !theirs))
		snprintf(fix, sizeof(fix), there ? "chown %.31s '%.99s'" : "install -d -o %.31s '%.99s'", who, path);
	if (!ours && !theirs)
		doctor_say(d, DOCTOR_BAD, CHECK, false, error == EROFS || error == ENOTDIR ? ELSEWHERE : fix,
			   "%.99s: %.99s: %s", path, at, strerror(error));
	else if (there && !theirs)
		doctor_say(d, root ? DOCTOR_WARN : DOCTOR_BAD, CHECK, false, fix, "%.99s is closed to %s%s", path, who,
			   root ? ", who is given it at a start by root" : "");
	else
		doctor_say(d, DOCTOR_OK, CHECK, false, "", "%.99s %s", path,
			   there ? "can be written" : "is made at the start");
}

// Bytes that the spool has there already: they count within its bound.
static uint64_t taken(const char *path)
{
	uint64_t sum = 0;
	struct stat st;
	DIR *dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_blocks * 512;
	if (dir)
		closedir(dir);
	return sum;
}

void doctor_spool(struct doctor *d)
{
	const struct config_spool *c = &d->config.spool;
	char at[PATH_MAX], fix[192] = "";
	struct statfs fs = {0};
	unsigned waits = 0;
	for (unsigned i = 0; i < d->config.nsinks; i++)
		waits += !sink_of_frames(&d->config.sinks[i]);
	if (!waits)
		return;
	if (!*c->path)
		return doctor_say(d, DOCTOR_WARN, CHECK, false, ELSEWHERE,
				  "in memory: what sinks have not taken is gone with the process");
	snprintf(at, sizeof(at), "%s", c->path);
	above(at);
	folder(d, c->path, at);
	statfs(at, &fs);
	uint64_t mb = (fs.f_bavail * (uint64_t)fs.f_bsize + taken(c->path)) >> 20;
	bool enough = mb >= c->max_mb, memory = fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
	if (!enough)
		snprintf(fix, sizeof(fix), "sluice run ... --set spool.max_mb=%llu", (unsigned long long)mb / 10 * 9);
	doctor_say(d, enough ? DOCTOR_OK : DOCTOR_WARN, CHECK, false, fix, "room for %llu MiB, and spool.max_mb=%u%s",
		   (unsigned long long)mb, c->max_mb,
		   enough ? "" : ": a full disk decides before the bound does what is lost");
	doctor_say(d, memory ? DOCTOR_WARN : DOCTOR_OK, CHECK, false, memory ? ELSEWHERE : "", "%.99s is %s", at,
		   memory ? "in memory (tmpfs): what waits is gone with the power" : "on a disk");
}
