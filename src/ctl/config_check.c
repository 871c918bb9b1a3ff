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

#include "ctl/config_key.h"
#include "policy/complaints.h"
#include "ship/filter.h"
#include "ship/redact.h"
#include "ship/sink.h"
#include "ship/ship.h"
#include "ship/wire.h"
#ifdef HAVE_KAFKA
#include "remote/kafka.h"
#endif

#define GWLB_MTU 8568 // a packet of 8500 bytes and what a Gateway Load Balancer puts around it

struct checking {
	struct config *c;
	struct complaints *to;
	bool here;
};

// A value: where it stands is where it is complained about.
struct spot {
	const struct config_group *g;
	unsigned i, k;
};

static struct spot spot(const char *group, unsigned i, const char *key)
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
	return origin(k, spot(group, i, key)) & CONFIG_BAD;
}

__attribute__((format(printf, 4, 5))) static void say(const struct checking *k, bool warning, struct spot s,
						      const char *format, ...)
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
#define WRONG(k, ...) say(k, false, __VA_ARGS__)
#define WARN(k, ...) say(k, true, __VA_ARGS__)

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
	struct spot s = spot("workers", 0, "cores");
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
			say(k, !k->here, s, "there is no core %u here: 0 to %ld (nproc)", w->cores[i], has - 1);
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
	struct spot s = spot("ports", i, "device");
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
		WRONG(k, spot("ports", i, "mtu"), "an af_xdp port carries up to %u bytes", PORT_XDP_MTU);
	if (p->queues > 1 && virtual(p->device))
		say(k, !k->here, spot("ports", i, "queues"),
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
			WRONG(k, spot("ports", i, keys[j]), "there can be no comma and no bracket in it");
	}
}

static void port(const struct checking *k, unsigned i)
{
	const struct port_config *p = &k->c->ports[i].port;
	if (p->mtu && p->mtu < 68)
		WRONG(k, spot("ports", i, "mtu"), "0 or a number from 68 to 9216 is expected (RFC 791)");
	commas(k, i);
	if (!origin(k, spot("ports", i, "type")) || bad(k, "ports", i, "type"))
		return;
	device(k, i);
	if (p->type == PORT_AF_XDP)
		af_xdp(k, i);
	if (p->type == PORT_PCAP && !*p->rx_file && !*p->tx_file)
		WRONG(k, spot("ports", i, "rx_file"), "a pcap port needs \"rx_file\" or \"tx_file\"");
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
	struct spot s = spot("ports", i, "next_hop");
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
		WRONG(k, spot("ports", i, "addresses"), "a port of type %s in a %s path (paths/%u) needs \"addresses\"",
		      config_port_types[p->port.type], config_modes[k->c->paths[path].mode], path);
}

// ---- paths ------------------------------------------------------------------------------------------------------

static void mtus(const struct checking *k, unsigned i)
{
	const struct config_path *p = &k->c->paths[i];
	const struct port_config *a = &k->c->ports[p->ports[0]].port, *b = &k->c->ports[p->ports[p->nports - 1]].port;
	if (bad(k, "ports", p->ports[0], "mtu") || bad(k, "ports", p->ports[p->nports - 1], "mtu"))
		return;
	if (a->mtu && b->mtu && a->mtu != b->mtu && !p->mtu_clamp)
		WRONG(k, spot("paths", i, "ports"),
		      "%s has an mtu of %u, %s of %u: make them equal, or set \"mtu_clamp\": true", a->name, a->mtu,
		      b->name, b->mtu);
	if (p->mode == CONFIG_GWLB && a->mtu < GWLB_MTU)
		WARN(k, spot("paths", i, "ports"),
		     "a Gateway Load Balancer sends up to %u bytes; port %s has an mtu of %u%s", GWLB_MTU, a->name,
		     a->mtu, a->mtu ? "" : " (as its driver has it)");
}

