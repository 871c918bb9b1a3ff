// SPDX-License-Identifier: BSD-3-Clause
//
// What only several keys together can have wrong, or a key and this machine. In: a configuration whose values are each
// right by themselves, or were refused and said; out: complaints, each at the place that wrote the value. All are said
// in one run; what hangs on a value that was refused is not looked at.
//
// What the machine lacks is an error where the configuration is for `here`, else a warning.
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/config_spot.h"
#include "policy/complaints.h"
#include "remote/kafka_keys.h"
#ifdef HAVE_KAFKA
#include "remote/kafka.h"
#endif

#define GWLB_MTU 8568 // a packet of 8500 bytes and what a Gateway Load Balancer puts around it

struct spot config_spot(const char *group, unsigned i, const char *key)
{
	struct spot s = {config_groups, i, 0};
	while (strcmp(s.g->name, group))
		s.g++;
	while (s.k < s.g->nkeys && strcmp(s.g->keys[s.k].name, key))
		s.k++;
	return s;
}

static uint32_t origin(const struct checking *k, struct spot s)
{
	return *config_origin(k->c, s.g, s.i, s.k);
}

static bool bad(const struct checking *k, const char *group, unsigned i, const char *key)
{
	return origin(k, config_spot(group, i, key)) & CONFIG_BAD;
}

void config_complain(const struct checking *k, bool warning, struct spot s, const char *format, ...)
{
	char name[128], pointer[160], *text;
	if (origin(k, s) & CONFIG_BAD) // refused, and said
		return;
	struct place at = {.file = k->c->file, .pointer = pointer};
	va_list args;
	if (origin(k, s) == 0 && s.g->shape != CONFIG_ONE) // a default: its element stands somewhere
		s.k = s.g->nkeys;
	uint32_t o = origin(k, s);
	config_key_name(k->c, s.g, s.i, s.k, o & CONFIG_BY_SET ? '.' : '/', name, sizeof(name));
	snprintf(pointer, sizeof(pointer), "%s%s", o & CONFIG_BY_SET ? "--set " : "/", name);
	if (o & CONFIG_BY_SET)
		at = (struct place){.file = pointer};
	else if (o)
		at = (struct place){k->c->file, o >> 12, o & 4095, pointer};
	else if (!*at.file)
		at = (struct place){.file = pointer + 1};
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	complaints_add(k->to, warning, &at, "%s", text);
	free(text);
}

// ---- by the table -----------------------------------------------------------------------------------------------

// What has to be given, and what is for other types or modes than this element's.
static void element(const struct checking *k, const struct config_group *g, unsigned i)
{
	char words[128];
	const struct config_key *first = g->keys;
	unsigned what = first->kind == CONFIG_WORD ? (uint8_t)config_element(k->c, g, i)[first->at] : 0;
	uint32_t known = *config_origin(k->c, g, i, 0);
	for (unsigned j = 0; j < g->nkeys; j++) {
		const struct config_key *key = &g->keys[j];
		uint32_t o = *config_origin(k->c, g, i, j);
		if (!key->value && !o)
			WRONG(k, (struct spot){g, i, j}, "a %s needs \"%s\"", g->one, key->name);
		bool told = g->keys[0].value || known; // else it was said that it is missing
		if (!key->only || !o || (o & CONFIG_BAD) || !told || (known & CONFIG_BAD) || key->only >> what & 1)
			continue;
		size_t at = 0;
		for (unsigned w = 0; w < first->nwords; w++) {
			if (key->only >> w & 1)
				at += (size_t)snprintf(words + at, sizeof(words) - at, "%s%s", at ? ", " : "",
						       first->words[w]);
		}
		WRONG(k, (struct spot){g, i, j}, "\"%s\" is for %s, not for %s", key->name, words, first->words[what]);
	}
}

static void elements(const struct checking *k)
{
	for (unsigned j = 0; j < config_group_count; j++) {
		const struct config_group *g = &config_groups[j];
		for (unsigned i = 0; g->shape != CONFIG_ONE && i < config_count(k->c, g); i++)
			element(k, g, i);
	}
}

// ---- workers ----------------------------------------------------------------------------------------------------

