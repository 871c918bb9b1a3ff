// SPDX-License-Identifier: BSD-3-Clause
//
// What a spool finds at its start: a segment cut at every byte, bits flipped, files of others, versions to come. What
// is whole comes back, and nothing else does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include <rte_hash_crc.h>

#include "../poison.h"
#include "ship/spool_disk.h"
#include "spool_world.h"

#define RECORDS 320
#define WINDOW (64 * 1024)

// One segment of RECORDS records of worker 0, as a killed process leaves it: bytes, and where each frame ends.
static struct image {
	uint8_t *bytes;
	size_t len, nends;
	size_t end[RECORDS + 16];
	bool record[RECORDS + 16]; // the frame that ends there
	char name[300], cursor_name[300];
	uint8_t cursor[1 << 16]; // of sink a: it has nothing yet
	size_t cursor_len;
} image;

static size_t read_file(const char *name, uint8_t *to, size_t room)
{
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, to, room);
	close(fd);
	assert_true(n > 0);
	return (size_t)n;
}

static void write_file(const char *name, const uint8_t *bytes, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void image_take(void)
{
	config.segment_bytes = 1 << 20;
	struct spool *s = world_open();
	world_only_file(".cur", image.cursor_name);
	image.cursor_len = read_file(image.cursor_name, image.cursor, sizeof(image.cursor));
	for (uint32_t i = 0; i < RECORDS; i++)
		world_append(s, 0, i);
	assert_int_equal(spool_flush_wait(s, PATIENCE_MS), 0);
	world_only_file(".seg", image.name);
	image.bytes = malloc(1 << 20);
	image.len = read_file(image.name, image.bytes, 1 << 20);
	spool_close(s);
	struct segment_head h;
	struct scan c;
	memcpy(&h, image.bytes, sizeof(h));
	int fd = memfd_create("image", 0);
	assert_int_equal(write(fd, image.bytes, image.len), image.len);
	assert_int_equal(scan_open(&c, fd, &h, image.len), 0);
	image.nends = 0;
	for (const struct frame *f; (f = scan_next(&c)); image.nends++) {
		image.end[image.nends] = c.at;
		image.record[image.nends] = frame_counts(f);
	}
	assert_int_equal(c.error, 0);
	assert_int_equal(c.at, image.len);
	assert_true(image.len > WINDOW + 4096);
	scan_close(&c);
	close(fd);
}

// How many records stand whole in the first `len` bytes.
static unsigned whole(size_t len)
{
	unsigned n = 0;
	for (unsigned i = 0; i < image.nends && image.end[i] <= len; i++)
		n += image.record[i];
	return n;
}

// By the reading of frames alone.
static unsigned scanned(int fd, uint64_t len)
{
	struct segment_head h;
	struct scan c;
	unsigned n = 0;
	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || segment_head_check(&h) != 0)
		return 0;
	assert_int_equal(scan_open(&c, fd, &h, len), 0);
	for (const struct frame *f; (f = scan_next(&c));)
		if (frame_counts(f)) {
			assert_true(same_record((const struct record *)f->body));
			assert_int_equal(((const struct record *)f->body)->seq, n);
			n++;
		}
	scan_close(&c);
	return n;
}

// By a whole start: what a sink is given. The boot after it appends one, which comes behind.
static unsigned given(const uint8_t *bytes, size_t len)
{
	remove_folder(folder);
	mkdir(folder, 0700);
	write_file(image.name, bytes, len);
	write_file(image.cursor_name, image.cursor, image.cursor_len);
	config.boot = 2;
	struct spool *s = world_open();
	struct spool_reader *r = world_reader(s, "a");
	unsigned n, left;
	const struct spool_left *was = spool_recovered(s, &left);
	world_append(s, 1, 7);
	for (n = 0;; n++) {
		const struct spool_frame *f = world_next(r, PATIENCE_MS);
		assert_non_null(f);
		assert_true(same_record(f->record));
		if (f->record->worker == 1)
			break;
		assert_int_equal(f->record->seq, n);
	}
	assert_int_equal(left, n > 0);
	if (n)
		assert_int_equal(was->seq, n - 1);
	spool_reader_close(r);
	spool_close(s);
	return n;
}

