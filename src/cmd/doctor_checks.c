// SPDX-License-Identifier: BSD-3-Clause
//
// What the doctor looks at, one function a matter: pages, ports, kernel, limits, cloud, clock, places. Read-only: files
// of /sys and /proc, ioctls that ask, and on EC2 one question to the instance's metadata. Each says a line even where
// all is well, so that who reads knows that it was looked at.
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/port_giant.h"
#include "base/port_kernel.h"
#include "base/port_life.h"
#include "base/port_pci.h"
#include "ctl/privilege.h"
#include "doctor.h"

#define METADATA "169.254.169.254"
// Of names that may stand in a command.
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-"

static bool read_line(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	bool there = f && fgets(out, (int)size, f);
	if (f)
		fclose(f);
	out[there ? strcspn(out, "\n") : 0] = 0;
	return there;
}

static bool has(const struct doctor *d, unsigned types)
{
	for (unsigned i = 0; i < d->config.nports; i++)
		if (types >> d->config.ports[i].port.type & 1)
			return true;
	return false;
}

// ---- pages -------------------------------------------------------------------------------------------------------

static void pages(struct doctor *d)
{
	char text[64];
	unsigned long mb = 0;
	glob_t g;
	if (glob("/sys/kernel/mm/hugepages/hugepages-*kB/free_hugepages", 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			if (read_line(g.gl_pathv[i], text, sizeof(text)))
				mb += strtoul(text, NULL, 10) *
				      strtoul(strstr(g.gl_pathv[i], "hugepages-") + strlen("hugepages-"), NULL, 10) /
				      1024;
		globfree(&g);
	}
	bool must = d->config.memory.pages == CONFIG_PAGES_HUGE || has(d, 1 << PORT_PCI);
	bool small = d->config.memory.pages == CONFIG_PAGES_SMALL && !must;
	doctor_say(d,
		   mb >= 256 || small ? DOCTOR_OK
		   : must             ? DOCTOR_BAD
				      : DOCTOR_WARN,
		   "hugepages", must,
		   mb >= 256 || small ? "" : "echo 256 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
		   "%lu MiB free%s", mb,
		   mb >= 256 ? ""
		   : small   ? ", and not asked for"
		   : must    ? "; PCI ports and memory.pages=huge need them"
			     : "; without them more TLB misses");
	// the process takes them without files (--in-memory): a mount is for other programs, such as testpmd
	bool mounted = access("/dev/hugepages", F_OK) == 0;
	doctor_say(d, DOCTOR_OK, "hugetlbfs", false, "", mounted ? "there" : "not there, and not needed");
}

// ---- ports -------------------------------------------------------------------------------------------------------

static void pci(struct doctor *d, const struct port_config *c)
{
	char why[256];
	if (port_pci_ready(c, &(struct port_why){why, sizeof(why)}) < 0) { // "what is wrong (what mends it)"
		char *fix = strrchr(why, '(');
		fix[-1] = fix[strlen(fix) - 1] = 0;
		return doctor_say(d, DOCTOR_BAD, "driver", false, fix + 1, "%s", why);
	}
	bool slow = port_pci_combines(c->device) == 0;
	doctor_say(d, slow ? DOCTOR_WARN : DOCTOR_OK, "driver", false,
		   slow ? "rmmod igb_uio; insmod igb_uio.ko wc_activate=1" : "", "%s: %s is ours%s", c->name, c->device,
		   slow ? ", but mapped without write-combining, which costs much of its rate" : "");
}

static void mtu(struct doctor *d, const struct port_config *c)
{
	char fix[192];
	uint16_t has_mtu = 0, want = c->mtu;
	port_kernel_mtu(c->device, &has_mtu);
	bool big = c->type == PORT_AF_XDP && has_mtu > PORT_XDP_MTU;
	snprintf(fix, sizeof(fix), "ip link set %.15s mtu %u", c->device, big ? PORT_XDP_MTU : want);
	if (big)
		doctor_say(d, DOCTOR_BAD, "mtu", false, fix, "%s: %u bytes, AF_XDP carries %u", c->name, has_mtu,
			   PORT_XDP_MTU);
	else
		doctor_say(d, DOCTOR_OK, "mtu", false, "", "%s: %u bytes%s", c->name, has_mtu,
			   want && want != has_mtu ? ", set at start" : "");
}

static void offloads(struct doctor *d, const struct port_config *c)
{
	uint16_t has_mtu = c->mtu;
	if (!has_mtu)
		port_kernel_mtu(c->device, &has_mtu);
	bool giants = has_mtu > PORT_GIANT_MTU && port_kernel_driver_is(c->device, "veth");
	bool gro = port_kernel_feature(c->device, "rx-gro").active;
	if (giants)
		doctor_say(d, DOCTOR_WARN, "offloads", false,
			   "ethtool -K PEER tso off gso off, in the peer's namespace",
			   "%s: what its peer leaves to a card to cut up is lost at an MTU over %u", c->name,
			   PORT_GIANT_MTU);
	else
		doctor_say(d, DOCTOR_OK, "offloads", false, "", "%s: receive offload is %s", c->name,
			   gro ? "on: off while the port is open" : "off");
}

static void queues(struct doctor *d, const struct port_config *c)
{
	unsigned have = port_kernel_channels(c->device), want = c->queues ? c->queues : d->config.workers.ncores;
	char fix[192];
	bool bad = c->type == PORT_AF_XDP && have > want;
	snprintf(fix, sizeof(fix), "ethtool -L %.15s combined %u", c->device, want);
	doctor_say(d, bad ? DOCTOR_BAD : DOCTOR_OK, "queues", true, bad ? fix : "",
		   "%s: %u of the interface, %u wanted%s", c->name, have, want,
		   bad ? "; frames of the others would go by us" : "");
}

static void ports(struct doctor *d)
{
	for (unsigned i = 0; i < d->config.nports; i++) {
		const struct port_config *c = &d->config.ports[i].port;
		char fix[192];
		if (c->type == PORT_PCI)
			pci(d, c);
		if (c->type != PORT_AF_XDP && c->type != PORT_AF_PACKET)
			continue;
		snprintf(fix, sizeof(fix), "ip -br link; sluice run ... --set ports.%s.device=NAME", c->name);
		bool there = strspn(c->device, PLAIN) == strlen(c->device) && port_kernel_index(c->device) != 0;
		doctor_say(d, there ? DOCTOR_OK : DOCTOR_BAD, "interface", false, there ? "" : fix, "%s: %s is %s",
			   c->name, c->device, there ? "there" : "not there");
		if (!there)
			continue;
		mtu(d, c);
		offloads(d, c);
		queues(d, c);
	}
}

// ---- kernel and limits -------------------------------------------------------------------------------------------

// What the fast path and AF_XDP ask of BPF; without the right to ask, the start says it.
static void bpf(struct doctor *d)
{
	char text[16];
	bool there = access("/sys/fs/bpf", F_OK) == 0;
	doctor_say(d, there ? DOCTOR_OK : DOCTOR_WARN, "bpf", true, there ? "" : "mount -t bpf bpf /sys/fs/bpf",
		   there ? "bpffs is there" : "no bpffs: a restart cannot take over what XDP knows");
	int xdp = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL);
	int map = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_XSKMAP, NULL);
	doctor_say(d,
		   xdp == 0 || map == 0 ? DOCTOR_BAD
		   : xdp < 0 || map < 0 ? DOCTOR_WARN
					: DOCTOR_OK,
		   "xdp", false,
		   xdp == 0 || map == 0 ? "apt install linux-image-amd64"
		   : xdp < 0 || map < 0 ? "sudo sluice doctor"
					: "",
		   xdp == 0 || map == 0 ? "the kernel is without XDP or AF_XDP (CONFIG_XDP_SOCKETS)"
		   : xdp < 0 || map < 0 ? "the kernel does not let this user ask"
					: "the kernel has XDP and AF_XDP");
	bool jit = !read_line("/proc/sys/net/core/bpf_jit_enable", text, sizeof(text)) || *text != '0';
	doctor_say(d, jit ? DOCTOR_OK : DOCTOR_WARN, "bpf_jit", true, jit ? "" : "sysctl -w net.core.bpf_jit_enable=1",
		   jit ? "programs are compiled" : "off: XDP takes several times as long a frame");
}

