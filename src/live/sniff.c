// SPDX-License-Identifier: BSD-3-Clause
//
// A live capture. In come frames, on the workers' threads, where they come in, leave and are dropped; those that the
// filter wants are copied into a ring of bytes of each worker's own. Out goes a pcapng file, written by a thread of the
// capture, each port an interface of it, each dropped frame with a comment that says by which reason and rule.
//
//   worker:  port, way -> filter -> [ring] --- thread: oldest first -> file -> limits
//
// What must never happen: that a worker waits. It takes no memory, lock or system call; a frame that finds no room in
// the ring is counted as lost. Filters are cBPF of a bounded length that only jumps forward, run by libpcap. Compiled
// they are on the thread: a host's name in one is asked of the resolver, as tcpdump does it, and that takes its time.
// It is not optimized: libpcap's optimizer has no bound.
//
// Workers begin and end to look by errands, so what they hold is known to be theirs no more when the second is done: no
// pointer is shared. Frames are said with the time of the worker's turn. Of several workers they are put into order as
// far as the rings hold them.
//
// The file is always a new one, made with the process's own rights: who may speak to the socket cannot have it write
// over a log, a device or a link's target.
#include "live/sniff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pcap/pcap.h>
#include <rte_branch_prediction.h>

#include "base/capture_out.h"
#include "base/clock.h"
#include "base/eal.h"
#include "live/comment.h"
#include "path/flow.h"
#include "path/rooms.h"
#include "ruleset.h"

#define LINKTYPE_ETHERNET 1
#define INSNS 512 // of a filter: some 2 us a frame where it runs through all of them
#define REST_NS 1000000
#define FLUSH_NS 200000000ull
#define ROUND 256 // frames between two looks at the limits

// As it stands in a ring, before the frame's bytes.
struct sniffed {
	uint64_t stamp_ns, flow;
	uint32_t rule, policy, wire_len, len;
	uint16_t reason;
	uint8_t port, way;
	uint32_t own;
};

struct part { // a worker's
	struct sniff *of;
	struct part *next; // of the worker's list
	uint8_t *ring;
	_Alignas(64) _Atomic uint64_t head, lost; // written by the worker
	_Alignas(64) _Atomic uint64_t tail;       // by the thread
};

struct sniff {
	struct sniff_config config;
	struct bpf_program program; // bf_insns NULL: everything
	struct errand attach, detach;
	struct capture_out *out;
	struct capture_record *record; // room for the longest
	pthread_t thread;
	_Atomic int state;
	_Atomic bool stop;
	_Atomic uint64_t frames, bytes;
	uint64_t lost; // when it ended: what finds no room after that would not have been written anyway
	char why[SNIFF_WHY];
	struct part part[];
};

// ---- workers -----------------------------------------------------------------------------------------------------

static uint64_t put(const struct part *p, uint64_t at, const void *from, uint32_t n)
{
	uint32_t size = p->of->config.ring_bytes, i = at & (size - 1), first = RTE_MIN(n, size - i);
	memcpy(p->ring + i, from, first);
	memcpy(p->ring, (const uint8_t *)from + first, n - first);
	return at + n;
}

