// SPDX-License-Identifier: BSD-3-Clause
//
// Opens the fast path's maps before the AF_XDP driver does, names the ports in them, and runs the thread that carries
// verdicts in and counts out (fastpath_flows.c).
//
// Each port loads the object by itself, for a socket map of its own. What they share is made here first, from the same
// bytes, which also says what the kernel thinks of the program before a port depends on it, and given to them by
// descriptors; another loader (DPDK's driver) finds it pinned by name. The object is part of this binary, so that the
// two are never of different versions; ports get it as a file in memory.
//
// One process has /sys/fs/bpf: names are libbpf's to choose. Who has it holds a
// lock on the folder sluice/, which the kernel takes away with the process. What a dead one left: pinned maps, which
// are of no use (their secret is gone with it) and unpinned here, and its program on the ports, which goes on acting by
// the fail mode until fastpath_take.
#include "ctl/fastpath.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <rte_common.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/port.h"
#include "ctl/fastpath_flows.h"
#include "ctl/xdp_features.h"

#include "fastpath_object.h" // fastpath_bytes[], made by the build of bpf/fastpath.bpf.c

#define PINS "/sys/fs/bpf"
#define FASTPATH_MAPS 5
#define ROUNDS_A_LOOK 100 // at interfaces: one a second
#define ROUND_NS 10000000 // a verdict is in the map within this; 100 wake-ups a second are 0.1 % of a core

const struct fastpath_door_row fastpath_door_rows[] = {
#define X(symbol, whose, word, help) [FASTPATH_DOOR_##symbol] = {word, help, FASTPATH_WHOSE_##whose},
	FASTPATH_DOORS(X)
#undef X
};

struct fastpath {
	struct bpf_object *object;
	int doors, own;
	struct fastpath_slot *slots;
	struct fastpath_bucket *buckets;
	struct fastpath_port *ports;
	struct fastpath_link links[FASTPATH_PORTS];
	struct fastpath_port *port[FASTPATH_PORTS]; // of each link; NULL: its interface is not there
	int8_t sends[FASTPATH_PORTS]; // of each link: what it takes goes across, as far as drivers say; -1: not yet
				      // asked
	unsigned nlinks;
	struct xdp_features features;
	uint32_t stale_ms;
	uint64_t secret[FASTPATH_SECRET_WORDS];
	int lock; // the folder sluice/
	int image;
	char image_path[32];
	struct port_map maps[FASTPATH_MAPS + 1]; // which every port's program shares; the last has no name
	char pins[64];
	pthread_mutex_t busy; // around flows
	struct fastpath_flows *flows;
	pthread_t thread;
	bool started;
	_Atomic bool stop;
};

static int fail(int rc, char *why, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return rc;
}

// libbpf's words, ours and the driver's, a line each: why the verifier said no is many.
static int heard(enum libbpf_print_level level, const char *format, va_list args)
{
	enum log_level as = level == LIBBPF_WARN ? LOG_WARNING : LOG_DEBUG;
	char *text, *rest = NULL;
	if (!log_wants(as, "bpf") || vasprintf(&text, format, args) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		log_say(as, "bpf", "%s", line);
	free(text);
	return 0;
}

// Maps.

static const char *const names[FASTPATH_MAPS] = {"sluice_buckets", "sluice_slots", "sluice_ports", "sluice_doors",
						 "sluice_own"};

static void unpin(const struct fastpath *f)
{
	for (unsigned i = 0; i < RTE_DIM(names); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", f->pins, names[i]);
		unlink(path);
	}
}

// Who has a lock on the same folder (proc_locks(5)); 0: nobody that we can see.
static long holder(int fd)
{
	struct stat st;
	long pid = 0, p;
	unsigned long inode;
	unsigned major, minor;
	FILE *f = fopen("/proc/locks", "re");
	for (char line[160]; f && !pid && fgets(line, sizeof(line), f);)
		if (sscanf(line, "%*s FLOCK %*s %*s %ld %x:%x:%lu", &p, &major, &minor, &inode) == 4 &&
		    !fstat(fd, &st) && inode == st.st_ino && makedev(major, minor) == st.st_dev)
			pid = p;
	if (f)
		fclose(f);
	return pid;
}

static int hold(struct fastpath *f, char *why, size_t size)
{
	char folder[128];
	struct statfs fs;
	if (statfs(f->pins, &fs) || fs.f_type != BPF_FS_MAGIC)
		return fail(-ENODEV, why, size, "%s is no bpffs: mount -t bpf bpf %s", f->pins, PINS);
	snprintf(folder, sizeof(folder), "%s/sluice", f->pins);
	if (mkdir(folder, 0700) && errno != EEXIST)
		return fail(-errno, why, size, "%s: %s", folder, strerror(errno));
	f->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->lock < 0)
		return fail(-errno, why, size, "%s: %s", folder, strerror(errno));
	if (flock(f->lock, LOCK_EX | LOCK_NB))
		return fail(-EBUSY, why, size, "the fast path is held by another process, pid %ld (%s)",
			    holder(f->lock), folder);
	return 0;
}

