// SPDX-License-Identifier: BSD-3-Clause
//
// DTLS: recorded handshakes, their datagrams in any order, again and again, cut into fragments; fragments that
// contradict each other; pools that are too small.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "datagram_fixture.h"
#include "hello_builder.h"
#include "tls_handshakes.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fixture *x;

static void begin(uint32_t apps)
{
	x = fixture_new(IPPROTO_UDP, 40000, 4433);
	x->config.apps = apps;
	x->inspect.dtls = dtls_new(&x->config);
}

static void finish(void)
{
	dtls_free(x->inspect.dtls);
	fixture_free(x);
}

static bool say(const struct said_bytes *s, uint64_t frame)
{
	return dtls_datagram(fixture_datagram(x, s->bytes, s->len, s->len, frame, s->dir));
}

static const char *said(void)
{
	struct app_in in = {.w = &x->w, .f = &x->f, .end = true, .last = true};
	dtls_end(&in);
	return fixture_said(x);
}

static unsigned times(const char *s, const char *what)
{
	unsigned n = 0;
	for (; (s = strstr(s, what)); s += strlen(what))
		n++;
	return n;
}

#define NUMBERS                                                                                                        \
	"65277,49196-49200-159-52393-52392-52394-49195-49199-158-49188-49192-107-49187-49191-103-49162-49172-57-49161" \
	"-49171-51-157-156-61-60-53-47-255,"
#define TAIL ",29-23-30-25-24,0-1-2"
#define VOICE "tls.sni=voice.sluice.test host=voice.sluice.test"
#define HELLO                                                                                                          \
	VOICE " tls.alpn=webrtc tls.ja3=096df697a18c538158d6a52abc65a0db tls.ja3_full=" NUMBERS                        \
	      "0-11-10-35-16-22-23-13" TAIL " tls.ja4=dd2d2808wc_d943125447b4_e7e480e5a997"
#define SMALL                                                                                                          \
	VOICE " tls.ja3=248a2544f4221c0f02f877e42fe67853 tls.ja3_full=" NUMBERS "0-11-10-35-22-23-13" TAIL             \
	      " tls.ja4=dd2d280700_d943125447b4_e7e480e5a997"

static void handshake(void **state)
{
	begin(4);
	for (unsigned i = 0; i < COUNT(dtls12); i++)
		assert_true(say(&dtls12[i], i + 1));
	const char *s = said();
	assert_int_equal(times(s, HELLO), 2);
	assert_non_null(strstr(s, HELLO " tls.version=DTLS 1.2 tls.cipher=49196\n"));
	assert_int_equal(times(s, "\n"), 2);
	finish();
}

// Each datagram twice, in many orders: the same two hellos, once each.
static void orders(void **state)
{
	for (unsigned seed = 1; seed <= 50; seed++) {
		unsigned order[2 * COUNT(dtls_small)], n = COUNT(order), r = seed;
		begin(4);
		for (unsigned i = 0; i < n; i++)
			order[i] = i % COUNT(dtls_small);
		for (unsigned i = n - 1; i > 0; i--) {
			r = r * 1103515245 + 12345;
			unsigned k = (r >> 16) % (i + 1), t = order[i];
			order[i] = order[k];
			order[k] = t;
		}
		for (unsigned i = 0; i < n; i++)
			if (say(&dtls_small[order[i]], i + 1))
				x->f.app = APP_DTLS;
		const char *s = said();
		if (times(s, SMALL) != 2 || times(s, "anomaly") || times(s, "tls.version=DTLS 1.2") != 1)
			fail_msg("seed %u:\n%s", seed, s);
		finish();
	}
}

// A ClientHello of our own in fragments; n bytes from at.
static uint32_t fragment(uint8_t *to, const uint8_t *body, uint32_t len, uint32_t at, uint32_t n, uint8_t seq)
{
	uint8_t head[25] = {
		22,      0xfe,          0xfd,           0,      0,         0,        0,         0, 0,   0,
		0,       (n + 12) >> 8, (n + 12) & 255, 1,      len >> 16, len >> 8, len & 255, 0, seq, at >> 16,
		at >> 8, at & 255,      n >> 16,        n >> 8, n & 255};
	memcpy(to, head, 25);
	memcpy(to + 25, body + at, n);
	return 25 + n;
}

static uint32_t named(uint8_t *body, const char *name)
{
	struct hello_made h = {0};
	hello_name(&h, name, strlen(name));
	uint32_t len = hello_body(body, &h);
	body[0] = 0xfe;
	body[1] = 0xfd;
	memmove(body + 36, body + 35, len - 35); // the cookie's length
	body[35] = 0;
	return len + 1;
}