static void add(struct part *p, struct rte_mbuf *m, struct sniffed *e)
{
	uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
	uint64_t used = head - atomic_load_explicit(&p->tail, memory_order_acquire);
	e->wire_len = rte_pktmbuf_pkt_len(m);
	e->len = RTE_MIN(e->wire_len, p->of->config.snaplen);
	if (sizeof(*e) + e->len > p->of->config.ring_bytes - used) {
		atomic_store_explicit(&p->lost, atomic_load_explicit(&p->lost, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return;
	}
	head = put(p, head, e, sizeof(*e));
	for (uint32_t left = e->len; left && m; m = m->next) {
		uint32_t n = RTE_MIN(left, m->data_len);
		head = put(p, head, rte_pktmbuf_mtod(m, const void *), n);
		left -= n;
	}
	atomic_store_explicit(&p->head, head, memory_order_release);
}

static void show(struct worker *w, struct rte_mbuf *m, struct sniffed *e)
{
	const struct pcap_pkthdr h = {.caplen = m->data_len, .len = rte_pktmbuf_pkt_len(m)};
	for (struct part *p = w->seer; p; p = p->next) {
		const struct sniff *s = p->of;
		if ((s->config.ways & e->way) && (s->config.ports >> e->port & 1) &&
		    (!s->program.bf_insns || pcap_offline_filter(&s->program, &h, rte_pktmbuf_mtod(m, const u_char *))))
			add(p, m, e);
	}
}

void sniff_in(struct worker *w, struct rte_mbuf *m)
{
	show(w, m,
	     &(struct sniffed){
		     .stamp_ns = w->now_ns + w->wall_ns, .port = pkt_of(m)->port, .way = SNIFF_IN, .rule = RULE_NONE});
}

static void sees(struct worker *w, struct rte_mbuf *m, unsigned port, uint16_t reason)
{
	const struct pkt *p = pkt_of(m);
	struct sniffed e = {.stamp_ns = w->now_ns + w->wall_ns,
			    .flow = p->flow ? p->flow->id : 0,
			    .port = (uint8_t)port,
			    .way = reason ? SNIFF_DROPPED : SNIFF_OUT,
			    .reason = reason,
			    .rule = RULE_NONE,
			    .own = p->flags & PKT_OWN};
	if (reason)
		e.rule = tx_rule(w, p, &e.policy);
	show(w, m, &e);
}

static bool attach(struct errand *e, struct worker *w)
{
	struct part *p = &container_of(e, struct sniff, attach)->part[w->id];
	p->next = w->seer;
	w->seer = p;
	w->sees = sees;
	return true;
}

static bool detach(struct errand *e, struct worker *w)
{
	struct part *p = &container_of(e, struct sniff, detach)->part[w->id], *at = w->seer;
	if (at == p)
		w->seer = p->next;
	for (; at; at = at->next)
		if (at->next == p)
			at->next = p->next;
	w->sees = w->seer ? sees : NULL;
	return true;
}

// ---- the file ----------------------------------------------------------------------------------------------------

static void get(const struct part *p, uint64_t at, void *to, uint32_t n)
{
	uint32_t size = p->of->config.ring_bytes, i = at & (size - 1), first = RTE_MIN(n, size - i);
	memcpy(to, p->ring + i, first);
	memcpy((uint8_t *)to + first, p->ring, n - first);
}

static void comment(struct comment *c, const struct sniff *s, const struct sniffed *e)
{
	const struct policy_names *names =
		e->policy >= 1 && e->policy <= s->config.npolicies ? s->config.policies[e->policy - 1] : NULL;
	const struct rule_name *rule = names && e->rule != RULE_NONE ? policy_names_rule(names, e->rule) : NULL;
	c->len = 0;
	if (e->way == SNIFF_DROPPED)
		comment_name(c, "dropped", reason_names[e->reason]);
	if (rule)
		comment_name(c, "rule", rule->id);
	if (rule && rule->reason)
		comment_text(c, "reason", rule->reason);
	if (e->own)
		comment_name(c, "frame", "own");
	if (e->flow)
		comment_number(c, "flow_id", e->flow);
}

static void write_frame(struct sniff *s, struct part *p, const struct sniffed *e, uint64_t at)
{
	struct comment c;
	const char *const comments[] = {c.text};
	struct capture_record *r = s->record;
	*r = (struct capture_record){.stamp_ns = e->stamp_ns,
				     .wire_len = e->wire_len,
				     .len = e->len,
				     .link_type = LINKTYPE_ETHERNET,
				     .way = e->way == SNIFF_OUT ? 2 : 1,
				     .port = s->config.port[e->port]};
	get(p, at, r->data, e->len);
	comment(&c, s, e);
	capture_out_said(s->out, r, comments, c.len != 0);
	atomic_store_explicit(&p->tail, at + e->len, memory_order_release);
	atomic_store(&s->frames, atomic_load(&s->frames) + 1);
	atomic_store(&s->bytes, capture_out_bytes(s->out));
}

// The oldest of what the rings hold. False: they hold nothing.
static bool write_next(struct sniff *s)
{
	struct part *from = NULL;
	struct sniffed e, first = {0};
	for (unsigned i = 0; i < s->config.workers; i++) {
		struct part *p = &s->part[i];
		uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
		if (atomic_load_explicit(&p->head, memory_order_acquire) == tail)
			continue;
		get(p, tail, &e, sizeof(e));
		if (!from || e.stamp_ns < first.stamp_ns) {
			from = p;
			first = e;
		}
	}
	if (from)
		write_frame(s, from, &first, atomic_load_explicit(&from->tail, memory_order_relaxed) + sizeof(first));
	return from;
}

// Up to so many frames; NULL: it goes on.
static const char *write_some(struct sniff *s, unsigned *n)
{
	const struct sniff_config *c = &s->config;
	for (*n = 0; *n < ROUND; ++*n) {
		if (c->frames && s->frames >= c->frames)
			return "frames";
		if (s->bytes >= c->bytes)
			return "megabytes";
		if (!write_next(s))
			break;
	}
	return NULL;
}

static const char *write_all(struct sniff *s)
{
	uint64_t begun = clock_ns(CLOCK_MONOTONIC), flushed = begun, now;
	for (;;) {
		unsigned n;
		bool stop = atomic_load(&s->stop); // before the last look at the rings
		const char *why = write_some(s, &n);
		now = clock_ns(CLOCK_MONOTONIC);
		if (!n && now - flushed >= FLUSH_NS) {
			capture_out_flush(s->out);
			flushed = now;
		}
		if (capture_out_error(s->out))
			return strerror(-capture_out_error(s->out));
		if (why || (!n && stop))
			return why ? why : "";
		if (now - begun >= s->config.for_ns)
			return "time";
		if (!n)
			nanosleep(&(struct timespec){.tv_nsec = REST_NS}, NULL);
	}
}

// ---- its thread --------------------------------------------------------------------------------------------------

// "protochain" makes loops.
static bool forward(const struct bpf_program *p)
{
	for (unsigned i = 0; i < p->bf_len; i++)
		if (p->bf_insns[i].code == (BPF_JMP | BPF_JA) && p->bf_insns[i].k >= p->bf_len - i - 1)
			return false;
	return true;
}

static bool compile(struct sniff *s)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, CAPTURE_SNAPLEN_MAX);
	bool ok = false;
	if (!dead)
		snprintf(s->why, sizeof(s->why), "no memory");
	else if (pcap_compile(dead, &s->program, s->config.filter, 0, PCAP_NETMASK_UNKNOWN) != 0)
		snprintf(s->why, sizeof(s->why), "filter: %s", pcap_geterr(dead));
	else if (s->program.bf_len > INSNS || !forward(&s->program))
		snprintf(s->why, sizeof(s->why),
			 "filter: more than a worker should do for a frame: %u instructions, at most %u, none of them "
			 "back",
			 s->program.bf_len, INSNS);
	else
		ok = true;
	if (dead)
		pcap_close(dead);
	return ok;
}