static void kernel(struct doctor *d)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	bool good = major > 5 || (major == 5 && minor >= 15);
	doctor_say(d, good ? DOCTOR_OK : DOCTOR_BAD, "kernel", false, good ? "" : "apt install linux-image-amd64",
		   "%s%s", u.release, good ? "" : ": older than 5.15, which XDP and bounded capabilities need");
	if (has(d, 1 << PORT_AF_XDP))
		bpf(d);
	bool iommu = access("/sys/kernel/iommu_groups/0", F_OK) == 0, fine = iommu || !has(d, 1 << PORT_PCI);
	doctor_say(d, fine ? DOCTOR_OK : DOCTOR_WARN, "iommu", false,
		   fine ? "" : "apt install dpdk-kmods-dkms && modprobe igb_uio", "%s",
		   iommu  ? "there: vfio-pci can be used"
		   : fine ? "none, and no port needs it"
			  : "none: PCI ports need igb_uio");
}

static void limits(struct doctor *d)
{
	struct rlimit r;
	getrlimit(RLIMIT_MEMLOCK, &r);
	bool low = has(d, 1 << PORT_AF_XDP) && r.rlim_cur < 64ul << 20 && geteuid() != 0;
	doctor_say(d, low ? DOCTOR_BAD : DOCTOR_OK, "memlock", false, low ? "ulimit -l unlimited" : "",
		   low ? "too little for AF_XDP's buffers, without CAP_IPC_LOCK" : "enough");
	getrlimit(RLIMIT_NOFILE, &r);
	low = r.rlim_cur < 1024;
	doctor_say(d, low ? DOCTOR_WARN : DOCTOR_OK, "files", false, low ? "ulimit -n 1024" : "", "%lu may be open",
		   (unsigned long)r.rlim_cur);
}

