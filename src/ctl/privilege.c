// SPDX-License-Identifier: BSD-3-Clause
//
// Least privilege. In: a config whose ports, sinks and sockets are open. Out: a process of the config's user that can
// do what a port that comes back needs, and on its workers nothing but forward. Control thread; privilege_worker on
// each worker.
//
// setresuid is the C library's, which carries it to all threads; those that are there (DPDK's interrupt thread, the
// shipper) lose every capability by it. The control thread keeps those of `kept`, also over exec (ambient): a process
// that starts itself again because a worker stalled has them still. Where `user` is empty the process stays who it is,
// and DPDK's and the shipper's threads keep what they were started with.
//
// System calls are a list of what the threads do (taken by strace over the tests of tests/live), EPERM for all others:
// killing would take the network down for a call that some libc makes new. exec is on it for the sake of the restart;
// the unit allows no other program (NoExecPaths). New namespaces and processes that are traced are not.
#include "ctl/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/kernel.h"

#define ROOM "run"
#define OF(type) (1u << PORT_##type)
#define KERNEL (OF(AF_XDP) | OF(AF_PACKET))

// What stays, for which types of ports, and why.
static const struct kept {
	unsigned cap, types;
	const char *name;
} kept[] = {
	{CAP_NET_RAW, KERNEL, "net_raw"},               // the sockets of a port that comes back
	{CAP_NET_ADMIN, KERNEL | OF(TAP), "net_admin"}, // its MTU, promiscuity, and attaching XDP to it
	{CAP_BPF, OF(AF_XDP), "bpf"},                   // the XDP program and its maps, again
	{CAP_PERFMON, OF(AF_XDP), "perfmon"},           // which compares pointers into packets
	{CAP_IPC_LOCK, OF(AF_XDP), "ipc_lock"},         // buffers lent to the kernel stay, whatever ulimit -l says
};
#define KEPT (sizeof(kept) / sizeof(kept[0]))

// Of the threads that are no workers, by what they are for.
static const char *const control_calls[] = {
	// events and time
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_ctl",
	"epoll_create",
	"epoll_create1",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_gettime",
	"signalfd4",
	"eventfd2",
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"nanosleep",
	"clock_nanosleep",
	"clock_gettime",
	"clock_getres",
	"gettimeofday",
	"time",
	"setitimer",
	"timer_create",
	"timer_settime",
	"timer_delete",
	"alarm",
	// memory and threads
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"brk",
	"mlock",
	"mlock2",
	"munlock",
	"mlockall",
	"memfd_create",
	"futex",
	"membarrier",
	"rseq",
	"set_robust_list",
	"get_robust_list",
	"set_tid_address",
	"arch_prctl",
	"prctl",
	"gettid",
	"getpid",
	"getppid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getgroups",
	"getresuid",
	"getresgid",
	"exit",
	"exit_group",
	"sched_yield",
	"sched_getaffinity",
	"sched_setaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"get_mempolicy",
	"set_mempolicy",
	"mbind",
	"move_pages",
	"getcpu",
	"sysinfo",
	"uname",
	"getrandom",
	"prlimit64",
	"getrlimit",
	"setrlimit",
	"getrusage",
	"times",
	"capget",
	"capset",
	"seccomp",
	// signals, and the child that tries regexes of a policy
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"rt_sigpending",
	"sigaltstack",
	"tgkill",
	"kill",
	"pause",
	"restart_syscall",
	"wait4",
	"waitid",
	"pipe",
	"pipe2",
	"fork",
	"vfork",
	"execve",
	// files
	"read",
	"pread64",
	"readv",
	"preadv",
	"write",
	"pwrite64",
	"writev",
	"open",
	"openat",
	"close",
	"close_range",
	"lseek",
	"stat",
	"fstat",
	"lstat",
	"newfstatat",
	"statx",
	"statfs",
	"fstatfs",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getdents64",
	"getcwd",
	"mkdir",
	"mkdirat",
	"rename",
	"renameat",
	"renameat2",
	"link",
	"linkat",
	"unlink",
	"unlinkat",
	"rmdir",
	"ftruncate",
	"fallocate",
	"fsync",
	"fdatasync",
	"fcntl",
	"flock",
	"dup",
	"dup2",
	"dup3",
	"umask",
	"chmod",
	"fchmod",
	"fchmodat",
	"chown",
	"fchown",
	"fchownat",
	"fadvise64",
	"utimensat",
	"copy_file_range",
	"sendfile",
	"ioctl",
	// sockets; socket() itself by family
	"bind",
	"listen",
	"accept",
	"accept4",
	"connect",
	"shutdown",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	"sendto",
	"recvfrom",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"recvmmsg",
	"socketpair",
	"bpf",
};

