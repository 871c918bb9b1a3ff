// SPDX-License-Identifier: BSD-3-Clause
//
// quic*.c: keys and packets of RFC 9001 appendix A and RFC 9369 appendix A; then connections built with the same
// keys: every order, coalescing, Retry, changed bytes, migration, unknown versions, Google's CHLO.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <intel-ipsec-mb.h>

#include "datagram_fixture.h"

#include "path/app/quic_conn.h"

#define V1 0x00000001
#define V2 0x6b3343cf
#define DRAFT_29 0xff00001d
#define Q050 0x51303530

// RFC 9001 A.2: the CRYPTO frame of the client's first Initial. Its server name is example.com.
static const char hello_hex[] =
	"060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c00000"
	"0010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000"
	"003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e"
	"0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff080110"
	"0104800075300901100f088394c8f03e51570806048000ffff";
#define HELLO_FRAME 245
#define HELLO_LEN 241

// RFC 9001 A.3: the server's first Initial, whole.
static const char server_hex[] =
	"cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4c"
	"f73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7a"
	"af2f58891850abbdca3d20398c276456cbc42158407dd074ee";

static const uint8_t rfc_dcid[8] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
static uint8_t hello[HELLO_LEN];

static uint32_t unhex(const char *hex, uint8_t *out)
{
	uint32_t n = 0;
	for (; hex[0] && hex[1]; hex += 2) {
		unsigned v;
		sscanf(hex, "%2x", &v);
		out[n++] = v;
	}
	return n;
}

static void assert_hex(const void *p, const char *hex)
{
	uint8_t want[256];
	uint32_t n = unhex(hex, want);
	assert_memory_equal(p, want, n);
}

// ---- a client and a server of our own ---------------------------------------------------------------------------

struct peer {
	uint32_t version;
	uint8_t dcid[20], scid[20], key_id[20];
	uint8_t dcid_len, scid_len, key_len; // key_len 0: keys of dcid
	const void *token;
	uint32_t token_len;
	uint64_t number;
	enum quic_side side;
	uint32_t pad_to; // size of the packet
};

static const struct peer client = {.version = V1,
				   .dcid = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08},
				   .dcid_len = 8,
				   .number = 2,
				   .pad_to = 1200};

static uint32_t put_varint(uint8_t *p, uint64_t v)
{
	if (v < 64) {
		p[0] = v;
		return 1;
	}
	p[0] = 0x40 | v >> 8;
	p[1] = v;
	return 2;
}

// An Initial that carries frames, sealed. Returns its size.
static uint32_t seal(struct quic *q, const struct peer *e, const uint8_t *frames, uint32_t len, uint8_t *out)
{
	static uint8_t plain[65536];
	const struct quic_version *v = quic_version_find(e->version);
	uint8_t number_len = 4, nonce[12], mask[16], zero[16] = {0};
	uint32_t n = 0;
	out[n++] = (v->v2 ? 0xd0 : 0xc0) | (number_len - 1);
	for (int s = 24; s >= 0; s -= 8)
		out[n++] = e->version >> s;
	out[n++] = e->dcid_len;
	memcpy(out + n, e->dcid, e->dcid_len);
	n += e->dcid_len;
	out[n++] = e->scid_len;
	memcpy(out + n, e->scid, e->scid_len);
	n += e->scid_len;
	n += put_varint(out + n, e->token_len);
	if (e->token_len)
		memcpy(out + n, e->token, e->token_len);
	n += e->token_len;
	uint32_t head = n + 2 + number_len + 16, body = len < 24 ? 24 : len;
	if (e->pad_to > head + body)
		body = e->pad_to - head;
	memset(plain, 0, body);
	memcpy(plain, frames, len);
	out[n] = 0x40 | (number_len + body + 16) >> 8;
	out[n + 1] = number_len + body + 16;
	n += 2;
	uint32_t pn_at = n;
	for (int s = 24; s >= 0; s -= 8)
		out[n++] = e->number >> s;
	struct quic_key key[2];
	quic_keys(v, e->key_len ? e->key_id : e->dcid, e->key_len ? e->key_len : e->dcid_len, key);
	memcpy(nonce, key[e->side].iv, 12);
	for (unsigned i = 0; i < 8; i++)
		nonce[11 - i] ^= e->number >> 8 * i;
	DECLARE_ALIGNED(struct gcm_key_data gcm, 64); // the library stores its keys with aligned moves
	DECLARE_ALIGNED(struct gcm_context_data context, 64);
	IMB_AES128_GCM_PRE(q->mgr, key[e->side].key, &gcm);
	IMB_AES128_GCM_ENC(q->mgr, &gcm, &context, out + n, plain, body, nonce, out, n, out + n + body, 16);
	DECLARE_ALIGNED(uint8_t enc[16 * 11], 16);
	DECLARE_ALIGNED(uint8_t dec[16 * 11], 16);
	IMB_AES_KEYEXP_128(q->mgr, key[e->side].hp, enc, dec);
	IMB_AES128_CFB_ONE(q->mgr, mask, zero, out + pn_at + 4, enc, 16);
	out[0] ^= mask[0] & 15;
	for (unsigned i = 0; i < number_len; i++)
		out[pn_at + i] ^= mask[1 + i];
	return n + body + 16;
}