static void cut_at_every_byte(void **unused)
{
	const size_t step = rounds(8) == 8 ? 1 : 7;
	image_take();
	int fd = memfd_create("cut", 0);
	assert_int_equal(write(fd, image.bytes, image.len), image.len);
	for (size_t len = image.len; len > image.len - WINDOW; len -= step) {
		assert_int_equal(ftruncate(fd, (off_t)len), 0);
		assert_int_equal(scanned(fd, len), whole(len));
	}
	close(fd);
	for (size_t len = image.len; len > image.len - WINDOW; len -= 997)
		assert_int_equal(given(image.bytes, len), whole(len));
	for (size_t len = 0; len < 400; len += 7)
		assert_int_equal(given(image.bytes, len), 0);
	free(image.bytes);
}

static void bits_flipped(void **unused)
{
	image_take();
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t bit = mix(i) % (image.len * 8);
		image.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		unsigned want = bit / 8 < sizeof(struct segment_head) ? 0 : whole(0), k = 0;
		for (; k < image.nends && image.end[k] <= bit / 8; k++)
			want += image.record[k] && bit / 8 >= sizeof(struct segment_head);
		if (i % 10 == 0) {
			assert_int_equal(given(image.bytes, image.len), want);
		} else {
			int fd = memfd_create("flip", 0);
			assert_int_equal(write(fd, image.bytes, image.len), image.len);
			assert_int_equal(scanned(fd, image.len), want);
			close(fd);
		}
		image.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(image.bytes);
}

// ---- what is not ours --------------------------------------------------------------------------------------------

static void change_head(void (*change)(struct segment_head *h))
{
	struct segment_head h;
	int fd = open(image.name, O_RDWR);
	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	change(&h);
	h.crc = rte_hash_crc(&h, offsetof(struct segment_head, crc), 0);
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	close(fd);
}

static void newer(struct segment_head *h)
{
	h->version++;
}

static void other_records(struct segment_head *h)
{
	h->layout++;
}

static bool exists(const char *name)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

// The start goes on without it, and it is kept.
static void put_aside(void (*change)(struct segment_head *h))
{
	char error[SPOOL_ERROR], name[64];
	image_take();
	change_head(change);
	snprintf(name, sizeof(name), "%s.other", strrchr(image.name, '/') + 1);
	struct spool *s = spool_open(&config, error);
	assert_non_null(s);
	assert_true(exists(name));
	spool_close(s);
	free(image.bytes);
	remove_folder(folder);
	mkdir(folder, 0700);
}

static void other_versions_are_put_aside(void **unused)
{
	put_aside(newer);
	put_aside(other_records);
}

static void foreign_files_are_set_aside(void **unused)
{
	char path[400];
	image_take();
	snprintf(path, sizeof(path), "%s/00000000000000000777.seg", folder);
	write_file(path,
		   (const uint8_t *)"somebody's text, which is longer than the head of a segment is, so it is read\n",
		   78);
	snprintf(path, sizeof(path), "%s/x.seg", folder);
	write_file(path, NULL, 0);
	snprintf(path, sizeof(path), "%s/notes", folder);
	write_file(path, NULL, 0);
	snprintf(path, sizeof(path), "%s/00000000000000000778.seg", folder);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	config.boot = 2;
	struct spool *s = world_open();
	struct spool_reader *r = world_reader(s, "a");
	for (uint32_t i = 0; i < RECORDS; i++)
		world_expect(r, 0, i);
	world_append(s, 2, 5);
	world_expect(r, 2, 5);
	assert_true(exists("00000000000000000777.seg.damaged"));
	assert_true(exists("00000000000000000778.seg.damaged"));
	assert_true(exists("x.seg.damaged"));
	assert_true(exists("notes"));
	spool_reader_close(r);
	spool_close(s);
	free(image.bytes);
}

static void one_process_has_it(void **unused)
{
	char pid[64], error[SPOOL_ERROR];
	snprintf(pid, sizeof(pid), "process %d has it open", (int)getpid());
	struct spool *s = world_open();
	assert_null(spool_open(&config, error));
	assert_non_null(strstr(error, pid));
	spool_close(s);
	spool_close(world_open());
}