static void cores(const struct checking *k)
{
	const struct config_workers *w = &k->c->workers;
	struct spot s = config_spot("workers", 0, "cores");
	long has = sysconf(_SC_NPROCESSORS_CONF);
	if (w->ncores == 0)
		WRONG(k, s, "at least one core is needed");
	for (unsigned i = 0; i < w->ncores; i++) {
		unsigned j = 0;
		while (j < i && w->cores[j] != w->cores[i])
			j++;
		if (j < i)
			WRONG(k, s, "core %u stands twice: a worker needs one for itself", w->cores[i]);
		else if (has > 0 && w->cores[i] >= has)
			config_complain(k, !k->here, s, "there is no core %u here: 0 to %ld (nproc)", w->cores[i],
					has - 1);
	}
}

// ---- ports ------------------------------------------------------------------------------------------------------

static bool pci_address(const char *p)
{
	static const char form[] = "xxxx:xx:xx.x";
	if (strlen(p) != sizeof(form) - 1)
		return false;
	for (unsigned i = 0; form[i]; i++) {
		if (form[i] == 'x' ? !isxdigit((unsigned char)p[i]) : p[i] != form[i])
			return false;
	}
	return true;
}

static bool of_kernel(const struct port_config *p)
{
	return p->type == PORT_AF_XDP || p->type == PORT_AF_PACKET;
}

static void device(const struct checking *k, unsigned i)
{
	const struct port_config *p = &k->c->ports[i].port;
	struct spot s = config_spot("ports", i, "device");
	bool interface = of_kernel(p) || p->type == PORT_TAP;
	if (p->type == PORT_NULL || p->type == PORT_PCAP)
		return;
	if (!*p->device)
		WRONG(k, s, "a port of type %s needs \"device\"", config_port_types[p->type]);
	else if (p->type == PORT_PCI && !pci_address(p->device))
		WRONG(k, s, "a PCI address is expected, as 0000:00:06.0 (lspci -D)");
	else if (interface && (strlen(p->device) > 15 || strchr(p->device, '/')))
		WRONG(k, s, "the name of an interface has up to 15 bytes and no /");
	for (unsigned j = 0; j < i && *p->device; j++) {
		const struct port_config *o = &k->c->ports[j].port;
		if (!strcmp(o->device, p->device) && (p->type != PORT_MEMIF || o->id == p->id))
			WRONG(k, s, "port %s has this device already", o->name);
	}
}

// What has no device behind it is veth, a tunnel, a bridge.
static bool virtual(const char *interface)
{
	char name[64];
	snprintf(name, sizeof(name), "/sys/class/net/%s", interface);
	if (access(name, F_OK) < 0)
		return false;
	strcat(name, "/device");
	return access(name, F_OK) < 0;
}

static void af_xdp(const struct checking *k, unsigned i)
{
	const struct port_config *p = &k->c->ports[i].port;
	if (p->mtu > PORT_XDP_MTU)
		WRONG(k, config_spot("ports", i, "mtu"), "an af_xdp port carries up to %u bytes", PORT_XDP_MTU);
	if (p->queues > 1 && virtual(p->device))
		config_complain(k, !k->here, config_spot("ports", i, "queues"),
				"%s is no hardware (veth): it has one queue for af_xdp, not %u", p->device, p->queues);
}

// What goes into DPDK's arguments, where commas stand between them.
static void commas(const struct checking *k, unsigned i)
{
	static const char *const keys[] = {"device", "rx_file", "tx_file"};
	const struct port_config *p = &k->c->ports[i].port;
	const char *texts[] = {p->device, p->rx_file, p->tx_file};
	for (unsigned j = 0; j < 3; j++) {
		if (strpbrk(texts[j], ",[]"))
			WRONG(k, config_spot("ports", i, keys[j]), "there can be no comma and no bracket in it");
	}
}