// A CRYPTO frame with bytes [at, at + len) of the hello.
static uint32_t crypto(uint8_t *p, const uint8_t *bytes, uint32_t at, uint32_t len)
{
	uint32_t n = 0;
	p[n++] = 6;
	n += put_varint(p + n, at);
	n += put_varint(p + n, len);
	memcpy(p + n, bytes + at, len);
	return n + len;
}

static struct fixture *quic_fixture(uint16_t port, uint32_t apps)
{
	uint8_t frame[512];
	struct fixture *x = fixture_new(IPPROTO_UDP, 50000, port);
	x->config.apps = apps;
	x->inspect.quic = quic_new(&x->config);
	assert_non_null(x->inspect.quic);
	unhex(hello_hex, frame);
	memcpy(hello, frame + 4, HELLO_LEN);
	return x;
}

static void quic_fixture_free(struct fixture *x)
{
	quic_free(x->inspect.quic);
	fixture_free(x);
}

static const char *give(struct fixture *x, const uint8_t *p, uint32_t len, uint8_t dir)
{
	bool yes = quic_datagram(fixture_datagram(x, p, len, len, 7, dir));
	if (yes)
		x->f.app = APP_QUIC;
	return fixture_said(x);
}

static const char *give_frames(struct fixture *x, const struct peer *e, const uint8_t *frames, uint32_t len,
			       uint8_t dir)
{
	uint8_t d[4096];
	return give(x, d, seal(x->inspect.quic, e, frames, len, d), dir);
}

static unsigned times(const char *t, const char *what)
{
	unsigned n = 0;
	for (; (t = strstr(t, what)); t++)
		n++;
	return n;
}

// ---- keys --------------------------------------------------------------------------------------------------------

static void test_keys(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	struct quic_key k[2];
	quic_keys(quic_version_find(V1), rfc_dcid, 8, k); // RFC 9001 A.1
	assert_hex(k[0].key, "1f369613dd76d5467730efcbe3b1a22d");
	assert_hex(k[0].iv, "fa044b2f42a3fd3b46fb255c");
	assert_hex(k[0].hp, "9f50449e04a0e810283a1e9933adedd2");
	assert_hex(k[1].key, "cf3a5331653c364c88f0f379b6067e37");
	assert_hex(k[1].iv, "0ac1493ca1905853b0bba03e");
	assert_hex(k[1].hp, "c206b8d9b9f0f37644430b490eeaa314");
	quic_keys(quic_version_find(V2), rfc_dcid, 8, k); // RFC 9369 A.1
	assert_hex(k[0].key, "8b1a0bc121284290a29e0971b5cd045d");
	assert_hex(k[0].iv, "91f73e2351d8fa91660e909f");
	assert_hex(k[0].hp, "45b95e15235d6f45a6b19cbcb0294ba9");
	assert_hex(k[1].key, "82db637861d55e1d011f19ea71d5d2a7");
	assert_hex(k[1].iv, "dd13c276499c0249d3310652");
	assert_hex(k[1].hp, "edf6d05c83121201b436e16877593c3a");
	quic_keys(quic_version_find(DRAFT_29), rfc_dcid, 8, k); // draft-ietf-quic-tls-29 A.1
	assert_hex(k[0].key, "175257a31eb09dea9366d8bb79ad80ba");
	assert_hex(k[0].iv, "6b26114b9cba2b63a9e8dd4f");
	assert_hex(k[0].hp, "9ddd12c994c0698b89374a9c077a3077");
	quic_fixture_free(x);
}

