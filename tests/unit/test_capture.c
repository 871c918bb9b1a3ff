// SPDX-License-Identifier: BSD-3-Clause
//
// The reader and the writer of captures, against files made here byte by byte: every byte order and resolution,
// packed files, pcapng, what is cut or broken, frames larger than an mbuf, several files as one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "base/capture_file.h"
#include "base/capture_out.h"
#include "base/eal.h"

static struct worker w;

struct file {
	uint8_t *p;
	size_t len;
	bool swapped, nanoseconds;
};

static void put(struct file *f, const void *p, size_t n)
{
	f->p = realloc(f->p, f->len + n + 1);
	memcpy(f->p + f->len, p, n);
	f->len += n;
}

static void put32(struct file *f, uint32_t v)
{
	v = f->swapped ? __builtin_bswap32(v) : v;
	put(f, &v, 4);
}

static void put16(struct file *f, uint16_t v)
{
	v = f->swapped ? __builtin_bswap16(v) : v;
	put(f, &v, 2);
}

static struct file pcap(uint32_t magic, bool swapped, uint32_t snaplen, uint32_t link)
{
	struct file f = {.swapped = swapped, .nanoseconds = magic == 0xa1b23c4d};
	put32(&f, magic);
	put16(&f, 2);
	put16(&f, 4);
	put32(&f, 0);
	put32(&f, 7); // sigfigs: of no use to us, but to be there again in the copy
	put32(&f, snaplen);
	put32(&f, link);
	return f;
}

static void frame(struct file *f, uint32_t sec, uint32_t fraction, uint32_t len, uint32_t wire_len, uint8_t fill)
{
	uint8_t *p = malloc(len + 1);
	for (uint32_t i = 0; i < len; i++)
		p[i] = fill + i;
	put32(f, sec);
	put32(f, fraction);
	put32(f, len);
	put32(f, wire_len);
	put(f, p, len);
	free(p);
}

struct seen {
	struct rte_mbuf *m[128];
	unsigned n;
	enum capture_state state;
	char error[CAPTURE_ERROR_MAX];
	struct capture_format format;
};

static void read_all(struct capture *c, struct seen *s)
{
	*s = (struct seen){0};
	do {
		struct burst b = {0};
		s->state = capture_burst(c, &w, &b);
		for (unsigned i = 0; i < b.n; i++) {
			assert_true(s->n < 128);
			s->m[s->n++] = b.m[i];
		}
	} while (s->state == CAPTURE_MORE);
	s->format = *capture_format(c);
	snprintf(s->error, sizeof(s->error), "%s", capture_error(c));
	capture_close(c);
}

static void look(const struct file *f, struct seen *s)
{
	char err[CAPTURE_ERROR_MAX] = "";
	struct capture *c = capture_open_memory(f->p, f->len, err, sizeof(err));
	if (!c)
		fail_msg("%s", err);
	read_all(c, s);
}

static void done(struct seen *s)
{
	for (unsigned i = 0; i < s->n; i++)
		rte_pktmbuf_free(s->m[i]);
	assert_int_equal(rte_mempool_in_use_count(w.frames) + rte_mempool_in_use_count(w.giants), 0);
}

// What -w makes of what was read.
static struct file written(const struct seen *s)
{
	char path[] = "/tmp/test_capture.XXXXXX";
	close(mkstemp(path));
	struct capture_out *o = capture_out_open(path, &s->format);
	assert_non_null(o);
	for (unsigned i = 0; i < s->n; i++) {
		if (i % 2) {
			struct capture_record *r = capture_record_of(s->m[i]);
			capture_out_record(o, r);
			free(r);
		} else {
			capture_out_frame(o, s->m[i]);
		}
	}
	assert_int_equal(capture_out_close(o), 0);
	struct file f = {0};
	char block[65536];
	FILE *in = fopen(path, "r");
	for (size_t n; (n = fread(block, 1, sizeof(block), in)) > 0;)
		put(&f, block, n);
	fclose(in);
	unlink(path);
	return f;
}

static void assert_same(const struct file *a, const struct file *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->p, b->p, a->len);
}

static void refused(const struct file *f, const char *why)
{
	char err[CAPTURE_ERROR_MAX] = "";
	assert_null(capture_open_memory(f->p, f->len, err, sizeof(err)));
	if (!strstr(err, why))
		fail_msg("\"%s\" is not in \"%s\"", why, err);
}