static void port(const struct checking *k, unsigned i)
{
	const struct port_config *p = &k->c->ports[i].port;
	if (p->mtu && p->mtu < 68)
		WRONG(k, config_spot("ports", i, "mtu"), "0 or a number from 68 to 9216 is expected (RFC 791)");
	commas(k, i);
	if (!origin(k, config_spot("ports", i, "type")) || bad(k, "ports", i, "type"))
		return;
	device(k, i);
	if (p->type == PORT_AF_XDP)
		af_xdp(k, i);
	if (p->type == PORT_PCAP && !*p->rx_file && !*p->tx_file)
		WRONG(k, config_spot("ports", i, "rx_file"), "a pcap port needs \"rx_file\" or \"tx_file\"");
}

// ---- addresses --------------------------------------------------------------------------------------------------

static bool within(const struct config_net *net, const struct config_net *address)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;
	if (net->len != address->len || memcmp(net->bytes, address->bytes, whole))
		return false;
	return rest == 0 || (net->bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

static void next_hops(const struct checking *k, unsigned i)
{
	static const struct config_net link_local = {.bytes = {0xfe, 0x80}, .len = 16, .bits = 10};
	const struct config_port *p = &k->c->ports[i];
	struct spot s = config_spot("ports", i, "next_hop");
	if (p->nnext_hop == 2 && p->next_hop[0].len == p->next_hop[1].len)
		WRONG(k, s, "one next hop of IPv4 and one of IPv6 are expected");
	for (unsigned h = 0; h < p->nnext_hop; h++) {
		bool on_link = p->naddresses == 0 || within(&link_local, &p->next_hop[h]);
		for (unsigned a = 0; a < p->naddresses; a++)
			on_link |= within(&p->addresses[a], &p->next_hop[h]);
		if (!on_link)
			WRONG(k, s,
			      "this next hop is on no network of the port's addresses: it could not be asked for its "
			      "MAC");
	}
}

// Only an interface that the kernel goes on to serve keeps its addresses (docs/paths.md).
static void addressed(const struct checking *k, unsigned i, unsigned path)
{
	const struct config_port *p = &k->c->ports[i];
	if (p->port.type != PORT_AF_PACKET && p->port.type != PORT_NULL && p->port.type != PORT_PCAP &&
	    p->naddresses == 0)
		WRONG(k, config_spot("ports", i, "addresses"),
		      "a port of type %s in a %s path (paths/%u) needs \"addresses\"", config_port_types[p->port.type],
		      config_modes[k->c->paths[path].mode], path);
}

// ---- paths ------------------------------------------------------------------------------------------------------

static void mtus(const struct checking *k, unsigned i)
{
	const struct config_path *p = &k->c->paths[i];
	const struct port_config *a = &k->c->ports[p->ports[0]].port, *b = &k->c->ports[p->ports[p->nports - 1]].port;
	if (bad(k, "ports", p->ports[0], "mtu") || bad(k, "ports", p->ports[p->nports - 1], "mtu"))
		return;
	if (a->mtu && b->mtu && a->mtu != b->mtu && !p->mtu_clamp)
		WRONG(k, config_spot("paths", i, "ports"),
		      "%s has an mtu of %u, %s of %u: make them equal, or set \"mtu_clamp\": true", a->name, a->mtu,
		      b->name, b->mtu);
	if (p->mode == CONFIG_GWLB && a->mtu < GWLB_MTU)
		WARN(k, config_spot("paths", i, "ports"),
		     "a Gateway Load Balancer sends up to %u bytes; port %s has an mtu of %u%s", GWLB_MTU, a->name,
		     a->mtu, a->mtu ? "" : " (as its driver has it)");
}

static void mode(const struct checking *k, unsigned i)
{
	const struct config_path *p = &k->c->paths[i];
	struct spot transport = config_spot("paths", i, "transport");
	if (p->mode == CONFIG_GWLB && p->transport != CONFIG_TRANSPORT_NONE && p->transport != CONFIG_TRANSPORT_GWLB)
		WRONG(k, transport, "a gwlb path has its own transport");
	else if (p->mode != CONFIG_GWLB && p->mode != CONFIG_MIRROR && p->transport == CONFIG_TRANSPORT_GWLB)
		WRONG(k, transport, "this transport is for gwlb and mirror paths");
	else if (p->mode != CONFIG_MIRROR && p->transport == CONFIG_TRANSPORT_VXLAN)
		WRONG(k, transport, "this transport is for mirror paths");
	for (unsigned j = 0; j < p->nports && p->fast_path; j++) {
		const struct port_config *o = &k->c->ports[p->ports[j]].port;
		if (o->type != PORT_AF_XDP)
			WRONG(k, config_spot("paths", i, "fast_path"), "both ports have to be af_xdp: %s is %s",
			      o->name, config_port_types[o->type]);
	}
	for (unsigned j = 0; j < p->nports && (p->mode == CONFIG_ROUTED || p->mode == CONFIG_GWLB); j++) {
		if (j == 0 || p->ports[j] != p->ports[0])
			addressed(k, p->ports[j], i);
	}
}

static void port_count(const struct checking *k, unsigned i)
{
	static const struct {
		uint8_t least, most;
		const char *says;
	} wants[CONFIG_MODES] = {[CONFIG_BRIDGE] = {2, 2, "two ports"},
				 [CONFIG_ROUTED] = {1, 2, "one port or two"},
				 [CONFIG_MIRROR] = {1, 1, "one port"},
				 [CONFIG_GWLB] = {1, 1, "one port"}};
	const struct config_path *p = &k->c->paths[i];
	if (p->nports < wants[p->mode].least || p->nports > wants[p->mode].most)
		WRONG(k, config_spot("paths", i, "ports"), "a %s path has %s", config_modes[p->mode],
		      wants[p->mode].says);
}

// used: by which path, from 1.
static void path(const struct checking *k, unsigned i, uint8_t *used)
{
	const struct config_path *p = &k->c->paths[i];
	struct spot s = config_spot("paths", i, "ports");
	if (p->nports == 0 || bad(k, "paths", i, "ports") || bad(k, "paths", i, "mode"))
		return;
	for (unsigned j = 0; j < p->nports; j++) {
		uint8_t *by = &used[p->ports[j]];
		if (*by == i + 1)
			WRONG(k, s, "port %s stands twice: the ports of a path differ",
			      k->c->ports[p->ports[j]].port.name);
		else if (*by)
			WRONG(k, s, "port %s is in paths/%u already", k->c->ports[p->ports[j]].port.name, *by - 1u);
		*by = (uint8_t)(i + 1);
	}
	if (!origin(k, config_spot("paths", i, "mode")))
		return;
	port_count(k, i);
	mode(k, i);
	mtus(k, i);
}

static void paths(const struct checking *k)
{
	uint8_t used[CONFIG_PORTS] = {0};
	bool refused = false;
	for (unsigned i = 0; i < k->c->npaths; i++) {
		path(k, i, used);
		refused |= bad(k, "paths", i, "ports");
	}
	for (unsigned i = 0; i < k->c->nports && !refused; i++) {
		if (!used[i])
			WARN(k, (struct spot){config_spot("ports", i, "").g, i, config_spot("ports", i, "").k},
			     "no path has this port");
	}
	if (k->c->npaths == 0 && !k->c->decide.enabled)
		complaints_add(k->to, true, &(struct place){.file = *k->c->file ? k->c->file : "paths", .pointer = ""},
			       "there is no path: nothing is forwarded");
}

// ---- the rest ---------------------------------------------------------------------------------------------------

static void policies(const struct checking *k)
{
	static const char *const keys[] = {"file", "shadow"};
	const char *files[] = {k->c->policy.file, k->c->policy.shadow};
	for (unsigned i = 0; i < 2; i++) {
		if (*files[i] && access(files[i], R_OK) < 0)
			WARN(k, config_spot("policy", 0, keys[i]), "%s cannot be read: %s", files[i], strerror(errno));
	}
	if (k->c->policy.kafka && *files[0])
		WRONG(k, config_spot("policy", 0, "kafka"), "the policy comes from \"file\" already");
	if (k->c->policy.kafka && k->c->kafka.pairs.n == 0)
		WRONG(k, config_spot("policy", 0, "kafka"),
		      "the group \"kafka\" is missing: how the brokers are reached");
	if (k->c->policy.kafka && !*k->c->policy.history)
		WARN(k, config_spot("policy", 0, "history"),
		     "without a history there is no last good policy while Kafka is away");
	if (*files[0] && !strcmp(files[0], files[1]))
		WARN(k, config_spot("policy", 0, "shadow"), "the policy itself: it will say nothing else");
}

// Frames wait in rings and for verdicts; what comes then finds no buffer.
static void memory(const struct checking *k)
{
	const struct config_memory *m = &k->c->memory;
	uint64_t workers = k->c->workers.ncores, need = ((uint64_t)m->held_frames + m->fragments) * workers;
	for (unsigned i = 0; i < k->c->nports; i++)
		need += port_buffers(&k->c->ports[i].port, k->c->workers.ncores);
	if (m->frames && m->frames < need)
		WARN(k, config_spot("memory", 0, "frames"),
		     "rings, held frames and fragments can take %lu buffers of these %u", need, m->frames);
	if (m->record_cells & (m->record_cells - 1))
		WRONG(k, config_spot("memory", 0, "record_cells"), "a power of two is expected");
}

// Properties that are each right, and no client starts with them; files of certificates that are not here.
static void kafka(const struct checking *k)
{
#ifdef HAVE_KAFKA
	char why[KAFKA_WHY], lacks[KAFKA_WHY];
	const struct config_free *f = &k->c->kafka;
	uint32_t o = f->origin[0];
	struct place at = {.file = *k->c->file ? k->c->file : "kafka", .pointer = "/kafka"};
	if (f->pairs.n == 0 || k->to->nerrors)
		return;
	if (!(o & CONFIG_BY_SET))
		at = (struct place){k->c->file, o >> 12, o & 4095, "/kafka"};
	if (!kafka_brokers(&f->pairs))
		complaints_add(k->to, false, &at, "\"bootstrap.servers\" is missing: \"host:9092,...\"");
	if (kafka_try(&f->pairs, why, lacks) < 0)
		complaints_add(k->to, false, &at, "%s", why);
	else if (*lacks)
		complaints_add(k->to, !k->here, &at, "%s", lacks);
#endif
}

static void decide(const struct checking *k)
{
	const struct config_decide *d = &k->c->decide;
	const char *topics[] = {d->requests, d->decisions, d->errors};
	static const char *const keys[] = {"requests", "decisions", "errors"};
	if (!d->enabled)
		return;
#ifdef HAVE_KAFKA
	if (k->c->kafka.pairs.n == 0)
		WRONG(k, config_spot("decide", 0, "enabled"), "there is no \"kafka\" that says where the brokers are");
#else
	WRONG(k, config_spot("decide", 0, "enabled"), "built without Kafka");
#endif
	for (unsigned i = 0; i < 3; i++) {
		if (!kafka_topic(topics[i]))
			WRONG(k, config_spot("decide", 0, keys[i]), KAFKA_TOPIC_EXPECTED);
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(topics[i], topics[j]))
				WRONG(k, config_spot("decide", 0, keys[i]), "%s is this topic already", keys[j]);
	}
}