static void clock_in_step(struct doctor *d)
{
	struct timex t = {0};
	bool good = adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC);
	doctor_say(d, good ? DOCTOR_OK : DOCTOR_WARN, "clock", false, good ? "" : "apt install chrony",
		   good ? "synchronised" : "not synchronised: records and schedules of rules go by it");
}

// ---- EC2 ---------------------------------------------------------------------------------------------------------

static int connect_within(int s, const struct sockaddr_in *to)
{
	struct timeval second = {.tv_sec = 1};
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second)); // connect's, too
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	return connect(s, (const struct sockaddr *)to, sizeof(*to));
}

// One request of IMDSv2; the body, or "".
static const char *ask(const char *request, char *out, size_t size)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
	inet_pton(AF_INET, METADATA, &to.sin_addr);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;
	if (s >= 0 && connect_within(s, &to) == 0 && write(s, request, strlen(request)) == (ssize_t)strlen(request))
		for (ssize_t got; n + 1 < size && (got = read(s, out + n, size - 1 - n)) > 0;)
			n += (size_t)got;
	if (s >= 0)
		close(s);
	out[n] = 0;
	char *body = strstr(out, "\r\n\r\n");
	return body && !strncmp(out, "HTTP/1.1 200", 12) ? body + 4 : "";
}

// The metadata does not say it: only the API does. What it says is who to ask about.
static void ec2(struct doctor *d)
{
	char vendor[64], answer[2048], token[256], request[512], fix[192];
	if (!read_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor)) || strcmp(vendor, "Amazon EC2")) {
		doctor_say(d, DOCTOR_OK, "source/dest", false, "",
			   "not on EC2: nothing drops what is not addressed to us");
		return;
	}
	snprintf(token, sizeof(token), "%s",
		 ask("PUT /latest/api/token HTTP/1.1\r\nHost: " METADATA
		     "\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		     answer, sizeof(answer)));
	snprintf(request, sizeof(request),
		 "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: " METADATA
		 "\r\nX-aws-ec2-metadata-token: %s\r\nConnection: close\r\n\r\n",
		 token);
	snprintf(fix, sizeof(fix), "aws ec2 modify-instance-attribute --no-source-dest-check --instance-id %.40s",
		 ask(request, answer, sizeof(answer)));
	doctor_say(d, DOCTOR_WARN, "source/dest", false, fix,
		   "EC2 drops what is not addressed to the interface unless its source/destination check is off; the "
		   "instance cannot see whether it is");
}

// ---- places ------------------------------------------------------------------------------------------------------

static void listens(struct doctor *d)
{
	const char *at = d->config.control.http, *colon = strrchr(at, ':');
	struct sockaddr_in to = {.sin_family = AF_INET};
	char host[CONFIG_ADDRESS], fix[192] = "";
	if (!*at || !colon)
		return;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - at), at);
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		return; // of IPv6 the start says it
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bool free_ = bind(s, (struct sockaddr *)&to, sizeof(to)) == 0;
	close(s);
	if (!free_)
		snprintf(fix, sizeof(fix), "ss -ltnp sport = %s", colon);
	doctor_say(d, free_ ? DOCTOR_OK : DOCTOR_BAD, "http", false, fix, "%s is %s", at, free_ ? "free" : "taken");
}