// ---- formats ---------------------------------------------------------------------------------------------------

static void test_orders_and_resolutions(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct file f = pcap(i & 1 ? 0xa1b23c4d : 0xa1b2c3d4, i & 2, 96, 1);
		struct seen s;
		frame(&f, 5, 123456, 60, 60, 1);
		frame(&f, 6, 7, 60, 1500, 2);
		frame(&f, 7, 999999, 0, 0, 3);
		frame(&f, 4000000000u, 8, 200, 200, 4); // after 2038, and longer than the snap length says
		look(&f, &s);
		assert_int_equal(s.state, CAPTURE_END);
		assert_int_equal(s.n, 4);
		const struct pkt *p = pkt_of(s.m[0]), *cut = pkt_of(s.m[1]), *late = pkt_of(s.m[3]);
		assert_int_equal(p->frame, 1);
		assert_int_equal(p->stamp_ns, 5000000000ull + 123456 * (i & 1 ? 1 : 1000));
		assert_int_equal(p->flags, 0);
		assert_int_equal(p->link_type, 1);
		assert_int_equal(pkt_data(s.m[0])[59], 60);
		assert_int_equal(cut->flags, PKT_CUT);
		assert_int_equal(cut->wire_len, 1500);
		assert_int_equal(late->frame, 4);
		assert_int_equal(late->stamp_ns / 1000000000u, 4000000000u);
		assert_int_equal(s.m[3]->data_len, 200);
		struct file out = written(&s);
		assert_same(&f, &out);
		free(out.p);
		free(f.p);
		done(&s);
	}
}

static void test_packed(void **state)
{
	struct file f = pcap(0xa1b2c3d4, false, 65535, 101), gz = {0}, zst = {0};
	struct seen s;
	for (unsigned i = 0; i < 50; i++)
		frame(&f, i, 0, 1000 + i, 1000 + i, i);

	// two gzip members, the border inside a frame, and padding behind them
	size_t cut = f.len / 2;
	for (unsigned part = 0; part < 2; part++) {
		static uint8_t room[1 << 20];
		z_stream z = {.next_in = part ? f.p + cut : f.p, .avail_in = part ? f.len - cut : cut};
		z.next_out = room;
		z.avail_out = sizeof(room);
		assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		put(&gz, room, z.total_out);
		deflateEnd(&z);
	}
	size_t whole = gz.len;
	put(&gz, "\0\0\0\0", 4);
	look(&gz, &s);
	assert_int_equal(s.state, CAPTURE_END);
	assert_int_equal(s.n, 50);
	struct file out = written(&s);
	assert_same(&f, &out);
	done(&s);
	gz.len = whole - 20;
	look(&gz, &s);
	assert_int_equal(s.state, CAPTURE_DAMAGED);
	assert_non_null(strstr(s.error, "gzip data end in the middle"));
	done(&s);
	gz.p[whole / 3] ^= 0x55;
	gz.p[whole / 3 + 1] ^= 0x55;
	gz.len = whole;
	look(&gz, &s);
	assert_int_equal(s.state, CAPTURE_DAMAGED);
	assert_true(s.error[0]); // deflate's own words, or libpcap's of the rubbish that came out
	done(&s);

	zst.p = malloc(ZSTD_compressBound(f.len));
	zst.len = ZSTD_compress(zst.p, ZSTD_compressBound(f.len), f.p, f.len, 3);
	look(&zst, &s);
	assert_int_equal(s.state, CAPTURE_END);
	assert_int_equal(s.n, 50);
	done(&s);
	zst.len -= 3;
	refused(&zst, "zstd data end in the middle"); // it was one block
	free(out.p);
	free(f.p);
	free(gz.p);
	free(zst.p);
}

static void block(struct file *f, uint32_t type, const void *body, uint32_t len)
{
	put32(f, type);
	put32(f, len + 12);
	put(f, body, len);
	put32(f, len + 12);
}

static void put_packets(struct file *f)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t packet[5 + 16] = {i, 0, 1000000 + i, 64, 64};
		block(f, 6, packet, sizeof(packet));
	}
}

