// SPDX-License-Identifier: BSD-3-Clause
//
// The decap room: tenants and transports, depth, bounds. (Each encapsulation by itself is a golden capture.)
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <netinet/in.h>

#include "../frames.h"

static struct frames t;

// A frame is written from its end to its start, as headers are wrapped around it.
static struct {
	uint8_t room[4096];
	uint32_t at;
} f;

static void front(const void *bytes, uint32_t len)
{
	f.at -= len;
	memcpy(f.room + f.at, bytes, len);
}

static void ip(uint8_t proto)
{
	uint32_t len = sizeof(f.room) - f.at + 20;
	uint8_t h[20] = {0x45, 0, len >> 8, (uint8_t)len, 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
	front(h, sizeof(h));
}

static void udp(uint16_t dport)
{
	uint32_t len = sizeof(f.room) - f.at + 8;
	uint8_t h[8] = {0x9c, 0x40, dport >> 8, (uint8_t)dport, len >> 8, (uint8_t)len};
	front(h, sizeof(h));
}

static void ether(uint16_t type)
{
	uint8_t h[14] = {[12] = type >> 8, (uint8_t)type};
	front(h, sizeof(h));
}

static void vlan(uint8_t id, uint16_t type)
{
	uint8_t h[4] = {0, id, type >> 8, (uint8_t)type};
	front(h, sizeof(h));
}

static void vxlan(uint8_t vni)
{
	uint8_t h[8] = {0x08, [6] = vni};
	front(h, sizeof(h));
	udp(4789);
	ip(IPPROTO_UDP);
}

static void gwlb(uint8_t endpoint)
{
	uint8_t h[40] = {8, 0, 8, 0, 0, 0, 0, 0, 1, 8, 1, 2, 0, 0, 0, 0, 0, 0, 0, endpoint, 1, 8, 2, 2};
	h[32] = 1, h[33] = 8, h[34] = 3, h[35] = 1;
	front(h, sizeof(h));
	udp(6081);
	ip(IPPROTO_UDP);
}

static void begin(void)
{
	f.at = sizeof(f.room);
	front("data", 4);
	udp(2000);
	ip(IPPROTO_UDP);
}

static struct burst b;

static const struct pkt *walk(uint32_t transports)
{
	frames_open(&t, (struct path_config){.checksum = CHECKSUM_IGNORE, .fragments = 8, .transports = transports});
	uint32_t len = sizeof(f.room) - f.at;
	b.n = 1;
	b.m[0] = frames_add(&t, f.room + f.at, len, len, 1);
	frames_walk(&t, &b);
	return pkt_of(b.m[0]);
}

static void end(void)
{
	tx_burst(&t.w, &b);
	frames_close(&t);
}

static void vlan_is_tenant_where_named(void **state)
{
	for (uint32_t transports = 0; transports <= TRANSPORT_VLAN; transports += TRANSPORT_VLAN) {
		begin();
		vlan(7, 0x0800);
		vlan(5, 0x8100);
		ether(0x8100);
		const struct pkt *p = walk(transports);
		assert_int_equal(p->tenant, transports ? 5 : 0);
		assert_int_equal(p->nvlans, 2);
		assert_int_equal(p->vlan[0], 5);
		assert_int_equal(p->vlan[1], 7);
		end();
	}
}

static void gwlb_is_taken_off_once(void **state)
{
	begin();
	gwlb(9); // somebody inside plays endpoint 9
	gwlb(3);
	ether(0x0800);
	const struct pkt *p = walk(TRANSPORT_GWLB | TRANSPORT_VLAN);
	assert_int_equal(p->tenant, 3);
	assert_int_equal(p->nlayers, 2);
	assert_true(p->flags & PKT_TRANSPORT);
	assert_int_equal(p->transport_l3, 14);
	assert_int_equal(p->nvnis, 1);
	end();
	begin();
	gwlb(3);
	ether(0x0800);
	p = walk(TRANSPORT_VLAN);
	assert_int_equal(p->tenant, 0);
	assert_int_equal(p->nlayers, 2);
	assert_false(p->flags & PKT_TRANSPORT);
	end();
}

// The tag around the transport is the tenant, the transport is still taken off; a tag inside never is.
static void outermost_wins(void **state)
{
	begin();
	gwlb(3);
	vlan(5, 0x0800);
	ether(0x8100);
	const struct pkt *p = walk(TRANSPORT_GWLB | TRANSPORT_VLAN);
	assert_int_equal(p->tenant, 5);
	assert_int_equal(p->nlayers, 1);
	end();
	begin();
	vlan(5, 0x0800);
	ether(0x8100);
	vxlan(0); // a VNI of 0 names nobody, but it is a transport
	ether(0x0800);
	p = walk(TRANSPORT_VXLAN | TRANSPORT_VLAN);
	assert_int_equal(p->tenant, 0);
	assert_int_equal(p->nlayers, 1);
	assert_int_equal(p->nvnis, 0);
	end();
	begin();
	vlan(5, 0x0800);
	ether(0x8100);
	vxlan(6);
	ether(0x0800);
	p = walk(TRANSPORT_VLAN);
	assert_int_equal(p->tenant, 0);
	assert_int_equal(p->nlayers, 2);
	assert_int_equal(p->vni[0], 6);
	end();
}

static void depth_has_an_end(void **state)
{
	for (unsigned n = 1; n < 8; n++) {
		begin();
		for (unsigned i = 1; i < n; i++)
			ip(IPPROTO_IPIP);
		ether(0x0800);
		const struct pkt *p = walk(0);
		assert_int_equal(p->reason, 0);
		assert_int_equal(p->nlayers, RTE_MIN(n, (unsigned)LAYERS_MAX));
		assert_int_equal(!!(p->flags & PKT_DEEPER), n > LAYERS_MAX);
		assert_int_equal(t.w.counters[COUNTER_DECAP_DEPTH], n > LAYERS_MAX);
		end();
	}
	// tags without end
	begin();
	for (unsigned i = 0; i < 100; i++)
		vlan((uint8_t)i, i ? 0x8100 : 0x0800);
	ether(0x8100);
	const struct pkt *p = walk(0);
	assert_int_equal(p->reason, 0);
	assert_true(p->flags & PKT_DEEPER);
	assert_int_equal(p->nvlans, VLANS_MAX);
	assert_int_equal(p->vlan[0], 99);
	end();
}

// A second walk, as after defrag, leaves alone what has been walked.
static void walked_once(void **state)
{
	begin();
	vxlan(6 + 1);
	ether(0x0800);
	const struct pkt *p = walk(0);
	assert_int_equal(p->nlayers, 1); // VXLAN carries Ethernet: 28 bytes of IP are none
	end();
	begin();
	ether(0x0800);
	vxlan(7);
	ether(0x0800);
	p = walk(0);
	assert_int_equal(p->nlayers, 2);
	decap_burst(&t.w, &b);
	assert_int_equal(p->nlayers, 2);
	assert_int_equal(p->nvnis, 1);
	end();
}

// A fragment is the same with a tag, which takes the walk, and without, which does not.
static void fragments_with_and_without_a_walk(void **state)
{
	struct layer seen[2];
	for (unsigned tag = 0; tag < 2; tag++) {
		begin();
		f.room[f.at + 6] = 0x20; // more to come
		if (tag)
			vlan(7, 0x0800);
		ether(tag ? 0x8100 : 0x0800);
		uint32_t len = sizeof(f.room) - f.at;
		frames_open(&t, (struct path_config){.checksum = CHECKSUM_IGNORE, .fragments = 8});
		b.n = 1;
		b.m[0] = frames_add(&t, f.room + f.at, len, len, 1);
		memset(pkt_of(b.m[0])->layer, 0xff, sizeof(seen[0]));
		decap_burst(&t.w, &b);
		const struct pkt *p = pkt_of(b.m[0]);
		assert_int_equal(p->nlayers, 1);
		assert_ptr_equal(p->inner, &p->layer[0]);
		assert_int_equal(t.w.counters[COUNTER_FRAGMENTS], 1);
		seen[tag] = p->layer[0];
		end();
	}
	seen[1].l3 -= 4;
	seen[1].l4 -= 4;
	seen[1].payload -= 4;
	assert_memory_equal(&seen[0], &seen[1], sizeof(seen[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vlan_is_tenant_where_named),
		cmocka_unit_test(gwlb_is_taken_off_once),
		cmocka_unit_test(outermost_wins),
		cmocka_unit_test(depth_has_an_end),
		cmocka_unit_test(walked_once),
		cmocka_unit_test(fragments_with_and_without_a_walk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