// What is sealed here is what the RFCs print: so the tests below speak real QUIC.
static void test_rfc_packets(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t frame[512], d[4096], out[4096];
	struct quic_key k[2];
	struct quic_opened o;
	unhex(hello_hex, frame);
	struct peer e = client;
	uint32_t n = seal(x->inspect.quic, &e, frame, HELLO_FRAME, d);
	assert_int_equal(n, 1200);
	assert_hex(d,
		   "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c");
	assert_hex(d + 1200 - 16, "e221af44860018ab0856972e194cd934");
	e.version = V2;
	seal(x->inspect.quic, &e, frame, HELLO_FRAME, d);
	assert_hex(d, "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485");
	quic_keys(quic_version_find(V1), rfc_dcid, 8, k);
	n = unhex(server_hex, d);
	assert_true(quic_open(x->inspect.quic->mgr, &k[1], d, n, 18, 0, out, &o));
	assert_int_equal(o.number, 1);
	assert_hex(out + o.at, "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf7");
	assert_false(quic_open(x->inspect.quic->mgr, &k[0], d, n, 18, 0, out, &o));
	for (uint32_t i = 0; i < n; i++) { // no bit of it may be another
		d[i] ^= 1;
		assert_false(i != 0 && quic_open(x->inspect.quic->mgr, &k[1], d, n, 18, 0, out, &o));
		d[i] ^= 1;
	}
	for (uint32_t i = 0; i < n; i++)
		assert_false(quic_open(x->inspect.quic->mgr, &k[1], d, i, 18, 0, out, &o));
	quic_fixture_free(x);
}

// ---- hellos ------------------------------------------------------------------------------------------------------

static void one_hello(uint32_t version, const char *name)
{
	struct fixture *x = quic_fixture(4443, 4);
	uint8_t f[512];
	char want[64];
	struct peer e = client;
	e.version = version;
	const char *t = give_frames(x, &e, f, crypto(f, hello, 0, HELLO_LEN), 0);
	snprintf(want, sizeof(want), "quic quic.version=%s quic.cid=", name);
	assert_ptr_equal(strstr(t, want), t);
	assert_non_null(strstr(t, " quic.sni=example.com "));
	assert_non_null(strstr(t, " host=example.com"));
	assert_non_null(strstr(t, " quic.alpn=alpn"));
	assert_non_null(strstr(t, " quic.ja4=q13d0211an_")); // two ciphers, eleven extensions, "alpn"
	assert_int_equal(times(t, "\n"), 1);
	quic_fixture_free(x);
}

static void test_versions(void **state)
{
	one_hello(V1, "1");
	one_hello(V2, "2");
	one_hello(DRAFT_29, "draft-29");
	one_hello(0xff000016, "draft-22");
	one_hello(0x54303531, "T051");
}

