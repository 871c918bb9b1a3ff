// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
//
// The fast path: every frame of an AF_XDP port comes by here, in the kernel, before any worker. It leaves by one door
// of fastpath.h: dropped (denied), out of the port across (settled), to the kernel (this machine's own), or with a
// fresh tag to the worker of its queue. Where that worker's heartbeat is too old, or there is no socket, by the fail
// mode: so the link stays as the fail mode says when the process dies, since program and maps stay.
//
// The AF_XDP driver loads the first program of the object, once for each port, and looks for a map named xsks_map. That
// one is each port's own: ports that shared it would take each other's queue 0. The others are pinned by name and one
// for all, made by ctl/fastpath.c before the driver comes.
//
// Rejected: a devmap for the port across, since libbpf 1.1 takes no pinned devmap again (the kernel adds a flag to it),
// and bpf_redirect has been as fast since 5.6. The kernel's hash map: a batch of 64 updates is a system call, a store
// is none; and a changed verdict replaces the element, with what it counted. bpf_ktime_get_ns (a heartbeat needs no
// more than the coarse clock). The flow's hash in the tag, which needs the worker's 128-bit multiplications here and
// saves them there.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "parse.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, FASTPATH_QUEUES);
	__type(key, uint32_t);
	__type(value, uint32_t);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FASTPATH_BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, uint32_t);
	__type(value, struct fastpath_bucket);
} sluice_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FASTPATH_FLOWS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, uint32_t);
	__type(value, struct fastpath_slot);
} sluice_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FASTPATH_PORTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, uint32_t);
	__type(value, struct fastpath_port);
} sluice_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FASTPATH_PORTS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, uint32_t);
	__type(value, struct fastpath_doors);
} sluice_doors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FASTPATH_OWN);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct fastpath_own);
	__type(value, uint32_t);
} sluice_own SEC(".maps");

// One frame on its way. Here and not on the path of arguments: everything is inlined into one function.
struct visit {
	struct xdp_md *ctx;
	const struct fastpath_port *port;
	struct fastpath_doors *doors;
	uint64_t now_ns;
	uint32_t len;
};

static __always_inline const struct fastpath_port *port_of(uint32_t ifindex)
{
	for (uint32_t i = 0; i < FASTPATH_PROBES; i++) {
		uint32_t at = (ifindex + i) % FASTPATH_PORTS;
		const struct fastpath_port *p = bpf_map_lookup_elem(&sluice_ports, &at);
		if (p && p->ifindex == ifindex)
			return p;
	}
	return NULL;
}

static __always_inline int leave(const struct visit *v, uint32_t door, int action)
{
	if (door < FASTPATH_DOOR_COUNT) {
		v->doors->frames[door]++;
		v->doors->bytes[door] += v->len;
	}
	return action;
}

static __always_inline int leave_across(const struct visit *v, uint32_t door)
{
	return leave(v, door, bpf_redirect(v->port->peer, 0));
}

static __always_inline int leave_by_fail_mode(const struct visit *v)
{
	switch (v->port->fail) {
	case FASTPATH_OPEN_PEER:
		return leave_across(v, FASTPATH_DOOR_FAIL_FORWARDED);
	case FASTPATH_OPEN_KERNEL:
		return leave(v, FASTPATH_DOOR_FAIL_KERNEL, XDP_PASS);
	}
	return leave(v, FASTPATH_DOOR_FAIL_DROPPED, XDP_DROP);
}

static __always_inline int tag_prefix(struct xdp_md *ctx, const struct fastpath_tag *t)
{
	if (bpf_xdp_adjust_head(ctx, -FASTPATH_TAG_BYTES))
		return 0;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + sizeof(*t) > end)
		return 0;
	*(struct fastpath_tag *)data = *t;
	return 1;
}

static __always_inline int tag_metadata(struct xdp_md *ctx, const struct fastpath_tag *t)
{
	if (bpf_xdp_adjust_meta(ctx, -FASTPATH_TAG_BYTES))
		return 0;
	void *meta = (void *)(long)ctx->data_meta, *data = (void *)(long)ctx->data;
	if (meta + sizeof(*t) > data)
		return 0;
	*(struct fastpath_tag *)meta = *t;
	return 1;
}

static __always_inline int leave_up(const struct visit *v, const struct parsed *p, uint32_t door, uint32_t hint)
{
	if (bpf_redirect_map(&xsks_map, v->ctx->rx_queue_index, XDP_DROP) != XDP_REDIRECT)
		return leave_by_fail_mode(v);
	struct fastpath_tag t = {.why = door, .vlans = p->vlans};
	if (door < FASTPATH_DOOR_UP_FRAGMENT) {
		t.hint = hint;
		t.l3 = p->l3;
		t.l4 = p->l4;
		t.proto = p->key.proto;
		t.version = p->key.version;
	}
	t.check = fastpath_tag_check(&t, v->len, v->port->secret);
	if (!(v->port->carrier == FASTPATH_PREFIX ? tag_prefix(v->ctx, &t) : tag_metadata(v->ctx, &t)))
		return leave(v, FASTPATH_DOOR_NO_TAG, XDP_DROP);
	return leave(v, door, XDP_REDIRECT);
}