static void *map_shared(const struct bpf_map *map)
{
	size_t bytes = bpf_map__value_size(map) * (size_t)bpf_map__max_entries(map);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, const char *name, const struct fastpath *f)
{
	const struct bpf_map *map = p ? bpf_object__find_map_by_name(f->object, name) : NULL;
	if (map)
		munmap(p, bpf_map__value_size(map) * (size_t)bpf_map__max_entries(map));
}

static int load(struct fastpath *f, char *why, size_t size)
{
	if (sizeof(fastpath_bytes) == 0)
		return fail(-ENOTSUP, why, size, "built without the fast path (meson option bpf)");
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sluice", .pin_root_path = f->pins);
	f->object = bpf_object__open_mem(fastpath_bytes, sizeof(fastpath_bytes), &opts);
	int rc = f->object ? bpf_object__load(f->object) : -errno;
	if (rc)
		return fail(rc, why, size, "the kernel does not take the XDP program: %s", strerror(-rc));
	for (unsigned i = 0; i < FASTPATH_MAPS; i++)
		f->maps[i] = (struct port_map){names[i], bpf_object__find_map_fd_by_name(f->object, names[i])};
	f->doors = bpf_object__find_map_fd_by_name(f->object, "sluice_doors");
	f->own = bpf_object__find_map_fd_by_name(f->object, "sluice_own");
	f->slots = map_shared(bpf_object__find_map_by_name(f->object, "sluice_slots"));
	f->buckets = map_shared(bpf_object__find_map_by_name(f->object, "sluice_buckets"));
	f->ports = map_shared(bpf_object__find_map_by_name(f->object, "sluice_ports"));
	return f->slots && f->buckets && f->ports
		       ? 0
		       : fail(-errno, why, size, "maps of the XDP program: %s", strerror(errno));
}

static int image(struct fastpath *f, char *why, size_t size)
{
	f->image = memfd_create("fastpath.bpf.o", MFD_CLOEXEC);
	if (f->image < 0 || write(f->image, fastpath_bytes, sizeof(fastpath_bytes)) != sizeof(fastpath_bytes))
		return fail(-errno, why, size, "memfd: %s", strerror(errno));
	snprintf(f->image_path, sizeof(f->image_path), "/proc/self/fd/%d", f->image);
	return 0;
}

const char *fastpath_object(const struct fastpath *f)
{
	return f->image_path;
}

const struct port_map *fastpath_maps(const struct fastpath *f)
{
	return f->maps;
}

// Ports.

// veth was tried; the others' receive path asks for metadata (xdp_prepare_buff's last argument). Who is not here has
// the prefix, which every driver has room for: a driver that is here wrongly would lose all that comes up, by NO_TAG.
static enum fastpath_carrier carrier_of(const char *interface)
{
	static const char *const able[] = {"veth", "virtio_net", "i40e", "ice"};
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {.ifr_data = (void *)&info};
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = ioctl(s, SIOCETHTOOL, &r);
	close(s);
	for (unsigned i = 0; rc == 0 && i < RTE_DIM(able); i++)
		if (strcmp(info.driver, able[i]) == 0)
			return FASTPATH_METADATA;
	return FASTPATH_PREFIX;
}

static struct fastpath_port *place(struct fastpath *f, uint32_t ifindex)
{
	for (uint32_t i = 0; i < FASTPATH_PROBES; i++) {
		struct fastpath_port *p = &f->ports[(ifindex + i) % FASTPATH_PORTS];
		if (p->ifindex == 0)
			return p;
	}
	return NULL;
}

static void leave_place(struct fastpath *f, unsigned link)
{
	if (f->port[link])
		__atomic_store_n(&f->port[link]->ifindex, 0, __ATOMIC_RELEASE);
	f->port[link] = NULL;
}

// Does XDP's redirect leave by the port across? A veth's far end may be in another namespace: without NAPI there the
// kernel throws away what comes so, and counts it nowhere that people look. A program that runs outside the driver
// hands over to the kernel's queues, which every interface has.
static bool sends(const struct fastpath *f, uint32_t ifindex, uint32_t peer)
{
	return !(xdp_features_of(&f->features, ifindex) & XDP_FEATURE_BASIC) ||
	       (xdp_features_of(&f->features, peer) & XDP_FEATURE_XMIT);
}