static void test_origin(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512], d[2048];
	uint32_t len = seal(x->inspect.quic, &client, f, crypto(f, hello, 0, HELLO_LEN), d);
	assert_true(quic_datagram(fixture_datagram(x, d, len, len, 9, 0)));
	const struct record *r = record_peek(x->w.records);
	const struct fact *k = record_first(r);
	bool seen = false;
	for (unsigned i = 0; i < r->nfacts; i++, k = fact_next(k)) {
		if (k->field != FACT_QUIC_SNI)
			continue;
		seen = true;
		assert_int_equal(k->origin.frame, 9);
		// header 22 bytes with number, frame head 4, and where "example.com" stands in the hello
		uint32_t at = (uint8_t *)memmem(hello, HELLO_LEN, "example.com", 11) - hello;
		assert_int_equal(k->origin.off, FIXTURE_HEADROOM + 22 + 4 + at);
		assert_int_equal(k->origin.len, 11);
	}
	assert_true(seen);
	record_done(x->w.records, r);
	quic_fixture_free(x);
}

// Any cut, any order, several frames a packet, PADDING and PING between, in one or two datagrams.
static void test_pieces(void **state)
{
	srandom(5);
	for (unsigned round = 0; round < 300; round++) {
		struct fixture *x = quic_fixture(443, 4);
		uint8_t order[HELLO_LEN], f[2][4096];
		uint32_t cuts[HELLO_LEN + 1], n = 0, len[2] = {0, 0};
		for (uint32_t at = 0; at < HELLO_LEN; at += 1 + random() % (round % 50 + 4))
			cuts[n++] = at;
		cuts[n] = HELLO_LEN;
		for (uint32_t i = 0; i < n; i++)
			order[i] = i;
		for (uint32_t i = n; i > 1; i--) {
			uint32_t j = random() % i;
			uint8_t o = order[i - 1];
			order[i - 1] = order[j];
			order[j] = o;
		}
		for (uint32_t i = 0; i < n; i++) {
			unsigned w = round & 1 ? i >= n / 2 : 0;
			for (int p = random() % 3; p > 0; p--)
				f[w][len[w]++] = random() & 1;
			len[w] += crypto(f[w] + len[w], hello, cuts[order[i]], cuts[order[i] + 1] - cuts[order[i]]);
		}
		const char *t = give_frames(x, &client, f[0], len[0], 0);
		if (len[1]) {
			assert_string_equal(t, "");
			t = give_frames(x, &client, f[1], len[1], 0);
		}
		assert_int_equal(times(t, " quic.sni=example.com "), 1);
		assert_int_equal(times(t, "\n"), 1);
		quic_fixture_free(x);
	}
}

static void test_coalesced_and_ack(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512], d[4096];
	// ACK with one more range and ECN counts, CONNECTION_CLOSE does not stop the reading
	static const uint8_t before[] = {0x03, 5, 0, 1, 0, 1, 1, 7, 7, 7, 0x02, 5, 0, 0, 0, 0x1c, 0x0a, 6, 2, 'n', 'o'};
	struct peer e = client;
	e.pad_to = 0;
	uint32_t n = seal(x->inspect.quic, &e, f, crypto(f, hello, 0, 100), d);
	memcpy(f, before, sizeof(before));
	e.number = 3;
	n += seal(x->inspect.quic, &e, f, sizeof(before) + crypto(f + sizeof(before), hello, 100, HELLO_LEN - 100),
		  d + n);
	memset(d + n, 0x41, 60); // a short header ends the datagram
	assert_int_equal(times(give(x, d, n + 60, 0), " quic.sni=example.com "), 1);
	quic_fixture_free(x);
}

static void test_retransmitted(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512];
	struct peer e = client;
	uint32_t n = crypto(f, hello, 0, HELLO_LEN);
	assert_int_equal(times(give_frames(x, &e, f, n, 0), "\n"), 1);
	e.number++;
	assert_string_equal(give_frames(x, &e, f, n, 0), "");
	assert_int_equal(x->in.drop, 0);
	// other bytes under the same offsets: dropped, long after the verdict
	uint8_t other[HELLO_LEN];
	memcpy(other, hello, HELLO_LEN);
	memcpy(memmem(other, HELLO_LEN, "example.com", 11), "exemple.com", 11);
	e.number++;
	assert_string_equal(give_frames(x, &e, f, crypto(f, other, 40, 60), 0), "anomaly:quic.changed anomaly=\n");
	assert_int_equal(x->in.drop, REASON_QUIC_CHANGED);
	quic_fixture_free(x);
}

