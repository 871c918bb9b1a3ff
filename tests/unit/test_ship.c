// SPDX-License-Identifier: BSD-3-Clause
//
// The shipper with real rings: order over workers, what each face makes of hostile bytes, readers that go away,
// disks that are full.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns_rr.h"
#include "path/record_out.h"
#include "base/clock.h"
#include "ship/deliver.h"
#include "ship/ship.h"
#include "ship/spool.h"
#include "verdict.h"

#define WORKERS 3

static struct path_config config = {.record_cells = 1024};
static struct worker workers[WORKERS];
static _Atomic uint64_t done[WORKERS];
static struct ship_source sources[WORKERS];
static int out;

static void wait_for_room(struct worker *w)
{
	sched_yield();
}

static int setup(void **state)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		memset(&workers[i], 0, sizeof(workers[i]));
		workers[i].id = (uint16_t)i;
		workers[i].config = &config;
		workers[i].wait = wait_for_room;
		done[i] = 0;
		assert_int_equal(record_out_init(&workers[i]), 0);
		sources[i] = (struct ship_source){workers[i].records, &done[i]};
	}
	out = memfd_create("out", 0);
	return out < 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < WORKERS; i++)
		record_out_fini(&workers[i]);
	close(out);
	return 0;
}

static struct ship *start(enum ship_format format, bool verbose, int fd)
{
	struct ship_sink sink = {.format = format, .fd = fd, .verbose = verbose};
	struct ship_config c = {.sink = &sink, .renumber = true, .sources = sources, .nsources = WORKERS};
	struct ship *s = ship_start(&c);
	assert_non_null(s);
	ship_capture(s, (const char *[]){"a.pcap"}, 1, 0);
	return s;
}

static struct record *begin(struct worker *w, enum record_kind kind, uint64_t frame, uint64_t flow)
{
	w->frame = w->order = frame;
	w->now_ns = frame * 1000000;
	struct record *r = record_begin(w, kind);
	r->flow_id = flow;
	r->ip_version = 4;
	r->proto = IPPROTO_TCP;
	memcpy(r->src, "\x0a\0\0\1", 4);
	memcpy(r->dst, "\x0a\0\0\2", 4);
	r->sport = 40000;
	r->dport = 443;
	return r;
}

static void add(struct worker *w, enum fact_field f, const char *value, size_t len)
{
	record_fact(w, f, value, (uint32_t)len, (struct origin){w->frame, 54, (uint32_t)len});
}

static char *read_all(void)
{
	off_t len = lseek(out, 0, SEEK_END);
	char *s = malloc((size_t)len + 1);
	assert_non_null(s);
	assert_int_equal(pread(out, s, (size_t)len, 0), len);
	s[len] = 0;
	return s;
}

// The lines of `out` as one JSON array.
static json_t *lines(void)
{
	char *s = read_all(), *save = NULL;
	json_t *all = json_array();
	for (char *l = strtok_r(s, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		json_error_t e;
		json_t *v = json_loads(l, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
		if (!v)
			fail_msg("%s: %s", e.text, l);
		json_array_append_new(all, v);
	}
	free(s);
	return all;
}

static const char *text_of(json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));
	assert_non_null(s);
	return s;
}

static long num_of(json_t *row, const char *key)
{
	json_t *v = json_object_get(row, key);
	assert_true(json_is_integer(v));
	return (long)json_integer_value(v);
}

// ---- order ----------------------------------------------------------------------------------------------------------
#define FRAMES 3000

static void *work(void *arg)
{
	struct worker *w = arg;
	for (uint64_t f = 1; f <= FRAMES; f++) {
		// each frame belongs to one worker, every tenth makes all of them speak (timers)
		for (uint64_t n = 0; n < 3; n++) {
			if (f % WORKERS != w->id && f % 10 != 0)
				continue;
			begin(w, RECORD_SSH, f, (f * 7 + w->id * 5 + n * 3) % 16 + 8);
			add(w, FACT_SSH_SOFTWARE, "x", 1);
			record_write(w);
		}
		done[w->id] = f;
		if (rand() % 50 == w->id)
			sched_yield();
	}
	// the end of a capture: the same frame on all
	for (uint64_t n = 0; n < 500; n++) {
		begin(w, RECORD_SSH, FRAMES + 1, 1000 + n * WORKERS + w->id);
		record_write(w);
	}
	return NULL;
}