// A link whose way across changed: stored here, and said. anew: a port is new, and so is its place.
static void look_across(struct fastpath *f, unsigned link, bool anew)
{
	struct fastpath_port *p = f->port[link];
	if (!p || !p->peer)
		return;
	bool can = sends(f, p->ifindex, p->peer);
	if (can != f->sends[link] || anew)
		__atomic_store_n(&p->across, can, __ATOMIC_RELAXED);
	if (can == f->sends[link])
		return;
	const char *from = f->links[link].interface, *to = f->links[f->links[link].peer].interface;
	if (!can)
		log_say(LOG_WARNING, "fastpath",
			"what settles on %s comes up all the same: %s does not send what XDP redirects to it; a veth "
			"does with "
			"NAPI at its far end: ethtool -K FAR_END gro on, there",
			from, to);
	else
		log_say(LOG_NOTICE, "fastpath", "what settles on %s leaves by %s in XDP", from, to);
	f->sends[link] = can;
}

// The program looks at a place from when ifindex stands in it, and must not be there before the port's place is right:
// only fastpath_take comes between.
static int name_port(struct fastpath *f, unsigned link, uint32_t ifindex)
{
	const struct fastpath_link *l = &f->links[link];
	leave_place(f, link);
	struct fastpath_port *p = place(f, ifindex);
	if (!p)
		return -ENOSPC;
	*p = (struct fastpath_port){.peer = l->peer >= 0 ? if_nametoindex(f->links[l->peer].interface) : 0,
				    .pid = getpid(),
				    .number = link,
				    .fail = l->fail,
				    .carrier = carrier_of(l->interface),
				    .own = l->own,
				    .stale_ms = f->stale_ms};
	memcpy(p->secret, f->secret, sizeof(p->secret));
	f->port[link] = p;
	__atomic_store_n(&p->ifindex, ifindex, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < f->nlinks; i++) {
		if (!f->port[i] || f->links[i].peer != (int)link)
			continue;
		__atomic_store_n(&f->port[i]->peer, ifindex, __ATOMIC_RELAXED);
		look_across(f, i, true);
	}
	look_across(f, link, true);
	return 0;
}

void fastpath_across(struct fastpath *f, unsigned link, bool there)
{
	pthread_mutex_lock(&f->busy);
	for (unsigned i = 0; i < f->nlinks; i++) {
		if (!f->port[i] || f->links[i].peer != (int)link)
			continue;
		if (there)
			look_across(f, i, true);
		else
			__atomic_store_n(&f->port[i]->across, 0, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&f->busy);
}

static int sweep_port(uint32_t ifindex, const char *interface, char *why, size_t size)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_prog_info info = {0};
	uint32_t bytes = sizeof(info);
	if (bpf_xdp_query(ifindex, 0, &q) || q.prog_id == 0)
		return 0;
	int fd = bpf_prog_get_fd_by_id(q.prog_id);
	int rc = fd < 0 ? -errno : bpf_obj_get_info_by_fd(fd, &info, &bytes);
	close(fd);
	if (rc || strcmp(info.name, FASTPATH_PROGRAM) != 0)
		return fail(-EBUSY, why, size, "%s has another XDP program (%s): ip link set dev %s xdp off", interface,
			    info.name[0] ? info.name : "?", interface);
	rc = bpf_xdp_detach(ifindex, 0, NULL);
	return rc ? fail(rc, why, size, "%s: the XDP program of before stays: %s", interface, strerror(-rc)) : 0;
}

int fastpath_take(struct fastpath *f, unsigned link, char *why, size_t size)
{
	const char *interface = f->links[link].interface;
	uint32_t ifindex = if_nametoindex(interface);
	if (ifindex == 0)
		return fail(-ENODEV, why, size, "%s: no such interface", interface);
	pthread_mutex_lock(&f->busy);
	int rc = name_port(f, link, ifindex);
	pthread_mutex_unlock(&f->busy);
	if (rc)
		return fail(-ENOSPC, why, size, "%s: interfaces' numbers leave it no place", interface);
	return sweep_port(ifindex, interface, why, size);
}

struct fastpath_port *fastpath_port(const struct fastpath *f, unsigned link)
{
	return f->port[link];
}

int fastpath_own(struct fastpath *f, unsigned link, unsigned version, const uint8_t *addr, bool is)
{
	struct fastpath_own key = {.port = link, .version = version};
	uint32_t one = 1;
	memcpy(key.addr, addr, version == 4 ? 4 : 16);
	int rc = is ? bpf_map_update_elem(f->own, &key, &one, BPF_ANY) : bpf_map_delete_elem(f->own, &key);
	return rc ? -errno : 0;
}