static void put_section(struct file *f, uint16_t link_first, uint16_t link_second)
{
	uint32_t section[4] = {0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff};
	uint32_t interface[2] = {link_first, 0x40000}, second[2] = {link_second, 0x40000};
	block(f, 0x0a0d0d0a, section, 16);
	block(f, 1, interface, 8);
	block(f, 1, second, 8);
	put_packets(f);
}

static struct file pcapng(uint16_t link_second, uint32_t snap_second)
{
	struct file f = {0};
	uint32_t section[4] = {0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff};
	uint32_t interface[2] = {1, 0x40000}, second[2] = {link_second, snap_second};
	block(&f, 0x0a0d0d0a, section, 16);
	block(&f, 1, interface, 8);
	block(&f, 1, second, 8);
	put_packets(&f);
	return f;
}

static void test_pcapng(void **state)
{
	struct file f = pcapng(1, 0x40000);
	struct seen s;
	look(&f, &s);
	assert_int_equal(s.state, CAPTURE_END);
	assert_int_equal(s.n, 2);
	assert_int_equal(pkt_of(s.m[1])->stamp_ns, 1000001000ull);
	assert_int_equal(s.format.header_len, 0);
	struct file out = written(&s);
	done(&s);
	look(&out, &s);
	assert_int_equal(s.n, 2);
	assert_true(s.format.nanoseconds);
	assert_int_equal(pkt_of(s.m[1])->stamp_ns, 1000001000ull);
	done(&s);
	free(out.p);
	free(f.p);
	f = pcapng(101, 128);    // libpcap takes one link type and snap length a file
	put_section(&f, 276, 9); // a section has its own interfaces
	look(&f, &s);
	assert_int_equal(s.state, CAPTURE_END);
	assert_int_equal(s.n, 4);
	static const uint16_t links[] = {1, 101, 276, 9};
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pkt_of(s.m[i])->link_type, links[i]);
	out = written(&s);
	done(&s);
	look(&out, &s);
	assert_int_equal(s.state, CAPTURE_END);
	assert_int_equal(s.n, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pkt_of(s.m[i])->link_type, links[i]);
		assert_int_equal(pkt_of(s.m[i])->wire_len, 64);
		assert_int_equal(pkt_of(s.m[i])->stamp_ns, 1000000000ull + 1000 * (i % 2));
	}
	done(&s);
	free(out.p);
	for (size_t n = f.len; n > 28; n -= 3) { // cut anywhere: some frames or none, never more
		struct file part = {.p = f.p, .len = n};
		char err[CAPTURE_ERROR_MAX];
		struct capture *c = capture_open_memory(part.p, part.len, err, sizeof(err));
		if (!c)
			continue;
		read_all(c, &s);
		assert_true(s.n <= 4);
		done(&s);
	}
	free(f.p);
}

// ---- what is wrong ---------------------------------------------------------------------------------------------

static void test_link_types(void **state)
{
	static const uint16_t good[][2] = {{0, 0},     {1, 1},     {9, 9},     {12, 101},  {14, 101},  {101, 101},
					   {104, 104}, {108, 108}, {113, 113}, {228, 228}, {229, 229}, {276, 276}};
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct file f = pcap(0xa1b2c3d4, false, 65535, good[i][0]);
		struct seen s;
		frame(&f, 1, 0, 60, 60, 0);
		look(&f, &s);
		assert_int_equal(s.n, 1);
		assert_int_equal(pkt_of(s.m[0])->link_type, good[i][1]);
		done(&s);
		free(f.p);
	}
	struct file f = pcap(0xa1b2c3d4, false, 65535, 239);
	refused(&f, "link type 239 (NFLOG) is not supported");
	free(f.p);
	f = pcap(0xa1b2c3d4, false, 65535, 147);
	refused(&f, "link type 147 (unnamed) is not supported");
	free(f.p);
}

static void test_no_captures(void **state)
{
	struct file f = {.p = (uint8_t *)"", .len = 0};
	refused(&f, "is empty");
	f = (struct file){.p = (uint8_t *)"frame,time\n1,2\n", .len = 15};
	refused(&f, "text file");
	f = (struct file){.p = (uint8_t *)"\xff\xd8", .len = 2};
	refused(&f, "too short");
	f = (struct file){.p = (uint8_t *)"\x7f"
					  "ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0\1\0\0\0\0\0\0",
			  .len = 27};
	refused(&f, "is not a capture");
	f = (struct file){.p = (uint8_t *)"\x1f\x8b\x08\x00", .len = 4};
	refused(&f, "gzip");
	f = (struct file){.p = (uint8_t *)"\xd4\xc3\xb2\xa1\x02\x00", .len = 6};
	refused(&f, "is not a capture");
}