// ---- in the middle -----------------------------------------------------------------------------------------------

#define MANY 2000

static struct spool *append_many(char (*segments)[300])
{
	struct spool *s = world_open();
	for (uint32_t i = 0; i < MANY; i++)
		world_append(s, 0, i);
	assert_int_equal(spool_flush_wait(s, PATIENCE_MS), 0);
	assert_true(world_files(".seg", segments, 64) > 5);
	return s;
}

static void flip(const char *name, size_t at)
{
	static uint8_t bytes[1 << 20];
	size_t len = read_file(name, bytes, sizeof(bytes));
	bytes[at ? at : len / 2] ^= 4;
	write_file(name, bytes, len);
}

// All come, or are in as many gaps, which name just those that do not.
static void judge_many(struct spool *s, unsigned expected)
{
	struct spool_reader *r = world_reader(s, "a");
	uint32_t seq = 0, gaps = 0;
	while (seq < MANY) {
		const struct spool_frame *f = world_next(r, PATIENCE_MS);
		assert_non_null(f);
		assert_int_equal(f->record->seq, seq);
		if (f->record->kind == RECORD_GAP) {
			assert_int_equal(f->record->tx_kind, GAP_DAMAGED);
			assert_int_equal(f->record->pkts[0], f->record->tx_id - seq + 1);
			gaps++;
			seq = f->record->tx_id + 1;
		} else {
			assert_true(same_record(f->record));
			seq++;
		}
	}
	assert_int_equal(gaps, expected);
	spool_reader_close(r);
	spool_close(s);
}

// A bit of a segment that others follow: what is behind it in that segment is missing.
static void damaged_in_the_middle(void **unused)
{
	char names[64][300];
	struct spool *s = append_many(names);
	flip(names[3], 0);
	judge_many(s, 1);
}

// Segments are gone, or their heads are damaged, when the spool is opened.
static void segments_gone(void **unused)
{
	static const unsigned which[][2] = {{0, 0}, {3, 3}, {0, 1}, {0, 3}};
	char names[64][300];
	for (unsigned i = 0; i < 8; i++) {
		bool head = i % 2;
		const unsigned *at = which[i / 2];
		config.boot = 1;
		spool_close(append_many(names));
		for (unsigned k = 0; k < 2 && (k == 0 || at[1] != at[0]); k++) {
			if (head)
				flip(names[at[k]], 4);
			else
				assert_int_equal(unlink(names[at[k]]), 0);
		}
		config.boot = 2;
		struct spool *s = world_open();
		struct spool_look look;
		spool_look(s, &look);
		assert_int_equal(look.aside, head ? 1 + (at[1] != at[0]) : 0);
		judge_many(s, at[1] > at[0] + 1 ? 2 : 1);
		remove_folder(folder);
		mkdir(folder, 0700);
	}
}

// The folder is removed under us: it is made anew, what comes then is in it, and a new process finds that.
static void folder_gone(void **unused)
{
	struct spool *s = world_open();
	struct spool_reader *r = world_reader(s, "a");
	for (uint32_t i = 0; i < 10; i++)
		world_append(s, 0, i);
	for (uint32_t i = 0; i < 10; i++)
		world_expect(r, 0, i);
	remove_folder(folder);
	for (uint32_t i = 10; i < 20; i++)
		world_append(s, 0, i);
	for (uint32_t i = 10; i < 15; i++)
		world_expect(r, 0, i);
	uint64_t pos = world_next(r, PATIENCE_MS)->pos;
	assert_int_equal(spool_flush_wait(s, PATIENCE_MS), 0);
	assert_int_equal(spool_ack(r, pos, NULL, 0), 0);
	spool_reader_close(r);
	spool_close(s);
	config.boot = 2;
	s = world_open();
	r = world_reader(s, "a");
	for (uint32_t i = 15; i < 20; i++)
		world_expect(r, 0, i);
	spool_reader_close(r);
	spool_close(s);
}