static bool open_file(struct sniff *s)
{
	static const struct capture_format format = {.link_type = LINKTYPE_ETHERNET, .pcapng = true, .named = true};
	int fd = open(s->config.file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	s->out = fd < 0 ? NULL : capture_out_on(fd, &format);
	if (!s->out)
		snprintf(s->why, sizeof(s->why), "%.400s: %s", s->config.file,
			 errno == EEXIST ? "is there already, and nothing is written over" : strerror(errno));
	return s->out;
}

static bool open_all(struct sniff *s)
{
	bool memory = (s->record = malloc(sizeof(*s->record) + s->config.snaplen)) != NULL;
	for (unsigned i = 0; i < s->config.workers && memory; i++)
		memory = (s->part[i].ring = mem_take(s->config.ring_bytes)) != NULL;
	if (!memory)
		snprintf(s->why, sizeof(s->why), "no memory");
	return memory && (!*s->config.filter || compile(s)) && open_file(s);
}

static uint64_t lost(const struct sniff *s)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < s->config.workers; i++)
		sum += atomic_load_explicit(&s->part[i].lost, memory_order_relaxed);
	return sum;
}

static void *run(void *arg)
{
	struct sniff *s = arg;
	pthread_setname_np(pthread_self(), "capture");
	if (!open_all(s)) {
		atomic_store(&s->state, SNIFF_FAILED);
		s->config.said(s->config.arg);
		return NULL;
	}
	atomic_store(&s->state, SNIFF_RUNS);
	s->config.said(s->config.arg);
	snprintf(s->why, sizeof(s->why), "%s", write_all(s));
	s->lost = lost(s);
	int rc = capture_out_close(s->out);
	if (rc < 0)
		snprintf(s->why, sizeof(s->why), "%s", strerror(-rc));
	atomic_store(&s->state, SNIFF_ENDED);
	s->config.said(s->config.arg);
	return NULL;
}

// ---- for the control thread --------------------------------------------------------------------------------------

static void give(struct sniff *s)
{
	for (unsigned i = 0; i < s->config.workers; i++)
		if (s->part[i].ring)
			mem_give(s->part[i].ring, s->config.ring_bytes);
	if (s->program.bf_insns)
		pcap_freecode(&s->program);
	free(s->record);
	free(s);
}

struct sniff *sniff_new(const struct sniff_config *config)
{
	size_t bytes = RTE_ALIGN(sizeof(struct sniff) + config->workers * sizeof(struct part), 64);
	struct sniff *s = aligned_alloc(64, bytes);
	if (!s)
		return NULL;
	memset(s, 0, bytes);
	s->config = *config;
	s->attach.step = attach;
	s->detach.step = detach;
	for (unsigned i = 0; i < config->workers; i++)
		s->part[i].of = s;
	if (pthread_create(&s->thread, NULL, run, s) == 0)
		return s;
	give(s);
	return NULL;
}

enum sniff_state sniff_state(const struct sniff *s)
{
	return atomic_load(&s->state);
}

const char *sniff_why(const struct sniff *s)
{
	return s->why;
}

struct sniff_counts sniff_counts(const struct sniff *s)
{
	return (struct sniff_counts){.frames = atomic_load(&s->frames),
				     .bytes = atomic_load(&s->bytes),
				     .lost = sniff_state(s) == SNIFF_ENDED ? s->lost : lost(s)};
}

struct errand *sniff_attach(struct sniff *s)
{
	return &s->attach;
}

struct errand *sniff_detach(struct sniff *s)
{
	return &s->detach;
}

void sniff_stop(struct sniff *s)
{
	atomic_store(&s->stop, true);
}

bool sniff_free(struct sniff *s, unsigned wait_s)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_s;
	if (pthread_timedjoin_np(s->thread, NULL, &until) != 0)
		return false;
	give(s);
	return true;
}