// Ports' rx and tx, sleep, the C library's locks and memory at the end. Without arguments to look at, so that the
// kernel answers them from a bitmap.
static const char *const worker_calls[] = {
	"sendto",
	"recvfrom",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"read",
	"readv",
	"write",
	"writev",
	"pwrite64",
	"lseek",
	"poll",
	"ppoll",
	"nanosleep",
	"clock_nanosleep",
	"futex",
	"madvise",
	"munmap",
	"mmap",
	"mprotect",
	"brk",
	"exit",
	"exit_group",
	"rseq",
	"set_robust_list",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigaltstack", // at a thread's end, under sanitizers
	"rt_sigaction",
	"gettid",
	"getpid",
	"tgkill",
	"access",
	"prctl",
	"sched_yield",
	"sched_getaffinity",
	"clock_gettime",
	"gettimeofday",
	"restart_syscall",
	"epoll_wait",
	"getcpu",
	"setresuid",
	"setresgid",
	"setgroups",
	"sched_setaffinity",
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, 44 /* AF_XDP */};

// ---- system calls ------------------------------------------------------------------------------------------------

static int allow(scmp_filter_ctx f, const char *const *calls, unsigned n)
{
	int rc = 0;
	for (unsigned i = 0; i < n && rc == 0; i++) {
		int call = seccomp_syscall_resolve_name(calls[i]);
		if (call != __NR_SCMP_ERROR)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 0);
	}
	return rc;
}

#define NAMESPACES                                                                                                     \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static int control_rules(scmp_filter_ctx f)
{
	int rc = allow(f, control_calls, sizeof(control_calls) / sizeof(control_calls[0]));
	for (unsigned i = 0; i < sizeof(families) / sizeof(families[0]) && rc == 0; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
	if (rc == 0) // its flags are in memory, where a filter does not see them: the C library then takes clone
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return rc;
}

static int filter(bool worker)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!f)
		return -ENOMEM;
	int rc = worker ? allow(f, worker_calls, sizeof(worker_calls) / sizeof(worker_calls[0])) : control_rules(f);
	if (rc == 0 && !worker)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

// ---- capabilities ------------------------------------------------------------------------------------------------

static int caps_are(uint64_t caps)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{(uint32_t)caps, (uint32_t)caps, (uint32_t)caps},
					      {(uint32_t)(caps >> 32), (uint32_t)(caps >> 32), (uint32_t)(caps >> 32)}};
	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

static uint64_t caps_had(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {0};
	if (syscall(SYS_capget, &h, d) < 0)
		return 0;
	return (uint64_t)d[1].permitted << 32 | d[0].permitted;
}

static uint64_t caps_wanted(const struct config *c, bool root, char *names, size_t room)
{
	uint64_t had = caps_had(), caps = root ? had & 1ull << CAP_DAC_OVERRIDE : 0; // whoever's files the policy is in
	unsigned types = 0;
	size_t at = 0;
	for (unsigned i = 0; i < c->nports; i++)
		types |= 1u << c->ports[i].port.type;
	for (unsigned i = 0; i < c->npaths; i++)
		types |= kernel_wanted(&c->paths[i]) ? OF(TAP) : 0; // its ends in the kernel, and neighbours there
	for (unsigned i = 0; i < KEPT; i++) {
		if (!(kept[i].types & types) || !(had >> kept[i].cap & 1))
			continue;
		caps |= 1ull << kept[i].cap;
		at += (size_t)snprintf(names + at, room - at, "%s%s", at ? "," : "", kept[i].name);
	}
	return caps;
}

// ---- who ---------------------------------------------------------------------------------------------------------

static const struct passwd *becomes(const struct config *c)
{
	return *c->user && geteuid() == 0 ? getpwnam(c->user) : NULL;
}

