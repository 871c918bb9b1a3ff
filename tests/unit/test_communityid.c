// SPDX-License-Identifier: BSD-3-Clause
//
// Community ids against the published examples of corelight/community-id-spec (baseline, seed 0).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "record.h"
#include "ship/communityid.h"

static struct communityid *maker;

static struct record tuple(const char *src, const char *dst, uint8_t proto, uint16_t a, uint16_t b)
{
	struct record r = {.proto = proto, .flow_id = 8};
	int family = strchr(src, ':') ? AF_INET6 : AF_INET;
	r.ip_version = family == AF_INET6 ? 6 : 4;
	assert_int_equal(inet_pton(family, src, r.src), 1);
	assert_int_equal(inet_pton(family, dst, r.dst), 1);
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
		r.icmp_type = (uint8_t)a;
		r.icmp_code = (uint8_t)b;
	} else {
		r.sport = a;
		r.dport = b;
	}
	return r;
}

static void expect(const char *src, const char *dst, uint8_t proto, uint16_t a, uint16_t b, const char *want)
{
	struct record r = tuple(src, dst, proto, a, b);
	assert_string_equal(communityid_of(maker, &r), want);
	assert_string_equal(communityid_of(maker, &r), want); // as kept
}

static void published(void **state)
{
	expect("128.232.110.120", "66.35.250.204", 6, 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	expect("66.35.250.204", "128.232.110.120", 6, 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	expect("192.168.1.52", "8.8.8.8", 17, 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
	expect("8.8.8.8", "192.168.1.52", 17, 53, 54585, "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
	expect("192.168.170.8", "192.168.170.56", 132, 7, 80, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ=");
	expect("192.168.0.89", "192.168.0.1", 1, 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
	expect("192.168.0.1", "192.168.0.89", 1, 0, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
	expect("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 58, 135, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
	expect("fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 58, 136, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
}

// An ICMP type without an answer keeps its order: the two ways are two flows.
static void one_way(void **state)
{
	struct record there = tuple("192.168.0.89", "192.168.0.1", 1, 3, 1);
	struct record back = tuple("192.168.0.1", "192.168.0.89", 1, 3, 1);
	char first[COMMUNITYID_LEN + 1];
	strcpy(first, communityid_of(maker, &there));
	assert_string_not_equal(first, communityid_of(maker, &back));
}

static void protocols_without_ports(void **state)
{
	struct record there = tuple("10.0.0.1", "10.0.0.2", 47, 0, 0), back = tuple("10.0.0.2", "10.0.0.1", 47, 0, 0);
	char first[COMMUNITYID_LEN + 1];
	strcpy(first, communityid_of(maker, &there));
	assert_int_equal(strlen(first), COMMUNITYID_LEN);
	assert_string_equal(first, communityid_of(maker, &back));
}

static int setup(void **state)
{
	maker = communityid_new(0);
	return maker ? 0 : -1;
}

static int teardown(void **state)
{
	communityid_free(maker);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),
		cmocka_unit_test(one_way),
		cmocka_unit_test(protocols_without_ports),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