static void test_cut_in_the_middle(void **state)
{
	struct file f = pcap(0xa1b2c3d4, false, 65535, 1);
	struct seen s;
	for (unsigned i = 0; i < 40; i++)
		frame(&f, i, 0, 100, 100, i);
	size_t len = f.len;
	for (unsigned lost = 1; lost < 116; lost += 7) {
		f.len = len - lost;
		look(&f, &s);
		assert_int_equal(s.state, CAPTURE_DAMAGED);
		assert_int_equal(s.n, 39);
		assert_true(s.error[0]);
		done(&s);
	}
	f.len = len;
	memset(f.p + 24 + 116 * 3 + 8, 0xff, 4); // a length that cannot be
	look(&f, &s);
	assert_int_equal(s.state, CAPTURE_DAMAGED);
	assert_int_equal(s.n, 3);
	done(&s);
	free(f.p);
}

static void test_time_backwards(void **state)
{
	struct file f = pcap(0xa1b2c3d4, false, 65535, 1);
	struct seen s;
	frame(&f, 10, 0, 60, 60, 0);
	frame(&f, 9, 0, 60, 60, 0);
	frame(&f, 11, 0, 60, 60, 0);
	uint64_t before = w.counters[COUNTER_TIME_BACKWARDS];
	look(&f, &s);
	assert_int_equal(pkt_of(s.m[1])->time_ns, 10000000000ull);
	assert_int_equal(pkt_of(s.m[1])->stamp_ns, 9000000000ull);
	assert_int_equal(pkt_of(s.m[2])->time_ns, 11000000000ull);
	assert_int_equal(w.counters[COUNTER_TIME_BACKWARDS], before + 1);
	done(&s);
	free(f.p);
}

// ---- large frames ----------------------------------------------------------------------------------------------

static void test_large_frames(void **state)
{
	static const uint32_t lens[] = {CAPTURE_FRAME_ROOM, CAPTURE_FRAME_ROOM + 1, CAPTURE_GIANT_ROOM,
					CAPTURE_GIANT_ROOM + 1, CAPTURE_SNAPLEN_MAX};
	struct file f = pcap(0xa1b2c3d4, false, CAPTURE_SNAPLEN_MAX, 1);
	struct seen s;
	for (unsigned i = 0; i < 5; i++)
		frame(&f, i, 0, lens[i], lens[i], i);
	look(&f, &s);
	assert_int_equal(s.state, CAPTURE_END);
	assert_int_equal(s.n, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(rte_pktmbuf_pkt_len(s.m[i]), lens[i]);
		assert_int_equal(s.m[i]->data_len, RTE_MIN(lens[i], (uint32_t)CAPTURE_GIANT_ROOM));
		assert_int_equal(pkt_of(s.m[i])->flags, i > 2 ? PKT_CUT : 0);
	}
	struct file out = written(&s);
	assert_same(&f, &out);
	done(&s);
	free(out.p);
	free(f.p);
}

static void test_dry_pools(void **state)
{
	struct file f = pcap(0xa1b2c3d4, false, CAPTURE_SNAPLEN_MAX, 1);
	struct rte_mempool *giants = w.giants;
	struct seen s;
	frame(&f, 0, 0, 9000, 9000, 1);
	w.giants = eal_pool("no_giants", 1, CAPTURE_GIANT_ROOM);
	struct rte_mbuf *last = rte_pktmbuf_alloc(w.giants);
	look(&f, &s); // in pieces, marked as cut, nothing lost
	assert_int_equal(rte_pktmbuf_pkt_len(s.m[0]), 9000);
	assert_int_equal(pkt_of(s.m[0])->flags, PKT_CUT);
	rte_pktmbuf_free(last);
	rte_mempool_free(w.giants);
	w.giants = giants;
	done(&s);

	struct rte_mempool *frames = w.frames;
	char err[CAPTURE_ERROR_MAX];
	struct burst b = {0};
	w.frames = eal_pool("no_frames", 1, CAPTURE_FRAME_ROOM);
	struct capture *c = capture_open_memory(f.p, f.len, err, sizeof(err));
	assert_int_equal(capture_burst(c, &w, &b), CAPTURE_STARVED);
	rte_mempool_free(w.frames);
	w.frames = frames;
	assert_int_not_equal(capture_burst(c, &w, &b), CAPTURE_STARVED);
	assert_int_equal(capture_burst(c, &w, &b), CAPTURE_END);
	assert_int_equal(b.n, 1);
	rte_pktmbuf_free(b.m[0]);
	capture_close(c);
	free(f.p);
}