static void test_tampered(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512], d[2048];
	uint32_t n = seal(x->inspect.quic, &client, f, crypto(f, hello, 0, HELLO_LEN), d);
	d[600] ^= 1;
	assert_int_equal(times(give(x, d, n, 0), "anomaly:quic.undecryptable"), 1);
	assert_string_equal(give(x, d, n, 0), ""); // said once
	d[600] ^= 1;
	assert_int_equal(times(give(x, d, n, 0), "quic.sni=example.com"), 1);
	quic_fixture_free(x);
}

// The key decides who is who, not the direction that the capture began with.
static void test_server(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512], d[2048];
	assert_int_equal(times(give_frames(x, &client, f, crypto(f, hello, 0, HELLO_LEN), 1), "\n"), 1);
	uint32_t n = unhex(server_hex, d);
	assert_string_equal(give(x, d, n, 0), "");
	assert_int_equal(x->in.drop, 0);
	assert_true(quic_conn_have(x->inspect.quic, quic_conn_first(x->inspect.quic, &x->f), QUIC_SERVER, 0) == 90);
	// the server's CRYPTO bytes are held to the first copy too
	static const uint8_t lie[] = {6, 0, 4, 2, 0, 0, 0x57};
	struct peer s = client;
	s.side = QUIC_SERVER;
	s.key_len = 8;
	memcpy(s.key_id, rfc_dcid, 8);
	s.dcid_len = 0;
	s.scid_len = 8;
	give_frames(x, &s, lie, sizeof(lie), 0);
	assert_int_equal(x->in.drop, REASON_QUIC_CHANGED);
	quic_fixture_free(x);
}

static void test_retry(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512];
	struct peer e = client;
	e.scid_len = 5;
	memcpy(e.scid, "mine!", 5);
	uint32_t n = crypto(f, hello, 0, HELLO_LEN);
	assert_int_equal(times(give_frames(x, &e, f, n, 0), "\n"), 1);
	static const uint8_t retry[] = "\xf0\x00\x00\x00\x01\x05mine!\x06theirstoken0123456789abcdef";
	assert_string_equal(give(x, retry, sizeof(retry) - 1, 1), "");
	e.dcid_len = 6;
	memcpy(e.dcid, "theirs", 6);
	e.token = "token";
	e.token_len = 5;
	assert_string_equal(give_frames(x, &e, f, n, 0), ""); // the same connection, the same hello: nothing new
	assert_int_equal(x->in.drop, 0);
	hello[8] ^= 1;
	e.number = 5;
	assert_int_equal(times(give_frames(x, &e, f, crypto(f, hello, 0, HELLO_LEN), 0), "anomaly:quic.changed"), 1);
	quic_fixture_free(x);
}

static void test_second_connection_and_second_hello(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[1024], two[2 * HELLO_LEN];
	struct peer e = client;
	memcpy(two, hello, HELLO_LEN);
	memcpy(two + HELLO_LEN, hello, HELLO_LEN);
	memcpy(memmem(two + HELLO_LEN, HELLO_LEN, "example.com", 11), "exemple.org", 11);
	give_frames(x, &e, f, crypto(f, two, 0, HELLO_LEN), 0);
	e.number++;
	const char *t = give_frames(x, &e, f, crypto(f, two, HELLO_LEN, HELLO_LEN), 0);
	assert_int_equal(times(t, " quic.sni=exemple.org "), 1);
	assert_int_equal(times(t, "anomaly:tls.sni_differs"), 1);
	e.dcid[0] ^= 1; // another id: another judgement
	t = give_frames(x, &e, f, crypto(f, two + HELLO_LEN, 0, HELLO_LEN), 0);
	assert_int_equal(times(t, " quic.sni=exemple.org "), 1);
	assert_int_equal(times(t, "anomaly"), 0);
	quic_fixture_free(x);
}