static void order_is_by_frame_and_flow(void **state)
{
	struct ship *s = start(SHIP_EVE, false, out);
	pthread_t t[WORKERS];
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_create(&t[i], NULL, work, &workers[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(t[i], NULL);
	struct ship_result r = ship_stop(s);
	assert_int_equal(r.error, 0);
	json_t *all = lines();
	unsigned want = FRAMES * 3 + FRAMES / 10 * 3 * (WORKERS - 1) + 500 * WORKERS;
	assert_int_equal(json_array_size(all), want);
	assert_int_equal(r.records, want);
	long frame = 0, flow = 0;
	for (size_t i = 0; i < json_array_size(all); i++) {
		json_t *row = json_array_get(all, i);
		long f = num_of(row, "pcap_cnt"), id = num_of(row, "flow_id");
		assert_true(f > frame || (f == frame && id >= flow));
		assert_int_equal(num_of(row, "seq"), i);
		frame = f;
		flow = id;
	}
	json_decref(all);
}

// ---- faces ----------------------------------------------------------------------------------------------------------
#define HOSTILE "A\x1b]0;x\x07\xff\xc2\x9b\n\"\\\0z"

static void one_of_each(struct worker *w)
{
	static const char hostile[] = HOSTILE;
	uint64_t frame = 1;
	for (enum record_kind k = RECORD_FLOW_START; k < RECORD_KIND_COUNT; k++) {
		struct record *r = begin(w, k, frame++, 8);
		r->app = APP_OTHER;
		r->anomaly = ANOMALY_TLS_BAD_NAME;
		r->tx_kind = 1;
		r->pkts[0] = 3;
		r->end_ns = 5000000000;
		r->tcp_flags[0] = 0x1f;
		r->tcp_state = 10;
		r->flow_end = FLOW_END_CLOSED;
		for (enum fact_field f = 1; f < FACT_COUNT; f++) {
			if (fact_types[f] == FACT_TYPE_NUM)
				record_num(w, f, INT64_MAX, (struct origin){frame, 1, 2});
			else if (fact_types[f] == FACT_TYPE_IP)
				add(w, f, "\x0a\0\0\3", 4);
			else
				add(w, f, hostile, sizeof(hostile) - 1);
		}
		record_write(w);
	}
}

static void json_faces_survive_hostile_bytes(void **state)
{
	for (int verbose = 0; verbose < 2; verbose++) {
		for (enum ship_format f = SHIP_EVE; f <= SHIP_FACTS; f++) {
			assert_int_equal(ftruncate(out, 0), 0);
			lseek(out, 0, SEEK_SET);
			struct ship *s = start(f, verbose, out);
			one_of_each(&workers[0]);
			assert_int_equal(ship_stop(s).error, 0);
			char *t = read_all();
			for (const uint8_t *p = (const uint8_t *)t; *p; p++)
				assert_true(*p >= 0x20 ? *p != 0x7f : *p == '\n');
			free(t);
			json_t *all = lines();
			assert_true(json_array_size(all) >= RECORD_KIND_COUNT - 2);
			json_decref(all);
		}
	}
}

static void table_is_harmless(void **state)
{
	struct ship *s = start(SHIP_TABLE, false, out);
	one_of_each(&workers[0]);
	assert_int_equal(ship_stop(s).error, 0);
	char *t = read_all();
	unsigned rows = 0;
	for (const uint8_t *p = (const uint8_t *)t; *p; p++) {
		assert_true(*p >= 0x20 ? *p < 0x7f : *p == '\n');
		rows += *p == '\n';
	}
	assert_int_equal(rows, 2 + RECORD_KIND_COUNT - 2); // path, header, all kinds but none and flow_start
	assert_non_null(strstr(t, "\\x1b]0;x\\x07\\xff"));
	free(t);
}

static void table_is_cut_to_the_terminal(void **state)
{
	static const char long_name[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example";
	struct ship_sink sink = {.format = SHIP_TABLE, .fd = out, .width = 100};
	struct ship_config c = {.sink = &sink, .sources = sources, .nsources = WORKERS};
	struct ship *s = ship_start(&c);
	begin(&workers[0], RECORD_TLS, 1, 8);
	add(&workers[0], FACT_TLS_SNI, long_name, sizeof(long_name) - 1);
	record_write(&workers[0]);
	assert_int_equal(ship_stop(s).error, 0);
	char *t = read_all(), *save = NULL;
	for (char *l = strtok_r(t, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		unsigned columns = 0;
		for (const char *p = l; *p; p++)
			columns += (*p & 0xc0) != 0x80;
		assert_in_range(columns, 1, 100);
	}
	free(t);
}

static void expect_fact(json_t *all, size_t i, const char *field, const char *value)
{
	json_t *row = json_array_get(all, i);
	assert_string_equal(text_of(row, "pcap"), "a.pcap");
	assert_string_equal(text_of(row, "field"), field);
	assert_string_equal(text_of(row, "value"), value);
}

// Where each row's address columns end: the same for all rows below a header, and no cell runs into the next.
static void table_columns_agree(void **state)
{
	static const uint64_t seconds[] = {1, 9999, 10000, 123456, 12345678};
	struct ship *s = start(SHIP_TABLE, false, out);
	uint64_t frame = 1;
	for (unsigned version = 4; version <= 6; version += 2) {
		for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
			struct record *r = begin(&workers[0], RECORD_SSH, frame++, 8);
			r->time_ns = seconds[i] * 1000000000ull;
			r->ip_version = (uint8_t)version;
			memset(r->src, 0x20 + (int)i, version == 6 ? 16 : 4);
			record_write(&workers[0]);
		}
	}
	ship_stop(s);
	char *text = read_all(), *save = NULL;
	long arrow = -1;
	unsigned headers = 0, rows = 0;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		const char *at = strstr(l, " -> ");
		if (strncmp(l, "TIME", 4) == 0) {
			arrow = strstr(l, "DESTINATION") - l - 4;
			headers++;
		} else if (at) {
			assert_int_equal(at - l, arrow);
			assert_ptr_equal(strstr(l, "tcp"), l + 12);
			rows++;
		}
	}
	assert_int_equal(headers, 2);
	assert_int_equal(rows, 10);
	free(text);
}

static void facts_are_normalised(void **state)
{
	static const struct {
		enum fact_field field;
		const char *sent, *said;
	} rows[] = {
		{FACT_TLS_SNI, "WWW.Example.COM.", "www.example.com"},
		{FACT_QUIC_SNI, "a.B", "a.b"},
		{FACT_HTTP_HOST, "Example.com:8080", "example.com"},
		{FACT_HTTP_HOST, "[::1]:80", "[::1]"},
		{FACT_HTTP_HOST, "::1", "::1"},
		{FACT_HTTP_HOST, "a:", "a:"},
		{FACT_HTTP_HOST, "", ""},
		{FACT_DNS_QNAME, "", "<root>"},
		{FACT_DNS_QNAME, "b\xff.Org", "b\\xff.org"},
		{FACT_HTTP_URI, "/A?b=%20.", "/A?b=%20."},
		{FACT_HTTP_REFERER, "not asked", NULL},
	};
	const size_t n = sizeof(rows) / sizeof(rows[0]);
	struct ship *s = start(SHIP_FACTS, false, out);
	begin(&workers[0], RECORD_HTTP, 1, 8);
	for (size_t i = 0; i < n; i++)
		add(&workers[0], rows[i].field, rows[i].sent, strlen(rows[i].sent));
	record_write(&workers[0]);
	ship_stop(s);
	json_t *all = lines();
	assert_int_equal(json_array_size(all), n - 1);
	for (size_t i = 0; i < n - 1; i++)
		expect_fact(all, i, fact_names[rows[i].field], rows[i].said);
	json_t *tuple = json_object_get(json_array_get(all, 0), "tuple");
	char *text = json_dumps(tuple, JSON_COMPACT);
	assert_string_equal(text, "[\"tcp\",\"10.0.0.1\",40000,\"10.0.0.2\",443]");
	free(text);
	json_decref(all);
}

static void captures_are_told_apart(void **state)
{
	struct ship *s = start(SHIP_FACTS, true, out);
	for (unsigned n = 0; n < 3; n++) {
		char path[] = "\xff"
			      "0.pcap";
		path[1] = (char)('0' + n);
		if (n)
			ship_capture(s, (const char *[]){path}, 1, 0);
		begin(&workers[n], RECORD_SSH, 1, 8);
		add(&workers[n], FACT_SSH_SOFTWARE, "x", 1);
		record_write(&workers[n]);
	}
	ship_stop(s);
	json_t *all = lines();
	assert_int_equal(json_array_size(all), 3);
	assert_string_equal(text_of(json_array_get(all, 0), "pcap"), "a.pcap");
	assert_string_equal(text_of(json_array_get(all, 1), "pcap"), "\\xff1.pcap");
	assert_string_equal(text_of(json_array_get(all, 2), "pcap"), "\\xff2.pcap");
	assert_int_equal(num_of(json_array_get(all, 0), "off"), 54);
	assert_int_equal(num_of(json_array_get(all, 0), "len"), 1);
	json_decref(all);
}

// An event's time, direction and frame are of one packet, whenever the record was written; flow ids go on.
static void events_are_of_one_packet(void **state)
{
	struct ship *s = start(SHIP_EVE, false, out);
	ship_capture(s, (const char *[]){"b.pcap"}, 1, 1000);
	begin(&workers[0], RECORD_HTTP, 4, 8 | 1);
	workers[0].order = 9; // when the answer came
	record_write(&workers[0]);
	ship_stop(s);
	json_t *all = lines(), *row = json_array_get(all, 0);
	assert_int_equal(num_of(row, "pcap_cnt"), 4);
	assert_int_equal(num_of(row, "flow_id"), (1000 + 1) * 8 + 1);
	assert_string_equal(text_of(row, "timestamp"), "1970-01-01T00:00:00.004000+0000");
	assert_string_equal(text_of(row, "direction"), "to_server");
	json_decref(all);
}

// Frames without a flow that left at the same place in the walk, on two workers: by their own number.
static void frames_without_a_flow_have_an_order(void **state)
{
	struct ship *s = start(SHIP_EVE, false, out);
	for (unsigned i = 0; i < 2; i++) {
		struct record *r = begin(&workers[i], RECORD_ANOMALY, 9, 0);
		r->reason = REASON_PARSE_L4_CSUM;
		r->packet = 7 - i;
		record_write(&workers[i]);
	}
	ship_stop(s);
	json_t *all = lines();
	assert_int_equal(num_of(json_array_get(all, 0), "pcap_cnt"), 6);
	assert_int_equal(num_of(json_array_get(all, 1), "pcap_cnt"), 7);
	assert_string_equal(text_of(json_object_get(json_array_get(all, 0), "anomaly"), "event"), "parse.l4_csum");
	json_decref(all);
}

static size_t rr(uint8_t *at, uint16_t type, uint8_t form, const char *name, const void *data, size_t len)
{
	struct dns_rr head = {.ttl = 60, .type = type, .class = 1, .form = form, .section = DNS_ANSWER};
	head.name_len = (uint16_t)strlen(name);
	head.rdata_len = (uint16_t)len;
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), name, head.name_len);
	memcpy(at + sizeof(head) + head.name_len, data, len);
	return sizeof(head) + head.name_len + len;
}