static int become(const struct passwd *who)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    initgroups(who->pw_name, who->pw_gid) < 0)
		return -errno;
	if (setresgid(who->pw_gid, who->pw_gid, who->pw_gid) < 0 ||
	    setresuid(who->pw_uid, who->pw_uid, who->pw_uid) < 0)
		return -errno;
	return 0;
}

// Beyond what it has nothing can be had again, not by exec either.
static void bound(uint64_t caps)
{
	for (unsigned i = 0; i < 64 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(caps >> i & 1))
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0); // without CAP_SETPCAP it stays, and is of no use
}

static void over_exec(uint64_t caps)
{
	for (unsigned i = 0; i < 64; i++)
		if (caps >> i & 1)
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
}

static int said(const char *what, int rc)
{
	log_say(LOG_ERROR, ROOM, "privileges cannot be dropped: %s: %s", what, strerror(-rc));
	return rc;
}

int privilege_drop(const struct config *c)
{
	char names[128] = "none";
	const struct passwd *who = becomes(c);
	uint64_t caps = caps_wanted(c, !who && geteuid() == 0, names, sizeof(names));
	int rc;
	if (*c->user && geteuid() == 0 && !who)
		return said(c->user, -ENOENT);
	if (who && *c->control.socket && chown(c->control.socket, who->pw_uid, (gid_t)-1) < 0)
		return said(c->control.socket, -errno);
	bound(caps);
	if (who && (rc = become(who)) < 0)
		return said(c->user, rc);
	if ((rc = caps_are(caps)) < 0)
		return said("capabilities", rc);
	over_exec(caps);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return said("no_new_privs", -errno);
	if ((rc = filter(false)) < 0)
		return said("seccomp", rc);
	if (!who && geteuid() == 0)
		log_say(LOG_WARNING, ROOM, "stays root: the config names no user");
	log_say(LOG_NOTICE, ROOM, "privileges uid=%u capabilities=%s no_new_privs seccomp", geteuid(), names);
	return 0;
}

bool privilege_worker(void)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return caps_are(0) == 0 && filter(true) == 0;
}

// Without a user it is root, and whoever's the files are.
void privilege_reader(void)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (caps_are(caps_had() & 1ull << CAP_DAC_OVERRIDE) < 0)
		log_say(LOG_WARNING, ROOM, "a policy is read with the capabilities of the control thread");
}

int privilege_folder(const struct config *c, const char *folder)
{
	const struct passwd *who = becomes(c);
	char path[CONFIG_FILE];
	snprintf(path, sizeof(path), "%s", folder);
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		mkdir(path, 0755);
		*at = '/';
	}
	bool made = mkdir(path, 0755) == 0;
	if (!made && errno != EEXIST)
		return -errno;
	if (made && who && chown(path, who->pw_uid, who->pw_gid) < 0)
		return -errno;
	return access(path, W_OK) < 0 ? -errno : privilege_may(c, path, W_OK | X_OK) ? 0 : -EACCES;
}

void privilege_give(const struct config *c, const char *path)
{
	struct stat st;
	const struct passwd *who = becomes(c);
	int fd = who && strcmp(path, "-") ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fchown(fd, who->pw_uid, who->pw_gid) < 0)
		log_say(LOG_WARNING, ROOM, "%s cannot be given to %s: %s", path, c->user, strerror(errno));
	close(fd);
}

// Asked by a process that is the user: modes, groups, lists and mounts are the kernel's to weigh.
bool privilege_may(const struct config *c, const char *path, int mode)
{
	int status = 0;
	const struct passwd *who = becomes(c);
	pid_t child = who ? fork() : -1;
	if (child == 0)
		_exit(initgroups(who->pw_name, who->pw_gid) < 0 ||
		      setresgid(who->pw_gid, who->pw_gid, who->pw_gid) < 0 ||
		      setresuid(who->pw_uid, who->pw_uid, who->pw_uid) < 0 || access(path, mode) < 0);
	if (child < 0)
		return access(path, mode) == 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

void privilege_again(char **argv)
{
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	execv("/proc/self/exe", argv);
	log_say(LOG_ERROR, ROOM, "cannot start itself again: %s", strerror(errno));
}