int fastpath_doors(const struct fastpath *f, unsigned link, struct fastpath_doors *sum)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t number = link;
	memset(sum, 0, sizeof(*sum));
	struct fastpath_doors *each = cpus > 0 ? calloc(cpus, sizeof(*each)) : NULL;
	int rc = each ? bpf_map_lookup_elem(f->doors, &number, each) : -ENOMEM;
	for (int cpu = 0; rc == 0 && cpu < cpus; cpu++)
		for (unsigned i = 0; i < sizeof(*sum) / 8; i++)
			((uint64_t *)sum)[i] += ((const uint64_t *)&each[cpu])[i];
	free(each);
	return rc;
}

// The thread.

static void *rounds(void *arg)
{
	struct fastpath *f = arg;
	for (unsigned n = 1; !f->stop; n++) {
		pthread_mutex_lock(&f->busy);
		fastpath_flows_round(f->flows);
		for (unsigned i = 0; i < f->nlinks && n % ROUNDS_A_LOOK == 0; i++)
			look_across(f, i, false);
		pthread_mutex_unlock(&f->busy);
		nanosleep(&(struct timespec){.tv_nsec = ROUND_NS}, NULL);
	}
	return NULL;
}

int fastpath_start(struct fastpath *f)
{
	int rc = pthread_create(&f->thread, NULL, rounds, f);
	f->started = rc == 0;
	if (f->started)
		pthread_setname_np(f->thread, "fastpath");
	return -rc;
}

void fastpath_void(struct fastpath *f, bool pause)
{
	pthread_mutex_lock(&f->busy);
	fastpath_flows_void(f->flows, pause);
	pthread_mutex_unlock(&f->busy);
}

void fastpath_numbers(struct fastpath *f, struct fastpath_numbers *n)
{
	pthread_mutex_lock(&f->busy);
	*n = *fastpath_flows_numbers(f->flows);
	pthread_mutex_unlock(&f->busy);
}

struct fastpath_slot *fastpath_slots(const struct fastpath *f)
{
	return f->slots;
}

struct rte_ring *fastpath_ops(const struct fastpath *f, unsigned worker)
{
	return fastpath_flows_ops(f->flows, worker);
}

struct rte_ring *fastpath_counts(const struct fastpath *f, unsigned worker)
{
	return fastpath_flows_counts(f->flows, worker);
}

static int open_all(struct fastpath *f, const struct fastpath_options *o, char *why, size_t size)
{
	int rc = hold(f, why, size);
	if (rc)
		return rc;
	unpin(f);
	rc = load(f, why, size);
	if (rc == 0)
		rc = image(f, why, size);
	if (rc)
		return rc;
	if (getrandom(f->secret, sizeof(f->secret), 0) != sizeof(f->secret))
		return fail(-errno, why, size, "getrandom: %s", strerror(errno));
	f->flows = fastpath_flows_new(f->slots, f->buckets, f->secret, o);
	return f->flows ? 0 : fail(-ENOMEM, why, size, "no memory for %u entries of the fast path", FASTPATH_FLOWS);
}

int fastpath_open(struct fastpath **out, const struct fastpath_options *o, char *why, size_t size)
{
	struct fastpath *f = calloc(1, sizeof(*f));
	*out = NULL;
	if (!f)
		return fail(-ENOMEM, why, size, "no memory");
	f->lock = f->image = -1;
	xdp_features_open(&f->features);
	memset(f->sends, -1, sizeof(f->sends));
	f->stale_ms = o->stale_ms;
	f->nlinks = RTE_MIN(o->nlinks, (unsigned)FASTPATH_PORTS);
	memcpy(f->links, o->links, f->nlinks * sizeof(f->links[0]));
	snprintf(f->pins, sizeof(f->pins), "%s", o->pins ? o->pins : PINS);
	pthread_mutex_init(&f->busy, NULL);
	libbpf_set_print(heard);
	int rc = open_all(f, o, why, size);
	if (rc)
		fastpath_close(f);
	else
		*out = f;
	return rc;
}

void fastpath_close(struct fastpath *f)
{
	if (!f)
		return;
	f->stop = true;
	if (f->started)
		pthread_join(f->thread, NULL);
	fastpath_flows_free(f->flows);
	if (f->object) {
		unmap(f->slots, "sluice_slots", f);
		unmap(f->buckets, "sluice_buckets", f);
		unmap(f->ports, "sluice_ports", f);
		unpin(f);
		bpf_object__close(f->object);
	}
	if (f->image >= 0)
		close(f->image);
	if (f->lock >= 0)
		close(f->lock);
	xdp_features_close(&f->features);
	pthread_mutex_destroy(&f->busy);
	free(f);
}