static void dns_as_suricata_says_it(void **state)
{
	static const char want[] =
		"{\"version\":3,\"type\":\"response\",\"tx_id\":0,\"id\":4660,\"flags\":\"8180\",\"qr\":true,\"rd\":"
		"true,"
		"\"ra\":true,\"opcode\":0,\"rcode\":\"NOERROR\",\"queries\":[{\"rrname\":\"Ex.com\",\"rrtype\":\"MX\"}]"
		","
		"\"answers\":[{\"rrname\":\"ex.com\",\"rrtype\":\"MX\",\"ttl\":60,\"rdata\":\"mx.ex.com\"},"
		"{\"rrname\":\"ex.com\",\"rrtype\":\"A\",\"ttl\":60,\"rdata\":\"192.0.2.1\"},"
		"{\"rrname\":\"ex.com\",\"rrtype\":\"TXT\",\"ttl\":60,\"rdata\":\"a\"},"
		"{\"rrname\":\"ex.com\",\"rrtype\":\"TXT\",\"ttl\":60,\"rdata\":\"b\"},"
		"{\"rrname\":\"ex.com\",\"rrtype\":\"SSHFP\",\"ttl\":60,\"sshfp\":{\"fingerprint\":\"0a:ff\",\"algo\":"
		"4,"
		"\"type\":2}},"
		"{\"rrname\":\"ex.com\",\"rrtype\":\"OPT\",\"ttl\":60,\"opt\":[{\"code\":10,\"data\":\"abcd\"},{"
		"\"code\":3,"
		"\"data\":\"01\"}]},"
		"{\"rrname\":\"ex.com\",\"rrtype\":\"TYPE999\",\"ttl\":60,\"rdata\":\"ff00\"}],"
		"\"grouped\":{\"A\":[\"192.0.2.1\"],\"MX\":[\"mx.ex.com\"],\"TXT\":[\"a\",\"b\"],"
		"\"SSHFP\":[{\"fingerprint\":\"0a:ff\",\"algo\":4,\"type\":2}]}}";
	struct worker *w = &workers[0];
	uint8_t v[256];
	struct ship *s = start(SHIP_EVE, false, out);
	begin(w, RECORD_DNS, 1, 8)->tx_kind = 1;
	record_num(w, FACT_DNS_ID, 0x1234, (struct origin){0});
	record_num(w, FACT_DNS_FLAGS, 0x8180, (struct origin){0});
	record_num(w, FACT_DNS_RCODE, 0, (struct origin){0});
	add(w, FACT_DNS_QNAME, "Ex.com", 6);
	record_num(w, FACT_DNS_QTYPE, 15, (struct origin){0});
	add(w, FACT_DNS_RR, (char *)v, rr(v, 15, DNS_RDATA_MX, "ex.com", "\x0a\0mx.ex.com", 11));
	add(w, FACT_DNS_RR, (char *)v, rr(v, 1, DNS_RDATA_ADDRESS, "ex.com", "\xc0\0\2\1", 4));
	add(w, FACT_DNS_RR, (char *)v, rr(v, 16, DNS_RDATA_RAW, "ex.com", "\1a\1b", 4));
	add(w, FACT_DNS_RR, (char *)v, rr(v, 44, DNS_RDATA_RAW, "ex.com", "\4\2\x0a\xff", 4));
	add(w, FACT_DNS_RR, (char *)v, rr(v, 41, DNS_RDATA_RAW, "ex.com", "\0\x0a\0\2\xab\xcd\0\3\0\x09\1", 11));
	add(w, FACT_DNS_RR, (char *)v, rr(v, 999, DNS_RDATA_RAW, "ex.com", "\xff\0", 2));
	record_write(w);
	ship_stop(s);
	json_t *all = lines();
	char *text = json_dumps(json_object_get(json_array_get(all, 0), "dns"), JSON_COMPACT);
	assert_string_equal(text, want);
	free(text);
	json_decref(all);
}