// A sink that is not configured holds nothing; its cursor is kept.
static void sink_left_out(void **unused)
{
	static const char *const only_b[] = {"b"};
	const char *const *both = config.sinks;
	config.nsinks = 2;
	struct spool *s = world_open();
	world_append(s, 0, 0);
	assert_int_equal(spool_flush_wait(s, PATIENCE_MS), 0);
	spool_close(s);
	config.sinks = only_b;
	config.nsinks = 1;
	config.boot = 2;
	spool_close(world_open());
	assert_true(exists("a.cur.unused"));
	assert_false(exists("a.cur"));
	config.sinks = both;
	config.nsinks = 2;
	config.boot = 3;
	s = world_open();
	assert_true(exists("a.cur"));
	struct spool_reader *r = world_reader(s, "a");
	world_expect(r, 0, 0);
	spool_reader_close(r);
	spool_close(s);
}

// ---- cursors -----------------------------------------------------------------------------------------------------

// It is removed, or emptied: what waited for its sink is given, and what comes then.
static void cursors_lost(void **unused)
{
	char name[300];
	for (unsigned emptied = 0; emptied < 2; emptied++) {
		config.boot = 1;
		struct spool *s = world_open();
		for (uint32_t i = 0; i < 20; i++)
			world_append(s, 0, i);
		spool_close(s);
		world_only_file(".cur", name);
		assert_int_equal(emptied ? truncate(name, 0) : unlink(name), 0);
		config.boot = 2;
		s = world_open();
		world_append(s, 0, 20);
		assert_int_equal(spool_flush_wait(s, PATIENCE_MS), 0);
		spool_close(s); // nor is it deleted before it is given
		config.boot = 3;
		s = world_open();
		struct spool_reader *r = world_reader(s, "a");
		for (uint32_t i = 0; i <= 20; i++)
			world_expect(r, 0, i);
		spool_reader_close(r);
		spool_close(s);
		remove_folder(folder);
		mkdir(folder, 0700);
	}
}

// Each byte of either slot flipped: the other one holds, or this one.
static void cursors_damaged(void **unused)
{
	char name[300];
	struct spool *s = world_open();
	struct spool_reader *r = world_reader(s, "a");
	uint64_t pos[2];
	for (uint32_t i = 0; i < 20; i++)
		world_append(s, 0, i);
	for (uint32_t i = 0; i < 10; i++)
		world_expect(r, 0, i);
	pos[0] = world_next(r, PATIENCE_MS)->pos;
	assert_int_equal(spool_ack(r, pos[0], "one", 3), 0);
	pos[1] = world_next(r, PATIENCE_MS)->pos;
	assert_int_equal(spool_ack(r, pos[1], "two", 3), 0);
	spool_reader_close(r);
	spool_close(s);
	world_only_file(".cur", name);
	static uint8_t file[1 << 16];
	int fd = open(name, O_RDWR);
	ssize_t len = read(fd, file, sizeof(file));
	assert_true(len > 32768);
	for (ssize_t at = 0; at < len; at = at == 60 ? 32768 : at + 1) {
		uint8_t bad = file[at] ^ 0x10;
		assert_int_equal(pwrite(fd, &bad, 1, at), 1);
		s = world_open();
		r = world_reader(s, "a");
		uint64_t now = spool_cursor(r);
		assert_true(now == pos[0] || now == pos[1]);
		assert_int_equal(state_len, 3);
		assert_memory_equal(state, now == pos[0] ? "one" : "two", 3);
		spool_reader_close(r);
		spool_close(s);
		assert_int_equal(pwrite(fd, file, (size_t)len, 0), len);
	}
	for (unsigned i = 0; i < 2; i++) // both: all that there is
		assert_int_equal(pwrite(fd, "", 1, i * 32768), 1);
	close(fd);
	log_set("ship", "error");
	s = world_open();
	r = world_reader(s, "a");
	for (uint32_t i = 0; i < 20; i++)
		world_expect(r, 0, i);
	spool_reader_close(r);
	spool_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cut_at_every_byte, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(bits_flipped, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(other_versions_are_put_aside, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(foreign_files_are_set_aside, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(one_process_has_it, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(damaged_in_the_middle, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(segments_gone, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(folder_gone, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(sink_left_out, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(cursors_lost, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(cursors_damaged, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