// ARP, link-local multicast (RFC 5771 4, RFC 4291 2.7) and addresses that the process named.
static __always_inline int is_own(const struct parsed *p)
{
	const uint8_t *a = p->key.dst;
	if (p->type == 0x0806)
		return 1;
	if (p->key.version == 0)
		return 0;
	if (p->key.version == 4 ? a[0] == 224 && a[1] == 0 && a[2] == 0 : a[0] == 0xff && a[1] == 0x02)
		return 1;
	struct fastpath_own o = {.port = p->key.port, .version = p->key.version};
	__builtin_memcpy(o.addr, a, 16);
	return bpf_map_lookup_elem(&sluice_own, &o) != NULL;
}

// A sender in this host that left the checksum to a card, which a veth is not, has written the pseudo header's sum and
// nothing else (checksum.c; one in 65,536 sound ones looks like it). Nobody would make it on the way across. In the
// machine's order: the sum is the same in both (RFC 1071 2).
static __always_inline int is_unfinished(const struct parsed *p)
{
	const uint32_t *a = (const uint32_t *)p->key.src, *b = (const uint32_t *)p->key.dst;
	uint64_t sum = (uint64_t)__builtin_bswap16(p->length) + __builtin_bswap16(p->key.proto);
	if (p->key.proto == 50)
		return 0;
#pragma unroll
	for (unsigned i = 0; i < 4; i++)
		sum += (uint64_t)a[i] + b[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == p->checksum;
}

static __always_inline int is_same(const struct fastpath_key *a, const struct fastpath_key *b)
{
	const uint32_t *x = (const uint32_t *)a, *y = (const uint32_t *)b;
	uint32_t differ = 0;
#pragma unroll
	for (unsigned i = 0; i < sizeof(*a) / 4; i++)
		differ |= x[i] ^ y[i];
	return differ == 0;
}

static __always_inline struct fastpath_slot *slot_of(const struct visit *v, const struct fastpath_key *k)
{
	uint64_t hash = fastpath_hash(k, v->port->secret);
	uint32_t at = fastpath_bucket_of(hash), mark = fastpath_mark_of(hash), way;
	const struct fastpath_bucket *b = bpf_map_lookup_elem(&sluice_buckets, &at);
	if (!b)
		return NULL;
#pragma unroll
	for (way = 0; way < FASTPATH_WAYS; way++)
		if (b->mark[way] == mark)
			break;
	if (way == FASTPATH_WAYS)
		return NULL;
	uint32_t number = b->number[way % FASTPATH_WAYS];
	struct fastpath_slot *s = bpf_map_lookup_elem(&sluice_slots, &number);
	return s && is_same(&s->key, k) ? s : NULL;
}

// The door of a frame that has a key. Frames that leave here are counted here.
static __always_inline uint32_t by_the_map(const struct visit *v, const struct parsed *p, uint32_t *hint)
{
	struct fastpath_slot *s = slot_of(v, &p->key);
	if (!s)
		return FASTPATH_DOOR_UP_NEW;
	*hint = s->hint;
	uint32_t verdict = s->verdict; // once: the process may change it
	if (fastpath_comes_up(p->key.proto, p->says, s->care))
		return p->key.proto == 17 ? FASTPATH_DOOR_UP_QUIC : FASTPATH_DOOR_UP_TCP;
	if (verdict == FASTPATH_UP || (verdict == FASTPATH_FORWARD && !v->port->across))
		return FASTPATH_DOOR_UP_KNOWN;
	if (verdict == FASTPATH_FORWARD && is_unfinished(p))
		return FASTPATH_DOOR_UP_CHECKSUM;
	__sync_fetch_and_add(&s->packets, 1);
	__sync_fetch_and_add(&s->bytes, v->len);
	s->last_ns = v->now_ns;
	return verdict == FASTPATH_FORWARD ? FASTPATH_DOOR_FORWARDED : FASTPATH_DOOR_DENIED;
}

SEC("xdp") int sluice_fastpath(struct xdp_md *ctx)
{
	const uint8_t *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct fastpath_port *port = port_of(ctx->ingress_ifindex);
	if (!port)
		return XDP_PASS;
	struct parsed p = {.key.port = port->number};
	uint32_t number = port->number;
	struct visit v = {ctx, port, bpf_map_lookup_elem(&sluice_doors, &number), bpf_ktime_get_coarse_ns(),
			  end - data};
	if (!v.doors)
		return XDP_ABORTED;
	v.doors->rx++;
	v.doors->rx_bytes += v.len;

	uint32_t door = parse_frame(data, end, &p);
	if (port->own && is_own(&p))
		return leave(&v, FASTPATH_DOOR_OWN, XDP_PASS);
	// signed: the coarse clock may be behind the one that the worker read
	int64_t age_ns = v.now_ns - port->beat_ns[ctx->rx_queue_index % FASTPATH_QUEUES];
	if (age_ns > (int64_t)port->stale_ms * 1000000)
		return leave_by_fail_mode(&v);
	uint32_t hint = 0;
	if (door == BY_THE_MAP)
		door = by_the_map(&v, &p, &hint);
	if (door == FASTPATH_DOOR_FORWARDED)
		return leave_across(&v, door);
	if (door == FASTPATH_DOOR_DENIED)
		return leave(&v, door, XDP_DROP);
	return leave_up(&v, &p, door, hint);
}

char licence[] SEC("license") = "Dual BSD/GPL";