// Values that were cut to fit, or lengths that disagree, never lead outside the fact.
static void dns_records_cut_anywhere(void **state)
{
	uint8_t v[256];
	static const uint8_t data[40] = {[20] = 5};
	for (uint8_t form = DNS_RDATA_RAW; form <= DNS_RDATA_SOA + 1; form++) {
		size_t len = rr(v, 6, form, "ex.com", data, sizeof(data));
		for (enum ship_format f = SHIP_TABLE; f <= SHIP_FACTS; f++) {
			struct ship *s = start(f, true, out);
			for (size_t n = 0; n <= len; n++) {
				begin(&workers[0], RECORD_DNS, 1, 8)->tx_kind = 1;
				add(&workers[0], FACT_DNS_RR, (char *)v, n);
				record_write(&workers[0]);
			}
			assert_int_equal(ship_stop(s).error, 0);
		}
	}
}

// ---- where it is written --------------------------------------------------------------------------------------------
static struct ship_result flood(int fd)
{
	struct ship *s = start(SHIP_FACTS, true, fd);
	for (unsigned n = 1; n < 20000; n++) { // many times the ring: nobody may block for ever
		begin(&workers[0], RECORD_SSH, n, 8);
		add(&workers[0], FACT_SSH_SOFTWARE, "OpenSSH_9.2p1", 13);
		record_write(&workers[0]);
		for (unsigned i = 0; i < WORKERS; i++)
			done[i] = n - 1;
	}
	return ship_stop(s);
}