static void socket_free(struct doctor *d)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (!*d->config.control.socket)
		return;
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", d->config.control.socket);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool taken = connect(s, (struct sockaddr *)&to, sizeof(to)) == 0;
	close(s);
	doctor_say(d, taken ? DOCTOR_BAD : DOCTOR_OK, "control", false, taken ? "systemctl stop sluice" : "",
		   "%s is %s", to.sun_path, taken ? "answered: an appliance runs" : "free");
}

// What the user has to read (a file), or write in (a folder).
static void place(struct doctor *d, const char *check, const char *path, bool folder)
{
	char fix[192] = "";
	const char *who = *d->config.user ? d->config.user : "root";
	int mode = folder ? W_OK | X_OK : R_OK;
	bool there = access(path, F_OK) == 0, good = there && privilege_may(&d->config, path, mode);
	bool plain = strlen(path) < 100 && strspn(path, PLAIN "/") == strlen(path) && strspn(who, PLAIN) == strlen(who);
	if (!good && plain && there)
		snprintf(fix, sizeof(fix), "chown %.31s %.99s", who, path);
	else if (!good && plain && folder)
		snprintf(fix, sizeof(fix), "install -d -o %.31s %.99s", who, path);
	else if (!good && plain)
		snprintf(fix, sizeof(fix), "install -D -m 644 /usr/share/doc/sluice/examples/policy.json %.99s", path);
	doctor_say(d,
		   good     ? DOCTOR_OK
		   : folder ? DOCTOR_WARN
			    : DOCTOR_BAD,
		   check, folder && !there, fix, "%s %s%s", path,
		   good    ? folder ? "can be written" : "can be read"
		   : there ? "is closed to "
			   : "is not there",
		   there && !good ? who : "");
}

static void outputs(struct doctor *d)
{
	const struct config *c = &d->config;
	for (unsigned i = 0; i < c->nsinks; i++) {
		char folder[CONFIG_FILE];
		snprintf(folder, sizeof(folder), "%s", c->sinks[i].path);
		struct stat st;
		if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode))
			doctor_say(d, DOCTOR_BAD, "sink", false, "", "%s is a folder: a file's name is expected",
				   folder);
		else if (*folder && strcmp(folder, "-"))
			place(d, "sink", dirname(folder), true);
	}
}

static void user(struct doctor *d)
{
	const char *name = d->config.user;
	char fix[192] = "";
	bool there = !*name || getpwnam(name), plain = strspn(name, PLAIN) == strlen(name);
	if (!*name)
		snprintf(fix, sizeof(fix), "sluice run ... --set user=sluice");
	else if (!there && plain)
		snprintf(fix, sizeof(fix), "useradd --system --no-create-home --shell /usr/sbin/nologin %s", name);
	doctor_say(d,
		   !there  ? DOCTOR_BAD
		   : *name ? DOCTOR_OK
			   : DOCTOR_WARN,
		   "user", *name, fix, "%s%s", *name ? name : "none is configured: the process stays who starts it",
		   !*name  ? ""
		   : there ? " is there"
			   : " is not there");
}

void doctor_look(struct doctor *d)
{
	pages(d);
	ports(d);
	kernel(d);
	limits(d);
	clock_in_step(d);
	ec2(d);
	if (!d->configured)
		return;
	user(d);
	listens(d);
	socket_free(d);
	if (*d->config.policy.file)
		place(d, "policy", d->config.policy.file, false);
	if (*d->config.policy.history)
		place(d, "history", d->config.policy.history, true);
	outputs(d);
	doctor_spool(d);
	doctor_kafka(d);
	doctor_s3(d);
}