static void one_byte_fragments(void **state)
{
	uint8_t body[300], d[400];
	uint32_t len = named(body, "tiny.example");
	begin(4);
	for (uint32_t i = len; i-- > 0;)
		dtls_datagram(fixture_datagram(x, d, fragment(d, body, len, i, 1, 0), 26, len - i, 0));
	const char *s = said();
	assert_int_equal(times(s, "tls.sni=tiny.example host=tiny.example"), 1);
	assert_int_equal(times(s, "tls.ja4=dd2d0101"), 1);
	finish();
}

// The first copy is the truth.
static void changed(void **state)
{
	uint8_t body[300], other[300], d[400];
	uint32_t len = named(body, "first.example"), n;
	named(other, "later.example");
	begin(4);
	n = fragment(d, body, len, 0, len - 5, 0);
	assert_true(dtls_datagram(fixture_datagram(x, d, n, n, 1, 0)));
	x->f.app = APP_DTLS;
	n = fragment(d, other, len, 40, len - 40, 0);
	assert_true(dtls_datagram(fixture_datagram(x, d, n, n, 2, 0)));
	const char *s = said();
	assert_int_equal(times(s, "anomaly:tls.changed"), 1);
	assert_int_equal(times(s, "tls.sni=first.example"), 1);
	assert_int_equal(times(s, "later"), 0);
	// whole hellos: both are judged
	n = fragment(d, body, len, 0, len, 0);
	dtls_datagram(fixture_datagram(x, d, n, n, 3, 0));
	n = fragment(d, other, len, 0, len, 0);
	dtls_datagram(fixture_datagram(x, d, n, n, 4, 0));
	s = said();
	assert_int_equal(times(s, "anomaly:tls.changed"), 1);
	assert_int_equal(times(s, "tls.sni=first.example"), 1);
	assert_int_equal(times(s, "tls.sni=later.example"), 1);
	finish();
}

static void second_hello_differs(void **state)
{
	uint8_t body[300], d[400];
	uint32_t len = named(body, "one.example"), n = fragment(d, body, len, 0, len, 0);
	begin(4);
	dtls_datagram(fixture_datagram(x, d, n, n, 1, 0));
	len = named(body, "two.example");
	n = fragment(d, body, len, 0, len, 1);
	dtls_datagram(fixture_datagram(x, d, n, n, 2, 0));
	assert_int_equal(times(said(), "anomaly:tls.sni_differs"), 1);
	finish();
}

static void bad_name(void **state)
{
	uint8_t body[300], d[400];
	uint32_t len = named(body, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.name"),
		 n = fragment(d, body, len, 0, len, 0);
	begin(4);
	struct app_in *in = fixture_datagram(x, d, n, n, 1, 0);
	assert_true(dtls_datagram(in));
	assert_int_equal(in->drop, REASON_TLS_BAD_NAME);
	finish();
}

// More flows than the pool has: the oldest are written, none is lost.
static void pool(void **state)
{
	uint8_t body[300], d[400];
	char name[32];
	begin(4);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%02u.example", i);
		uint32_t len = named(body, name), n = fragment(d, body, len, 0, len, 0);
		x->f.id = (i + 1) << 3;
		x->f.app = APP_NONE;
		assert_true(dtls_datagram(fixture_datagram(x, d, n, n, i + 1, 0)));
	}
	assert_int_equal(x->w.counters[COUNTER_APP_POOL_EMPTY], 16);
	assert_int_equal(times(fixture_said(x), "tls.sni="), 16);
	finish();
}

static void cut(void **state)
{
	begin(4);
	dtls_datagram(fixture_datagram(x, dtls12_0, 200, sizeof(dtls12_0), 1, 0));
	const char *s = said();
	assert_int_equal(times(s, VOICE), 1);
	assert_int_equal(times(s, "tls.ja"), 0);
	assert_int_equal(times(s, "anomaly"), 0);
	finish();
}

static void looks(void **state)
{
	uint64_t r = 88172645463325252ull;
	uint8_t b[64];
	assert_int_equal(dtls_looks(dtls12_0, sizeof(dtls12_0)), 1);
	assert_int_equal(dtls_looks(dtls12_1, sizeof(dtls12_1)), 1);
	for (unsigned i = 0; i < 2000000; i++) {
		for (unsigned k = 0; k < sizeof(b); k += 8) {
			r ^= r << 13, r ^= r >> 7, r ^= r << 17;
			memcpy(b + k, &r, 8);
		}
		b[0] = 22;
		assert_true(dtls_looks(b, sizeof(b)) <= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake),
		cmocka_unit_test(orders),
		cmocka_unit_test(one_byte_fragments),
		cmocka_unit_test(changed),
		cmocka_unit_test(second_hello_differs),
		cmocka_unit_test(bad_name),
		cmocka_unit_test(pool),
		cmocka_unit_test(cut),
		cmocka_unit_test(looks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