static void test_compatible_version(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512];
	struct peer e = client;
	give_frames(x, &e, f, crypto(f, hello, 0, 50), 0);
	e.version = V2; // RFC 9368: same connection, the other version's keys
	const char *t = give_frames(x, &e, f, crypto(f, hello, 50, HELLO_LEN - 50), 0);
	assert_int_equal(times(t, " quic.sni=example.com "), 1);
	quic_fixture_free(x);
}

static void test_cut_hello_is_said_at_the_end(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512];
	assert_string_equal(give_frames(x, &client, f, crypto(f, hello, 0, 120), 0), "");
	x->in = (struct app_in){.w = &x->w, .f = &x->f, .end = true, .scratch = x->inspect.scratch};
	quic_end(&x->in);
	const char *t = fixture_said(x);
	assert_int_equal(times(t, " quic.sni=example.com"), 1);
	assert_null(strstr(t, "quic.ja"));
	assert_int_equal(x->f.app_state, 0);
	quic_fixture_free(x);
}

static void test_migration(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512], d[100];
	struct peer e = client, s = client;
	give_frames(x, &e, f, crypto(f, hello, 0, HELLO_LEN), 0);
	s.side = QUIC_SERVER;
	s.key_len = 8;
	memcpy(s.key_id, rfc_dcid, 8);
	s.dcid_len = 0;
	s.scid_len = 6;
	memcpy(s.scid, "theirs", 6);
	give_frames(x, &s, (const uint8_t *)"\x01", 1, 1);
	x->f.id = 16; // another tuple
	x->f.app_state = 0;
	x->f.app = APP_NONE;
	memset(d, 0x5a, sizeof(d));
	memcpy(d + 1, "theirs", 6);
	assert_true(quic_datagram(fixture_datagram(x, d, 60, 60, 8, 0)));
	d[3] ^= 1;
	x->f.app = APP_NONE;
	assert_false(quic_datagram(fixture_datagram(x, d, 60, 60, 8, 0)));
	quic_fixture_free(x);
}

static void test_orphans(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t d[100] = {0};
	const char *t = "";
	for (unsigned i = 0; i < 8; i++) {
		d[0] = 0x40 + i;
		t = give(x, d, sizeof(d), i & 1);
		assert_string_equal(t, i == 3 ? "quic quic.midstream=1\n" : "");
	}
	x->f.app = APP_NONE;
	x->f.id = 16;
	for (unsigned i = 0; i < 8; i++) { // one type byte: not QUIC
		d[0] = 0x48;
		assert_string_equal(give(x, d, sizeof(d), i & 1), "");
	}
	assert_int_equal(x->f.app, APP_NONE);
	quic_fixture_free(x);
}

// On any port: both looks, variety and one connection id; what is text, a counter, or changes its id is not QUIC.
static void test_orphans_elsewhere(void **state)
{
	static const uint8_t firsts[8] = {0x76, 0x4b, 0x7f, 0x78, 0x5f, 0x70, 0x41, 0x43};
	for (unsigned odd = 0; odd < 5; odd++) {
		struct fixture *x = quic_fixture(4433, 4);
		uint8_t d[40];
		memset(d, odd == 1 ? 0x33 : 0xa3, sizeof(d));
		for (unsigned i = 0; i < 8; i++) {
			d[0] = odd == 2 ? (uint8_t)(0x40 + i) : firsts[i];
			if (odd == 3)
				d[2] = (uint8_t)(i + 1);
			if (odd == 4)
				memset(d + 1, 0, 3);
			const char *t = give(x, d, sizeof(d), i & 1);
			assert_string_equal(t, !odd && i == 5 ? "quic quic.midstream=1\n" : "");
		}
		assert_int_equal(x->f.app, odd ? APP_NONE : APP_QUIC);
		quic_fixture_free(x);
	}
}