static void a_reader_that_goes_is_no_error(void **state)
{
	int p[2];
	assert_int_equal(pipe(p), 0);
	close(p[0]);
	struct ship_result r = flood(p[1]);
	assert_true(r.closed);
	assert_int_equal(r.error, 0);
	assert_int_equal(r.records, 19999);
	close(p[1]);
}

static void a_full_disk_is_said_once(void **state)
{
	int fd = open("/dev/full", O_WRONLY);
	struct ship_result r = flood(fd);
	assert_int_equal(r.error, ENOSPC);
	assert_false(r.closed);
	assert_int_equal(r.records, 19999);
	close(fd);
}

// What is no packet has a class of its own in ocsf, with the attributes that every event must have.
static void ocsf_takes_what_is_no_packet(void **state)
{
	struct ship *s = start(SHIP_OCSF, false, out);
	struct worker *w = &workers[0];
	struct record *r = begin(w, RECORD_GAP, 1, 0);
	r->ip_version = 0;
	r->pkts[0] = 5;
	r->tx_id = 9;
	record_write(w);
	r = begin(w, RECORD_STATE, 2, 0);
	r->ip_version = 0;
	add(w, FACT_STATE, "event=port_down", 15);
	record_write(w);
	r = begin(w, RECORD_FLOOD, 3, 0);
	r->tx_kind = 24;
	r->tx_count = 700;
	r->start_ns = r->end_ns = 3000000;
	record_write(w);
	for (unsigned i = 0; i < 2; i++) { // asked over Kafka: with nothing but a method, with a name
		r = begin(w, RECORD_HTTP, 4 + i, 0);
		r->packet = 0;
		memset(r->dst, 0, sizeof(r->dst));
		add(w, FACT_HTTP_METHOD, "GET", 3);
		add(w, FACT_REQUEST_ID, "r1", 2);
		add(w, FACT_USER, "alice", 5);
		if (i)
			add(w, FACT_HTTP_HOST, "a.example", 9);
		record_write(w);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		done[i] = 6;
	assert_int_equal(ship_stop(s).error, 0);
	static const long class[] = {0, 0, 4001}, type[] = {99, 99, 400104}, count[] = {5, 0, 700};
	json_t *all = lines();
	assert_int_equal(json_array_size(all), 5);
	for (unsigned i = 0; i < 3; i++) {
		json_t *row = json_array_get(all, i), *more = json_object_get(row, "unmapped");
		assert_int_equal(num_of(row, "class_uid"), class[i]);
		assert_int_equal(num_of(row, "type_uid"), type[i]);
		assert_int_equal(num_of(row, "time"), i + 1);
		assert_true(!count[i] || num_of(row, "count") == count[i]);
		assert_int_equal(num_of(json_object_get(row, "metadata"), "sequence"), i);
		assert_true(json_object_get(more, i == 0 ? "gap" : i == 1 ? "state" : "prefix"));
		assert_true(!json_object_get(row, "device") == (i == 2));
	}
	for (unsigned i = 3; i < 5; i++) {
		json_t *row = json_array_get(all, i);
		assert_true(json_object_get(json_object_get(row, "unmapped"), "request"));
		assert_true(!json_object_get(row, "dst_endpoint") == (i == 3));
	}
	json_decref(all);
}

// Of a request over Kafka the record's application says whether its URL was https; a target that is a URL says it
// itself.
static void ocsf_has_the_scheme_that_was_asked(void **state)
{
	static const struct {
		uint8_t app, flow;
		const char *uri, *scheme, *url;
	} of[] = {{APP_HTTP, 0, "/b", "http", "http://a.example/b"},
		  {APP_TLS, 0, "/b", "https", "https://a.example/b"},
		  {APP_TLS, 0, "http://a.example/b", "http", "http://a.example/b"},
		  {APP_TLS, 7, "/b", "http", "http://a.example/b"}}; // CONNECT was seen, and TLS behind it
	struct ship *s = start(SHIP_OCSF, false, out);
	struct worker *w = &workers[0];
	for (unsigned i = 0; i < 4; i++) {
		struct record *r = begin(w, RECORD_HTTP, 1 + i, of[i].flow);
		r->packet = of[i].flow;
		r->app = of[i].app;
		add(w, FACT_HTTP_METHOD, "GET", 3);
		add(w, FACT_HTTP_URI, of[i].uri, strlen(of[i].uri));
		add(w, FACT_HTTP_HOST, "a.example", 9);
		record_write(w);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		done[i] = 5;
	assert_int_equal(ship_stop(s).error, 0);
	json_t *all = lines();
	assert_int_equal(json_array_size(all), 4);
	for (unsigned i = 0; i < 4; i++) {
		json_t *url = json_object_get(json_object_get(json_array_get(all, i), "http_request"), "url");
		assert_string_equal(json_string_value(json_object_get(url, "scheme")), of[i].scheme);
		assert_string_equal(json_string_value(json_object_get(url, "url_string")), of[i].url);
	}
	json_decref(all);
}

// ---- live: files of their own ---------------------------------------------------------------------------------------

static char folder[64];

static int setup_folder(void **state)
{
	strcpy(folder, "/tmp/test_ship.XXXXXX");
	return setup(state) || !mkdtemp(folder);
}

static int teardown_folder(void **state)
{
	char command[96];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return teardown(state) || system(command);
}

static const char *in_folder(const char *name)
{
	static char path[4][128];
	static unsigned n;
	char *p = path[n++ % 4];
	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

// All that the appliance has: rings, shipper, spool, sinks.
struct live {
	struct spool *spool;
	struct deliver *deliver;
	struct ship *ship;
	struct sink_config sinks[4];
	unsigned n;
};

static struct sink_config *sink_to(struct live *l, enum ship_format format, const char *name)
{
	struct sink_config *s = &l->sinks[l->n++];
	*s = (struct sink_config){.type = SINK_FILE, .format = (uint8_t)format};
	snprintf(s->path, sizeof(s->path), "%s", in_folder(name));
	snprintf(s->name, sizeof(s->name), "sink-%u", l->n);
	return s;
}

static void start_live(struct live *l)
{
	const char *names[4];
	const struct sink_config *sinks[4];
	char error[SPOOL_ERROR];
	for (unsigned i = 0; i < l->n; i++) {
		sinks[i] = &l->sinks[i];
		names[i] = sinks[i]->name;
	}
	struct spool_config spool = {
		.node = "n", .boot = 7, .sinks = names, .nsinks = l->n, .workers = WORKERS, .flush_ms = 10};
	l->spool = spool_open(&spool, error);
	assert_non_null(l->spool);
	l->deliver = deliver_start(&(struct deliver_config){l->spool, sinks, l->n});
	assert_non_null(l->deliver);
	struct ship_config c = {
		.spool = l->spool, .node = "n", .boot = 7, .live = true, .sources = sources, .nsources = WORKERS};
	l->ship = ship_start(&c);
	assert_non_null(l->ship);
}

static void stop_live(struct live *l)
{
	ship_stop(l->ship);
	assert_int_equal(spool_flush_wait(l->spool, 100000), 0);
	assert_true(deliver_stop(l->deliver, clock_ns(CLOCK_MONOTONIC) + 30000000000ull));
	spool_close(l->spool);
}

static void say_some(unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		begin(&workers[i % WORKERS], RECORD_SSH, i + 1, (uint64_t)(i + 1) << 3);
		add(&workers[i % WORKERS], FACT_SSH_SOFTWARE, "OpenSSH_9", 9);
		record_write(&workers[i % WORKERS]);
	}
}

static void until(bool (*holds)(const struct live *), const struct live *s)
{
	for (unsigned i = 0; i < 20000 && !holds(s); i++)
		usleep(1000);
	assert_true(holds(s));
}

// All lines of all files of a sink, in the order of their names: each is whole, and each record is there once.
static unsigned whole_and_once(const char *name, uint64_t biggest, unsigned *files)
{
	char command[256], *line = NULL;
	size_t room = 0;
	unsigned n = 0;
	uint32_t seq[WORKERS] = {0};
	snprintf(command, sizeof(command), "cd %s && cat $(ls %s.2* 2>/dev/null) %s", folder, name, name);
	FILE *f = popen(command, "r");
	while (getline(&line, &room, f) > 0) {
		json_error_t e;
		json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, &e);
		assert_non_null(row);
		assert_int_equal(num_of(row, "boot"), 7);
		assert_string_equal(text_of(row, "node"), "n");
		json_t *gap = json_object_get(row, "gap");
		uint32_t first = (uint32_t)num_of(row, "seq"), count = gap ? (uint32_t)num_of(gap, "records") : 1;
		assert_int_equal(seq[num_of(row, "worker")], first);
		assert_int_equal(gap ? num_of(gap, "last_seq") : first, first + count - 1);
		seq[num_of(row, "worker")] += count;
		n += count;
		json_decref(row);
	}
	pclose(f);
	free(line);
	snprintf(command, sizeof(command), "cd %s && ls %s* | wc -l; find %s -name '%s*' -size +%luc | wc -l", folder,
		 name, folder, name, biggest);
	f = popen(command, "r");
	unsigned big;
	assert_int_equal(fscanf(f, "%u %u", files, &big), 2);
	assert_int_equal(big, 0);
	pclose(f);
	return n;
}

static void several_sinks_rotate_by_size(void **state)
{
	struct live l = {0};
	struct sink_counts n;
	unsigned files;
	sink_to(&l, SHIP_EVE, "all")->rotate_mb = 1;
	sink_to(&l, SHIP_TABLE, "table");
	struct sink_config *few = sink_to(&l, SHIP_EVE, "few");
	few->rotate_mb = 1;
	few->keep = 2;
	start_live(&l);
	say_some(0, 9000);
	assert_true(deliver_counts(l.deliver, "sink-2", &n));
	assert_int_equal(n.errors + n.lost, 0);
	stop_live(&l);
	assert_int_equal(whole_and_once("all", 1 << 20, &files), 9000);
	assert_in_range(files, 4, 6);
	char command[128];
	snprintf(command, sizeof(command), "ls %s/few* | wc -l", folder);
	FILE *f = popen(command, "r");
	assert_int_equal(fscanf(f, "%u", &files), 1);
	assert_int_equal(files, 3);
	pclose(f);
}

static bool moved_on(const struct live *l)
{
	return access(in_folder("eve"), F_OK) == 0;
}

static void moved_away_and_reopened(void **state)
{
	struct live l = {0};
	unsigned files;
	sink_to(&l, SHIP_EVE, "eve");
	start_live(&l);
	for (unsigned i = 0; i < 5; i++) {
		char to[128];
		snprintf(to, sizeof(to), "%s/eve.2%u", folder, i);
		say_some(i * 1000, 1000);
		until(moved_on, &l);
		assert_int_equal(rename(in_folder("eve"), to), 0);
		deliver_reopen(l.deliver);
		until(moved_on, &l);
	}
	stop_live(&l);
	assert_int_equal(whole_and_once("eve", 1 << 30, &files), 5000);
	assert_int_equal(files, 6);
}

static bool troubled(const struct live *l)
{
	struct sink_counts n;
	assert_true(deliver_counts(l->deliver, "sink-1", &n));
	return n.up && n.errors && strstr(n.error, "Is a directory") && strstr(n.error, "written on");
}

// What took its name cannot be written: the old one is, and whoever looks at sinks sees why.
static void not_reopened(void **state)
{
	struct live l = {0};
	char to[128];
	sink_to(&l, SHIP_EVE, "eve");
	start_live(&l);
	say_some(0, 100);
	until(moved_on, &l);
	snprintf(to, sizeof(to), "%s/eve.20", folder);
	assert_int_equal(rename(in_folder("eve"), to), 0);
	assert_int_equal(mkdir(in_folder("eve"), 0700), 0);
	deliver_reopen(l.deliver);
	until(troubled, &l);
	stop_live(&l);
}

static bool fails(const struct live *l)
{
	struct sink_counts n;
	assert_true(deliver_counts(l->deliver, "sink-1", &n));
	return !n.up && n.errors && strstr(n.error, "No such file");
}

static bool works(const struct live *l)
{
	struct sink_counts n;
	assert_true(deliver_counts(l->deliver, "sink-1", &n));
	return n.up;
}

// A folder that is not there: the other sink has all; this one has all once it is there.
static void what_cannot_be_written_harms_nobody(void **state)
{
	struct live l = {0};
	unsigned files;
	sink_to(&l, SHIP_EVE, "later/eve");
	sink_to(&l, SHIP_EVE, "good");
	start_live(&l);
	say_some(0, 3000);
	until(fails, &l);
	assert_int_equal(mkdir(in_folder("later"), 0700), 0);
	until(works, &l);
	say_some(3000, 3000);
	stop_live(&l);
	assert_int_equal(whole_and_once("good", 1 << 30, &files), 6000);
	assert_int_equal(whole_and_once("later/eve", 1 << 30, &files), 6000);
}

static bool nothing_waits(const struct live *l)
{
	struct sink_counts n;
	struct spool_look spool;
	assert_true(deliver_counts(l->deliver, "sink-1", &n));
	spool_look(l->spool, &spool);
	return spool.records == 3000 && spool.waits == 0 && n.behind_bytes == 0;
}

// What a sink is not to see holds nothing up in the spool.
static void what_is_left_out_is_passed(void **state)
{
	struct live l = {0};
	struct sink_config *s = sink_to(&l, SHIP_EVE, "denied");
	snprintf(s->kinds[0], sizeof(s->kinds[0]), "verdict");
	s->nkinds = 1;
	start_live(&l);
	say_some(0, 3000);
	until(nothing_waits, &l);
	stop_live(&l);
	struct stat st;
	assert_int_equal(stat(in_folder("denied"), &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void what_a_full_ring_lost_is_said(void **state)
{
	struct live l = {0};
	unsigned files;
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i].wait = NULL;
	say_some(0, 5000); // nobody reads
	uint64_t lost = 0;
	for (unsigned i = 0; i < WORKERS; i++)
		lost += workers[i].counters[COUNTER_RECORDS_LOST];
	assert_true(lost > 0);
	sink_to(&l, SHIP_EVE, "eve");
	start_live(&l);
	stop_live(&l);
	assert_int_equal(whole_and_once("eve", 1 << 30, &files), 5000);
}

// Half a line, as a process that was killed leaves it.
static void half_a_line_is_cut_off(void **state)
{
	struct live l = {0};
	unsigned files;
	FILE *f = fopen(in_folder("eve"), "w");
	fputs("{\"half\": ", f);
	fclose(f);
	sink_to(&l, SHIP_EVE, "eve");
	start_live(&l);
	say_some(0, 10);
	stop_live(&l);
	assert_int_equal(whole_and_once("eve", 1 << 30, &files), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ocsf_takes_what_is_no_packet, setup, teardown),
		cmocka_unit_test_setup_teardown(ocsf_has_the_scheme_that_was_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(order_is_by_frame_and_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(json_faces_survive_hostile_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(table_is_harmless, setup, teardown),
		cmocka_unit_test_setup_teardown(table_is_cut_to_the_terminal, setup, teardown),
		cmocka_unit_test_setup_teardown(table_columns_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(facts_are_normalised, setup, teardown),
		cmocka_unit_test_setup_teardown(captures_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_without_a_flow_have_an_order, setup, teardown),
		cmocka_unit_test_setup_teardown(events_are_of_one_packet, setup, teardown),
		cmocka_unit_test_setup_teardown(dns_as_suricata_says_it, setup, teardown),
		cmocka_unit_test_setup_teardown(dns_records_cut_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_that_goes_is_no_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_is_said_once, setup, teardown),
		cmocka_unit_test_setup_teardown(several_sinks_rotate_by_size, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(moved_away_and_reopened, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(not_reopened, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_harms_nobody, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(what_is_left_out_is_passed, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(what_a_full_ring_lost_is_said, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(half_a_line_is_cut_off, setup_folder, teardown_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