static void mode(const struct checking *k, unsigned i)
{
	const struct config_path *p = &k->c->paths[i];
	struct spot transport = spot("paths", i, "transport");
	if (p->mode == CONFIG_GWLB && p->transport != CONFIG_TRANSPORT_NONE && p->transport != CONFIG_TRANSPORT_GWLB)
		WRONG(k, transport, "a gwlb path has its own transport");
	else if (p->mode != CONFIG_GWLB && p->mode != CONFIG_MIRROR && p->transport == CONFIG_TRANSPORT_GWLB)
		WRONG(k, transport, "this transport is for gwlb and mirror paths");
	else if (p->mode != CONFIG_MIRROR && p->transport == CONFIG_TRANSPORT_VXLAN)
		WRONG(k, transport, "this transport is for mirror paths");
	for (unsigned j = 0; j < p->nports && p->fast_path; j++) {
		const struct port_config *o = &k->c->ports[p->ports[j]].port;
		if (o->type != PORT_AF_XDP)
			WRONG(k, spot("paths", i, "fast_path"), "both ports have to be af_xdp: %s is %s", o->name,
			      config_port_types[o->type]);
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
		WRONG(k, spot("paths", i, "ports"), "a %s path has %s", config_modes[p->mode], wants[p->mode].says);
}

// used: by which path, from 1.
static void path(const struct checking *k, unsigned i, uint8_t *used)
{
	const struct config_path *p = &k->c->paths[i];
	struct spot s = spot("paths", i, "ports");
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
	if (!origin(k, spot("paths", i, "mode")))
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
			WARN(k, (struct spot){spot("ports", i, "").g, i, spot("ports", i, "").k},
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
			WARN(k, spot("policy", 0, keys[i]), "%s cannot be read: %s", files[i], strerror(errno));
	}
	if (k->c->policy.kafka && *files[0])
		WRONG(k, spot("policy", 0, "kafka"), "the policy comes from \"file\" already");
	if (k->c->policy.kafka && k->c->kafka.pairs.n == 0)
		WRONG(k, spot("policy", 0, "kafka"), "the group \"kafka\" is missing: how the brokers are reached");
	if (k->c->policy.kafka && !*k->c->policy.history)
		WARN(k, spot("policy", 0, "history"),
		     "without a history there is no last good policy while Kafka is away");
	if (*files[0] && !strcmp(files[0], files[1]))
		WARN(k, spot("policy", 0, "shadow"), "the policy itself: it will say nothing else");
}

// Frames wait in rings and for verdicts; what comes then finds no buffer.
static void memory(const struct checking *k)
{
	const struct config_memory *m = &k->c->memory;
	uint64_t workers = k->c->workers.ncores, need = ((uint64_t)m->held_frames + m->fragments) * workers;
	for (unsigned i = 0; i < k->c->nports; i++)
		need += port_buffers(&k->c->ports[i].port, k->c->workers.ncores);
	if (m->frames && m->frames < need)
		WARN(k, spot("memory", 0, "frames"),
		     "rings, held frames and fragments can take %lu buffers of these %u", need, m->frames);
	if (m->record_cells & (m->record_cells - 1))
		WRONG(k, spot("memory", 0, "record_cells"), "a power of two is expected");
}

// What a sink writes to, in a word of its own.
static const char *place_of(const struct sink_config *s)
{
	const char *name = strrchr(s->path, '/');
	switch (s->type) {
	case SINK_SYSLOG:
		return s->server;
	case SINK_FILE:
	case SINK_PCAPNG:
		return !strcmp(s->path, "-") ? "stdout" : name ? name + 1 : s->path;
	case SINK_S3:
		return s->bucket;
	case SINK_KAFKA:
		return s->topic;
	default:
		return "";
	}
}

// The cursor in the spool has this name: it has to be the same after a restart, wherever in the list the sink stands.
// That of frames is a rule's, and stays.
static void name_sink(struct sink_config *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	if (!*s->name)
		snprintf(s->name, sizeof(s->name), "%s-%s", sink_type_names[s->type], place_of(s));
	for (char *c = s->name; *(c += strspn(c, plain)) && !sink_of_frames(s);)
		*c = '_';
}

// What an S3 sink alone can have wrong; where two of a name would overwrite each other.
static void objects(const struct checking *k, const struct sink_config *all, unsigned i)
{
	const struct sink_config *s = &all[i];
	size_t n = strlen(s->prefix);
	if (!*s->bucket)
		WRONG(k, spot("sinks", i, "type"), "an s3 sink needs \"bucket\"");
	if (n && (s->prefix[0] == '/' || s->prefix[n - 1] == '/'))
		WRONG(k, spot("sinks", i, "prefix"), "no '/' at its ends");
	for (unsigned t = 0; t < s->nkms_tenants; t++) {
		size_t digits = strspn(s->kms_tenants[t], "0123456789");
		if (!digits || s->kms_tenants[t][digits] != '=' || !s->kms_tenants[t][digits + 1])
			WRONG(k, spot("sinks", i, "kms_tenants"), "%s: tenant=key is expected", s->kms_tenants[t]);
	}
	for (unsigned j = 0; j < i; j++)
		if (all[j].type == SINK_S3 && !strcmp(all[j].bucket, s->bucket) && !strcmp(all[j].prefix, s->prefix) &&
		    !strcmp(all[j].endpoint, s->endpoint))
			WRONG(k, spot("sinks", i, "prefix"),
			      "sinks/%u writes there already: each needs a prefix of its own", j);
}

// A list of words that some judge takes or does not.
static void words(const struct checking *k, unsigned sink, const char *key, const char *list, size_t stride, unsigned n,
		  int (*judge)(const char *word, const char **near))
{
	for (unsigned i = 0; i < n; i++) {
		const char *near = NULL;
		if (judge(list + i * stride, &near) < 0)
			WRONG(k, spot("sinks", sink, key), "unknown word \"%s\"%s%s%s", list + i * stride,
			      near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	}
}

static int judge_kind(const char *word, const char **near)
{
	struct filter f = {0};
	return filter_kind(&f, word, near);
}

static int judge_tenant(const char *word, const char **near)
{
	return *word && strspn(word, "0123456789") == strlen(word) && strlen(word) < 20 ? 0 : -EINVAL;
}

static void sight(const struct checking *k, unsigned i)
{
	const struct sink_config *s = &k->c->sinks[i];
	words(k, i, "kinds", s->kinds[0], sizeof(s->kinds[0]), s->nkinds, judge_kind);
	words(k, i, "tenants", s->tenants[0], sizeof(s->tenants[0]), s->ntenants, judge_tenant);
	words(k, i, "redact", s->redact[0], sizeof(s->redact[0]), s->nredact, redact_word);
	if (*s->redact_key && !s->nredact)
		WARN(k, spot("sinks", i, "redact_key"), "nothing is redacted: which fields? \"redact\" is missing");
}

static void syslog(const struct checking *k, unsigned i)
{
	const struct sink_config *s = &k->c->sinks[i];
	if (!wire_server(s->server))
		WRONG(k, spot("sinks", i, *s->server ? "server" : "type"),
		      "a syslog sink needs \"server\": \"host:port\"");
	if (s->format == SHIP_FACTS)
		WRONG(k, spot("sinks", i, "format"), "facts are several lines a record; a message is one");
	if (!s->tls && (*s->ca_file || *s->cert_file || *s->key_file || *s->server_name))
		WRONG(k, spot("sinks", i, "tls"), "certificates without TLS");
	if (*s->key_file && !*s->cert_file)
		WRONG(k, spot("sinks", i, "key_file"), "a key without \"cert_file\"");
	if (!s->tls)
		WARN(k, spot("sinks", i, "tls"), "records go in the clear, to whoever answers there");
}

// A rule's copies go to one place.
static void frames(const struct checking *k, const struct sink_config *all, unsigned i)
{
	if (!*all[i].name && !all[i].others)
		WRONG(k, spot("sinks", i, "type"),
		      "a pcapng sink needs \"name\", which rules mirror to, or \"others\"");
	for (unsigned j = 0; j < i; j++)
		if (all[i].others && all[j].others)
			WRONG(k, spot("sinks", i, "others"), "sinks/%u takes these already", j);
}

static void sinks(const struct checking *k)
{
	struct sink_config *s = k->c->sinks;
	for (unsigned i = 0; i < k->c->nsinks; i++) {
		if ((s[i].type == SINK_FILE || s[i].type == SINK_PCAPNG) && !*s[i].path)
			WRONG(k, spot("sinks", i, "type"), "a %s sink needs \"path\"", sink_type_names[s[i].type]);
		if (s[i].type == SINK_S3)
			objects(k, s, i);
		if (sink_of_frames(&s[i]))
			frames(k, s, i);
		else if (!sink_kinds[s[i].type])
			WRONG(k, spot("sinks", i, "type"), "this program was built without sinks of type \"%s\"",
			      sink_type_names[s[i].type]);
#ifdef HAVE_KAFKA
		if (s[i].type == SINK_KAFKA && !kafka_brokers(&k->c->kafka.pairs))
			WRONG(k, spot("sinks", i, "type"), "a kafka sink needs kafka.bootstrap.servers");
#endif
		if (s[i].type == SINK_SYSLOG)
			syslog(k, i);
		name_sink(&s[i]);
		sight(k, i);
		for (unsigned j = 0; j < i; j++) {
			if (*s[i].path && !strcmp(s[i].path, s[j].path))
				WRONG(k, spot("sinks", i, "path"), "sinks/%u writes there already", j);
			else if (!strcmp(s[i].name, s[j].name))
				WRONG(k, spot("sinks", i, "name"), "sinks/%u is called %s already: name one of them", j,
				      s[i].name);
		}
	}
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
		WRONG(k, spot("decide", 0, "enabled"), "there is no \"kafka\" that says where the brokers are");
#else
	WRONG(k, spot("decide", 0, "enabled"), "built without Kafka");
#endif
	for (unsigned i = 0; i < 3; i++) {
		if (!*topics[i])
			WRONG(k, spot("decide", 0, keys[i]), "a topic is expected");
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(topics[i], topics[j]))
				WRONG(k, spot("decide", 0, keys[i]), "%s is this topic already", keys[j]);
	}
}

static void people(const struct checking *k)
{
	const struct config_control *t = &k->c->control;
	if (*t->http && strncmp(t->http, "127.", 4) && strncmp(t->http, "[::1]", 5))
		WARN(k, spot("control", 0, "http"), "not a loopback address: whoever reaches it can read metrics");
	if (*t->group && !getgrnam(t->group))
		say(k, !k->here, spot("control", 0, "group"), "there is no group %s here", t->group);
	if (*k->c->user && !getpwnam(k->c->user))
		say(k, !k->here, spot("", 0, "user"), "there is no user %s here", k->c->user);
}

void config_check(struct config *c, bool here, struct complaints *to)
{
	struct checking k = {c, to, here};
	elements(&k);
	cores(&k);
	for (unsigned i = 0; i < c->nports; i++) {
		port(&k, i);
		next_hops(&k, i);
	}
	paths(&k);
	policies(&k);
	memory(&k);
	sinks(&k);
	kafka(&k);
	decide(&k);
	people(&k);
}