static void test_unknown_version(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t f[512], d[2048];
	uint32_t n = seal(x->inspect.quic, &client, f, crypto(f, hello, 0, HELLO_LEN), d);
	memcpy(d + 1, "\x1a\x2a\x3a\x4a", 4);
	assert_string_equal(give(x, d, n, 0), "quic quic.version=1a2a3a4a quic.cid=\\x83\\x94\\xc8\\xf0>QW\\x08\n");
	assert_string_equal(give(x, d, n, 0), "");
	static const uint8_t vn[] = "\xc0\0\0\0\0\0\x08\x83\x94\xc8\xf0>QW\x08\0\0\0\1\x6b\x33\x43\xcf";
	assert_true(quic_datagram(fixture_datagram(x, vn, sizeof(vn) - 1, sizeof(vn) - 1, 1, 1)));
	quic_fixture_free(x);
}

// More connections than there is memory for: the oldest gives way, nothing is said twice or falsely.
static void test_pool(void **state)
{
	struct fixture *x = quic_fixture(443, 3);
	uint8_t f[512];
	struct peer e = client;
	for (unsigned i = 0; i < 40; i++) {
		e.dcid[7] = i;
		x->f.id = 8 * (1 + i / 20);
		if (i % 20 == 0)
			x->f.app_state = 0;
		uint32_t half = i & 1;
		const char *t = give_frames(x, &e, f, crypto(f, hello, 0, half ? 100 : HELLO_LEN), 0);
		assert_int_equal(times(t, "\n"), !half);
	}
	assert_true(x->w.counters[COUNTER_APP_POOL_EMPTY] > 0);
	x->in = (struct app_in){.w = &x->w, .f = &x->f, .end = true, .scratch = x->inspect.scratch};
	quic_end(&x->in);
	quic_fixture_free(x);
}

// ---- Google ------------------------------------------------------------------------------------------------------

static uint32_t put_tag(uint8_t *p, unsigned i, const char tag[4], uint32_t end)
{
	memcpy(p + 8 + 8 * i, tag, 4);
	memcpy(p + 12 + 8 * i, (uint8_t[]){end, end >> 8, 0, 0}, 4);
	return end;
}

static uint32_t chlo(uint8_t *p, const char *sni, const char *version, const char *agent)
{
	uint32_t end = 0;
	memcpy(p, "CHLO\x04\0\0\0", 8);
	end = put_tag(p, 0, "SNI", end + strlen(sni));
	end = put_tag(p, 1, "VER", end + 4);
	end = put_tag(p, 2, "UAID", end + strlen(agent));
	end = put_tag(p, 3, "PAD", end + 300);
	memset(p + 40, '-', end);
	sprintf((char *)p + 40, "%s%s%s", sni, version, agent);
	return 40 + end;
}

static void google_hash(uint8_t *d, uint32_t hash_at, uint32_t len, const char *side)
{
	unsigned __int128 h = (unsigned __int128)0x6c62272e07bb0142ull << 64 | 0x62b821756295c58dull;
	const unsigned __int128 prime = ((unsigned __int128)1 << 88) + 0x13b;
	for (uint32_t i = 0; i < len; i++)
		if (i < hash_at || i >= hash_at + 12)
			h = (h ^ d[i]) * prime;
	for (; *side; side++)
		h = (h ^ (uint8_t)*side) * prime;
	memcpy(d + hash_at, &h, 12);
}

// Q043: head (14 bytes), hash (12), one STREAM frame at an offset of the crypto stream.
static uint32_t google_clear(uint8_t *d, uint16_t offset, const char *sni, const char *version)
{
	uint32_t n = 14 + 12;
	memcpy(d,
	       "\x09"
	       "8bytesID"
	       "Q043"
	       "\x01",
	       14);
	d[n++] = 0xa4; // length, two bytes of offset, one of id
	d[n++] = 1;
	d[n++] = offset >> 8;
	d[n++] = offset;
	uint32_t len = chlo(d + n + 2, sni, version, "test 1.0");
	d[n++] = len >> 8;
	d[n++] = len;
	google_hash(d, 14, n + len, "Client");
	return n + len;
}

