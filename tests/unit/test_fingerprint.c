// SPDX-License-Identifier: BSD-3-Clause
//
// What becomes of a record between the ring and the faces: a hello's lists go, JA3 and JA4 come in their place with the
// lists' place in the capture; everything else stays, in its order.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/ja.h"
#include "record.h"
#include "ship/fingerprint.h"

// The first example of the JA3 README; JA4 of it by FoxIO's rules: TLS 1.0, a name, 12 ciphers, 3 extensions, no ALPN.
#define JA3_FULL "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"
#define JA3 "ada70206e40642a3e4461f35503241d5"
#define JA4_A "t10d120300"

static struct fingerprint *fingerprint;
static uint64_t room[RECORD_MAX / 8];
static struct record *const record = (struct record *)room;

static int start(void **state)
{
	fingerprint = fingerprint_new();
	return fingerprint == NULL;
}

static int stop(void **state)
{
	fingerprint_free(fingerprint);
	return 0;
}

static void begin(enum record_kind kind)
{
	*record = (struct record){.len = sizeof(*record), .kind = kind, .packet = 7, .flow_id = 56, .seq = 3};
}

static struct fact *add(enum fact_field field, const void *value, uint32_t len)
{
	struct fact *f = (struct fact *)((uint8_t *)record + record->len);
	memset(f, 0, FACT_SIZE(len));
	*f = (struct fact){.field = (uint16_t)field, .len = len, .origin = {7, 54, len}};
	memcpy(f->value, value, len);
	record->len += FACT_SIZE(len);
	record->nfacts++;
	return f;
}

static uint32_t packed(uint8_t *out, uint32_t npoints)
{
	static struct ja_hello h;
	static uint8_t points[65535];
	static const uint8_t ciphers[] = {0,    47,   0,    53,   0, 5,  0, 10, 0xc0, 9,  0xc0, 10,
					  0xc0, 0x13, 0xc0, 0x14, 0, 50, 0, 56, 0,    19, 0,    4},
			     groups[] = {0, 23, 0, 24, 0, 25};
	h = (struct ja_hello){.transport = 't', .sni = true, .version = 769, .nexts = 3, .npoints = (uint16_t)npoints};
	h.ciphers = (struct ja_list){ciphers, sizeof(ciphers) / 2};
	h.groups = (struct ja_list){groups, sizeof(groups) / 2};
	memcpy(h.exts, (uint16_t[]){0, 10, 11}, 6);
	h.points = points;
	ja_pack(&h, out);
	return ja_packed_size(&h);
}

static const struct fact *expect(const struct fact *f, enum fact_field field, const char *value)
{
	assert_int_equal(f->field, field);
	assert_int_equal(f->len, strlen(value));
	assert_memory_equal(f->value, value, f->len);
	return fact_next(f);
}

static void others_stay(void **state)
{
	for (enum record_kind k = 0; k < RECORD_KIND_COUNT; k++) {
		begin(k);
		add(FACT_HOST, "a.example", 9);
		const struct record *r = fingerprint_record(fingerprint, record);
		if (k != RECORD_TLS && k != RECORD_QUIC)
			assert_ptr_equal(r, record);
		assert_int_equal(r->len, record->len);
		assert_memory_equal(r, record, r->len);
	}
}

static void in_its_place(void **state)
{
	static const struct {
		enum record_kind kind;
		enum fact_field lists, ja3, full, ja4;
	} both[] = {{RECORD_TLS, FACT_TLS_HELLO, FACT_TLS_JA3, FACT_TLS_JA3_FULL, FACT_TLS_JA4},
		    {RECORD_QUIC, FACT_QUIC_HELLO, FACT_QUIC_JA3, FACT_QUIC_JA3_FULL, FACT_QUIC_JA4}};
	uint8_t lists[256];
	uint32_t len = packed(lists, 1);
	for (unsigned i = 0; i < 2; i++) {
		begin(both[i].kind);
		add(FACT_HOST, "a.example", 9);
		struct fact *f = add(both[i].lists, lists, len);
		f->flags = FACT_AFTER_GAP;
		f->origin = (struct origin){9, 100, 200};
		add(FACT_TLS_ALPN, "h2", 2);
		const struct record *r = fingerprint_record(fingerprint, record);
		assert_int_equal(r->nfacts, 5);
		assert_int_equal(r->packet, 7);
		assert_int_equal(r->flow_id, 56);
		assert_int_equal(r->seq, 3);
		const struct fact *g = expect(record_first(r), FACT_HOST, "a.example");
		const struct fact *made = g;
		g = expect(g, both[i].ja3, JA3);
		g = expect(g, both[i].full, JA3_FULL);
		assert_int_equal(g->field, both[i].ja4);
		assert_int_equal(g->len, JA4_LEN);
		assert_memory_equal(g->value, JA4_A "_", sizeof(JA4_A));
		for (unsigned k = 0; k < 3; k++, made = fact_next(made)) {
			assert_int_equal(made->flags, FACT_AFTER_GAP);
			assert_memory_equal(&made->origin, &f->origin, sizeof(f->origin));
		}
		g = expect(fact_next(g), FACT_TLS_ALPN, "h2");
		assert_ptr_equal((const uint8_t *)g, (const uint8_t *)r + r->len);
	}
}

// No list at all, cut ones, longer ones than a hello has: nothing is said in their place.
static void no_lists(void **state)
{
	uint8_t *lists = malloc(70000);
	uint32_t len = packed(lists, 1);
	for (uint32_t n = 0; n < len; n++) {
		begin(RECORD_TLS);
		add(FACT_TLS_HELLO, lists, n);
		assert_int_equal(fingerprint_record(fingerprint, record)->nfacts, 0);
	}
	len = packed(lists, 4000);
	begin(RECORD_TLS);
	add(FACT_TLS_HELLO, lists, len);
	add(FACT_HOST, "a.example", 9);
	const struct record *r = fingerprint_record(fingerprint, record);
	assert_int_equal(r->nfacts, 1);
	expect(record_first(r), FACT_HOST, "a.example");
	free(lists);
}

// The longest string of JA3 is cut, and says so; a record has room for what four hellos make, and for no more.
static void bounds(void **state)
{
	uint8_t lists[2048];
	begin(RECORD_TLS);
	uint32_t len = packed(lists, 1);
	for (unsigned i = 0; i < 100; i++)
		add(FACT_TLS_HELLO, lists, len);
	const struct record *r = fingerprint_record(fingerprint, record);
	assert_int_equal(r->nfacts, 4 * 3);

	static struct ja_hello h;
	static uint8_t many[FACT_VALUE_MAX], ffff[2 * JA_LIST_MAX];
	memset(ffff, 0xff, sizeof(ffff));
	h = (struct ja_hello){.transport = 't', .nexts = JA_LIST_MAX, .ciphers = {ffff, JA_LIST_MAX}};
	memset(h.exts, 0xff, sizeof(h.exts));
	ja_pack(&h, many);
	begin(RECORD_TLS);
	add(FACT_TLS_HELLO, many, ja_packed_size(&h));
	const struct fact *f = fact_next(record_first(fingerprint_record(fingerprint, record)));
	assert_int_equal(f->field, FACT_TLS_JA3_FULL);
	assert_int_equal(f->len, FACT_VALUE_MAX);
	assert_int_equal(f->flags, FACT_CUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_stay),
		cmocka_unit_test(in_its_place),
		cmocka_unit_test(no_lists),
		cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