static void people(const struct checking *k)
{
	const struct config_control *t = &k->c->control;
	if (*t->http && strncmp(t->http, "127.", 4) && strncmp(t->http, "[::1]", 5))
		WARN(k, config_spot("control", 0, "http"),
		     "not a loopback address: whoever reaches it can read metrics");
	if (*t->group && !getgrnam(t->group))
		config_complain(k, !k->here, config_spot("control", 0, "group"), "there is no group %s here", t->group);
	if (*k->c->user && !getpwnam(k->c->user))
		config_complain(k, !k->here, config_spot("", 0, "user"), "there is no user %s here", k->c->user);
}

void config_check(struct config *c, bool here, struct complaints *to)
{
	struct checking k = {c, to, here};
	if (!*c->node) // else two appliances would sign alike
		gethostname(c->node, sizeof(c->node) - 1);
	elements(&k);
	cores(&k);
	for (unsigned i = 0; i < c->nports; i++) {
		port(&k, i);
		next_hops(&k, i);
	}
	paths(&k);
	policies(&k);
	memory(&k);
	config_sinks(&k);
	kafka(&k);
	decide(&k);
	people(&k);
}

void config_check_kafka(struct config *c, struct complaints *to)
{
	struct checking k = {c, to, true};
	kafka(&k);
}