static void test_google_clear(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t d[2048];
	uint32_t n = google_clear(d, 0, "WWW.Example.com", "Q043");
	assert_string_equal(give(x, d, n, 0), "quic quic.version=Q043 quic.cid=8bytesID quic.sni=WWW.Example.com"
					      " host=www.example.com quic.user_agent=test 1.0\n");
	assert_string_equal(give(x, d, n, 0), ""); // again
	google_clear(d, 0, "WWW.Another.com", "Q043");
	assert_int_equal(times(give(x, d, n, 0), "anomaly:quic.changed"), 1);
	quic_fixture_free(x);
}

// The second CHLO of a connection, whose first was not seen; and one whose hash was lost to anonymisation.
static void test_google_alone(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t d[2048];
	uint32_t n = google_clear(d, 1024, "a.example", "Q043");
	assert_int_equal(times(give(x, d, n, 0), " quic.sni=a.example "), 1);
	for (unsigned right = 0; right < 2; right++) {
		x->f.id += 8;
		x->f.app_state = 0;
		x->f.app = APP_NONE;
		n = google_clear(d, 0, "b.example", right ? "Q043" : "Q033"); // must name the version of the header
		d[14] ^= 1;
		assert_int_equal(times(give(x, d, n, 0), " quic.sni=b.example "), right);
	}
	x->f.id += 8;
	d[31] ^= 1; // neither a hash nor a CHLO
	assert_string_equal(give(x, d, n, 0), "");
	quic_fixture_free(x);
}

static void test_google_46_and_50(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t d[2048] = "\xc3"
			  "Q046"
			  "\x50"
			  "8bytesID"
			  "\0\0\0\1",
		f[2048];
	uint32_t n = 18 + 12;
	d[n++] = 0xa0;
	d[n++] = 1;
	uint32_t len = chlo(d + n + 2, "a.example", "Q046", "");
	d[n++] = len >> 8;
	d[n++] = len;
	n += len;
	google_hash(d, 18, n, "Client");
	assert_int_equal(times(give(x, d, n, 0), "quic.version=Q046 quic.cid=8bytesID quic.sni=a.example "), 1);
	struct peer e = client;
	e.version = Q050;
	uint8_t message[1024];
	len = chlo(message, "b.example", "Q050", "ua");
	const char *t = give_frames(x, &e, f,
				    (f[0] = 8, n = 1, n += put_varint(f + n, 0), n += put_varint(f + n, len),
				     memcpy(f + n, message, len), n + len),
				    0);
	assert_int_equal(times(t, "quic.version=Q050 "), 1);
	assert_int_equal(times(t, "quic.sni=b.example "), 1);
	assert_int_equal(times(t, "quic.user_agent=ua"), 1);
	quic_fixture_free(x);
}

static void test_random_bytes(void **state)
{
	struct fixture *x = quic_fixture(443, 4);
	uint8_t b[1300];
	srandom(9);
	for (unsigned i = 0; i < 20000; i++) {
		for (unsigned n = 0; n < 64; n++)
			b[n] = random();
		if (i & 1)
			memcpy(b + 1, "\0\0\0\1", 4);
		x->f.app = APP_NONE;
		x->f.id = 8 * i;
		assert_null(strstr(give(x, b, 20 + random() % 1280, 0), "quic quic."));
	}
	quic_fixture_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_rfc_packets),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_origin),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_coalesced_and_ack),
		cmocka_unit_test(test_retransmitted),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_second_connection_and_second_hello),
		cmocka_unit_test(test_compatible_version),
		cmocka_unit_test(test_cut_hello_is_said_at_the_end),
		cmocka_unit_test(test_migration),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_orphans_elsewhere),
		cmocka_unit_test(test_unknown_version),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_google_clear),
		cmocka_unit_test(test_google_alone),
		cmocka_unit_test(test_google_46_and_50),
		cmocka_unit_test(test_random_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
