// SPDX-License-Identifier: BSD-3-Clause
//
// In: a record's tuple. Out: the flow's community id. Shipper's thread.
//
//   "1:" base64( SHA1( seed | address | address | protocol | 0 | port | port ) )        all in network order
//
// The smaller (address, port) goes first. ICMP has no ports: the type takes the first's place and the type of its
// answer the second's, so that both directions are one flow; where there is no such pair, the code, unordered.
// Protocols without ports leave them out.
//
// The last ids are kept by flow: requests of one connection follow one another.
#include "ship/communityid.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "record.h"

// What the id is made of, as the record has it.
struct tuple {
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint8_t proto, version, icmp_type, icmp_code;
};

struct kept {
	struct tuple of;
	char text[COMMUNITYID_LEN + 2];
};

#define KEPT 1024 // a power of two

struct communityid {
	EVP_MD_CTX *ctx;
	EVP_MD *sha1;
	uint8_t seed_be[2];
	struct kept kept[KEPT];
};

struct communityid *communityid_new(uint16_t seed)
{
	struct communityid *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->ctx = EVP_MD_CTX_new();
	c->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	c->seed_be[0] = (uint8_t)(seed >> 8);
	c->seed_be[1] = (uint8_t)seed;
	if (c->ctx && c->sha1)
		return c;
	communityid_free(c);
	return NULL;
}

void communityid_free(struct communityid *c)
{
	if (!c)
		return;
	EVP_MD_free(c->sha1);
	EVP_MD_CTX_free(c->ctx);
	free(c);
}

struct pair {
	uint8_t type, answer;
};

// RFC 792, 950, 1256
static const struct pair icmp_pairs[] = {{8, 0},   {0, 8},  {13, 14}, {14, 13}, {15, 16},
					 {16, 15}, {10, 9}, {9, 10},  {17, 18}, {18, 17}};
// RFC 4443, 2710, 4861, 4620, 6275
static const struct pair icmp6_pairs[] = {{128, 129}, {129, 128}, {130, 131}, {131, 130}, {133, 134}, {134, 133},
					  {135, 136}, {136, 135}, {139, 140}, {140, 139}, {144, 145}, {145, 144}};

static bool answer_of(const struct pair *pairs, size_t n, uint8_t type, uint16_t *answer)
{
	for (size_t i = 0; i < n; i++) {
		if (pairs[i].type == type) {
			*answer = pairs[i].answer;
			return true;
		}
	}
	return false;
}

// The two numbers that stand in for ports. False: the protocol has none. one_way: the order is as sent.
static bool ports_of(const struct tuple *t, uint16_t *a, uint16_t *b, bool *one_way)
{
	*one_way = false;
	switch (t->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		*a = t->sport;
		*b = t->dport;
		return true;
	case IPPROTO_ICMP:
		*a = t->icmp_type;
		*b = t->icmp_code;
		*one_way = !answer_of(icmp_pairs, sizeof(icmp_pairs) / sizeof(icmp_pairs[0]), t->icmp_type, b);
		return true;
	case IPPROTO_ICMPV6:
		*a = t->icmp_type;
		*b = t->icmp_code;
		*one_way = !answer_of(icmp6_pairs, sizeof(icmp6_pairs) / sizeof(icmp6_pairs[0]), t->icmp_type, b);
		return true;
	default:
		return false;
	}
}

static uint8_t *put(uint8_t *at, const void *p, size_t n)
{
	memcpy(at, p, n);
	return at + n;
}

static uint8_t *put_port(uint8_t *at, uint16_t port)
{
	*at++ = (uint8_t)(port >> 8);
	*at++ = (uint8_t)port;
	return at;
}

static size_t message(const struct communityid *c, const struct tuple *t, uint8_t *m)
{
	uint16_t a = 0, b = 0;
	bool one_way, ports = ports_of(t, &a, &b, &one_way);
	size_t len = t->version == 6 ? 16 : 4;
	int order = memcmp(t->src, t->dst, len);
	bool swap = !one_way && (order > 0 || (order == 0 && a > b));
	uint8_t *at = put(m, c->seed_be, 2);
	at = put(at, swap ? t->dst : t->src, len);
	at = put(at, swap ? t->src : t->dst, len);
	*at++ = t->proto;
	*at++ = 0;
	if (ports) {
		at = put_port(at, swap ? b : a);
		at = put_port(at, swap ? a : b);
	}
	return (size_t)(at - m);
}

static void make(struct communityid *c, const struct tuple *t, char *text)
{
	uint8_t m[40], digest[EVP_MAX_MD_SIZE];
	size_t len = message(c, t, m);
	unsigned n = 0;
	if (EVP_DigestInit_ex2(c->ctx, c->sha1, NULL) != 1 || EVP_DigestUpdate(c->ctx, m, len) != 1 ||
	    EVP_DigestFinal_ex(c->ctx, digest, &n) != 1)
		abort(); // SHA1 of 40 bytes has no way to fail but a broken library
	memcpy(text, "1:", 2);
	EVP_EncodeBlock((unsigned char *)text + 2, digest, (int)n);
}

const char *communityid_of(struct communityid *c, const struct record *r)
{
	struct tuple t = {.sport = r->sport,
			  .dport = r->dport,
			  .proto = r->proto,
			  .version = r->ip_version,
			  .icmp_type = r->icmp_type,
			  .icmp_code = r->icmp_code};
	memcpy(t.src, r->src, sizeof(t.src));
	memcpy(t.dst, r->dst, sizeof(t.dst));
	struct kept *k = &c->kept[(r->flow_id ^ r->flow_id >> 3) & (KEPT - 1)];
	if (k->text[0] == 0 || memcmp(&k->of, &t, sizeof(t)) != 0) {
		k->of = t;
		make(c, &t, k->text);
	}
	return k->text;
}