// ---- several as one --------------------------------------------------------------------------------------------

static void test_join(void **state)
{
	struct file f[3];
	struct capture *c[3];
	char err[CAPTURE_ERROR_MAX];
	for (unsigned i = 0; i < 3; i++) {
		f[i] = pcap(0xa1b2c3d4, false, 65535, 1);
		for (unsigned j = 0; j < 40; j++)
			frame(&f[i], j * (i + 1), 0, 60, 60, i);
		if (i == 2)
			f[i].len -= 10; // a damaged one gives what it has
		c[i] = capture_open_memory(f[i].p, f[i].len, err, sizeof(err));
	}
	struct capture_join *j = capture_join_new(c, 3);
	uint64_t n = 0, last = 0, from = 0, own[3] = {0};
	enum capture_state got;
	do {
		struct burst b = {0};
		got = capture_join_burst(j, &w, &b);
		for (unsigned i = 0; i < b.n; i++) {
			const struct pkt *p = pkt_of(b.m[i]);
			uint8_t source = pkt_data(b.m[i])[0];
			assert_int_equal(p->order, ++n);
			assert_int_equal(p->frame, FRAME_OF(source, ++own[source]));
			assert_true(p->time_ns > last || (p->time_ns == last && source >= from));
			last = p->time_ns;
			from = source;
			rte_pktmbuf_free(b.m[i]);
		}
	} while (got == CAPTURE_MORE);
	assert_int_equal(got, CAPTURE_END);
	assert_int_equal(n, 119);
	assert_string_not_equal(capture_error(c[2]), "");
	capture_join_free(j);
	for (unsigned i = 0; i < 3; i++) {
		capture_close(c[i]);
		free(f[i].p);
	}
	assert_int_equal(rte_mempool_in_use_count(w.frames), 0);
}

static int start(void **state)
{
	if (eal_init(64) < 0)
		return -1;
	w.frames = eal_pool("frames", 1023, CAPTURE_FRAME_ROOM);
	w.giants = eal_pool("giants", 63, CAPTURE_GIANT_ROOM);
	return w.frames && w.giants ? 0 : -1;
}

// A signal that came just before a read of a pipe, which it would not wake: what was there is read, then it ends.
static void test_interrupted(void **state)
{
	struct file f = pcap(0xa1b2c3d4, false, 65535, 1);
	char path[32], err[256];
	uint8_t byte;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], f.p, f.len), f.len);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	assert_int_equal(capture_interruptible(), 0);
	alarm(20);
	struct capture_file *c = capture_file_open(path, err, sizeof(err));
	assert_non_null(c);
	FILE *s = capture_file_stream(c, 4096);
	capture_interrupt(SIGINT);
	assert_int_equal(capture_stop, SIGINT);
	for (size_t i = 0; i < f.len; i++)
		assert_int_equal(fgetc(s), f.p[i]);
	assert_int_equal(fread(&byte, 1, 1, s), 0);
	assert_null(capture_file_error(c));
	fclose(s);
	size_t len;
	assert_non_null(c = capture_file_open(path, err, sizeof(err))); // nor is another waited for
	capture_file_head(c, &len);
	assert_int_equal(len, 0);
	capture_file_close(c);
	alarm(0);
	capture_stop = 0;
	close(ends[0]);
	close(ends[1]);
	free(f.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders_and_resolutions),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_pcapng),
		cmocka_unit_test(test_link_types),
		cmocka_unit_test(test_no_captures),
		cmocka_unit_test(test_cut_in_the_middle),
		cmocka_unit_test(test_time_backwards),
		cmocka_unit_test(test_large_frames),
		cmocka_unit_test(test_dry_pools),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_interrupted),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
