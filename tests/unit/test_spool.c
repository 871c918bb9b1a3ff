// SPDX-License-Identifier: BSD-3-Clause
//
// The spool by itself: what goes in comes out, in order, once it is durable; after an end, a crash, a cut, a flipped
// bit exactly what is whole.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

#include "spool_world.h"

static void comes_out_in_order(void **unused)
{
	for (unsigned memory = 0; memory < 2; memory++) {
		config.path = memory ? NULL : folder;
		struct spool *s = world_open();
		struct spool_reader *r = world_reader(s, "a");
		uint64_t last = 0;
		for (uint32_t i = 0; i < 5000; i++) // many segments
			world_append(s, i % FIXTURE_WORKERS, i / FIXTURE_WORKERS);
		for (uint32_t i = 0; i < 5000; i++) {
			const struct spool_frame *f = world_next(r, PATIENCE_MS);
			assert_non_null(f);
			assert_true(f->pos > last);
			last = f->pos;
			assert_int_equal(f->record->worker, i % FIXTURE_WORKERS);
			assert_int_equal(f->record->seq, i / FIXTURE_WORKERS);
			assert_true(same_record(f->record));
			assert_string_equal(f->node, "n");
			assert_int_equal(f->boot, 1);
		}
		assert_null(world_next(r, 0));
		assert_int_equal(spool_ack(r, last + 1, "state", 5), 0);
		spool_reader_close(r);
		spool_close(s);
	}
}

static void goes_on_where_it_was(void **unused)
{
	struct spool *s = world_open();
	struct spool_reader *r = world_reader(s, "a");
	assert_int_equal(state_len, 0);
	for (uint32_t i = 0; i < 1000; i++)
		world_append(s, 0, i);
	for (uint32_t i = 0; i < 600; i++)
		world_expect(r, 0, i);
	const struct spool_frame *f = world_next(r, PATIENCE_MS);
	assert_int_equal(f->record->seq, 600);
	assert_int_equal(spool_ack(r, f->pos, "abc", 3), 0);
	spool_reader_close(r);
	spool_close(s);
	config.boot = 2;
	s = world_open();
	unsigned n;
	const struct spool_left *left = spool_recovered(s, &n);
	assert_int_equal(n, 1);
	assert_int_equal(left->boot, 1);
	assert_int_equal(left->seq, 999);
	assert_true(left->clean);
	r = world_reader(s, "a");
	assert_int_equal(state_len, 3);
	assert_memory_equal(state, "abc", 3);
	world_append(s, 1, 0);
	for (uint32_t i = 600; i < 1000; i++)
		world_expect(r, 0, i);
	world_expect(r, 1, 0);
	assert_int_equal(r ? spool_cursor(r) > 0 : 0, 1);
	spool_reader_close(r);
	spool_close(s);
}

// ---- more than there is room for ---------------------------------------------------------------------------------

static struct loss {
	uint64_t given[FIXTURE_WORKERS][SPOOL_LOSABLE], said[FIXTURE_WORKERS][SPOOL_LOSABLE];
	uint64_t last_gap[SPOOL_LOSABLE], first_left[SPOOL_LOSABLE]; // positions
} loss;

static void lose_note(const struct spool_frame *f, uint64_t behind)
{
	const struct record *r = f->record;
	if (r->kind != RECORD_GAP) {
		assert_true(same_record(r));
		loss.given[r->worker][f->class]++;
		if (f->pos > behind && !loss.first_left[f->class])
			loss.first_left[f->class] = f->pos;
		return;
	}
	unsigned class = r->anomaly - 1u;
	assert_int_equal(r->tx_kind, GAP_BOUND);
	assert_true(class < SPOOL_LOSABLE);
	assert_int_equal(class_of(r->worker, r->seq), class); // first and last are of it
	assert_int_equal(class_of(r->worker, r->tx_id), class);
	loss.said[r->worker][class] += r->pkts[0];
	loss.last_gap[class] = f->pos;
}

// What a worker has of a class is given or said to be lost; what went, went before anything above it.
static void judge_loss(const struct spool_look *look, uint32_t seqs)
{
	for (unsigned w = 0; w < FIXTURE_WORKERS; w++) {
		uint64_t want[SPOOL_LOSABLE] = {0};
		for (uint32_t seq = 0; seq < seqs; seq++)
			want[class_of((uint16_t)w, seq)]++;
		for (unsigned c = 0; c < SPOOL_LOSABLE; c++)
			assert_int_equal(loss.given[w][c] + loss.said[w][c], want[c]);
	}
	for (unsigned c = 0; c < SPOOL_LOSABLE; c++) {
		uint64_t said = 0;
		for (unsigned w = 0; w < FIXTURE_WORKERS; w++)
			said += loss.said[w][c];
		assert_true(look->lost[SPOOL_LOSS_BOUND][c] >=
			    said); // what it was given and had not acknowledged may go
		for (unsigned lower = 0; lower < c && said; lower++)
			assert_true(!loss.first_left[lower] || loss.first_left[lower] > loss.last_gap[c]);
	}
}

// The last record, which is of no class that goes.
static void append_end(struct spool *s)
{
	const struct record end = {.len = sizeof(end), .kind = RECORD_STATE};
	assert_int_equal(spool_append(s, SPOOL_STATE, &end), 0);
}

// So many of the first `taken` that the sink takes before it is away; then it stands there.
static struct spool_reader *stand(struct spool *s, unsigned taken)
{
	struct spool_reader *r = world_reader(s, "a");
	for (unsigned i = 0; i < taken; i++) {
		const struct spool_frame *f = world_next(r, PATIENCE_MS);
		assert_non_null(f);
		lose_note(f, UINT64_MAX);
	}
	return r;
}

// Bytes of files that are no more in the folder and that somebody still has open.
static uint64_t held_bytes(void)
{
	uint64_t n = 0;
	char link[32], to[300];
	for (int fd = 0; fd < 256; fd++) {
		struct stat st;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t len = readlink(link, to, sizeof(to) - 1);
		to[len > 0 ? len : 0] = 0;
		if (strstr(to, folder) && strstr(to, ".seg (deleted)") && fstat(fd, &st) == 0)
			n += (uint64_t)st.st_size;
	}
	return n;
}

static uint64_t lost_of(struct spool *s)
{
	uint64_t n = 0;
	struct spool_look look;
	spool_look(s, &look);
	for (unsigned c = 0; c < SPOOL_LOSABLE; c++)
		n += look.lost[SPOOL_LOSS_BOUND][c];
	return n;
}

// When nothing goes any more.
static uint64_t lost_of_sink(struct spool *s)
{
	struct spool_reader_look away = {0};
	for (unsigned i = 0; i < 100 && away.lost != lost_of(s); i++) {
		usleep(i ? 20000 : 0);
		assert_true(spool_look_sink(s, "a", &away));
	}
	return away.lost;
}

// The sink is away: after the first `taken` it takes nothing until all is appended.
static void overfill(uint32_t seqs, unsigned lost, unsigned kept, unsigned taken)
{
	struct spool_look look;
	memset(&loss, 0, sizeof(loss));
	struct spool *s = world_open();
	struct spool_reader *r = NULL;
	for (uint32_t seq = 0; seq < seqs; seq++) {
		if (taken && seq == 1 + taken / FIXTURE_WORKERS)
			r = stand(s, taken);
		for (uint16_t w = 0; w < FIXTURE_WORKERS; w++)
			world_append(s, w, seq);
		if (seq % 50 == 0)
			assert_int_equal(spool_flush_wait(s, PATIENCE_MS), 0);
	}
	append_end(s);
	assert_int_equal(spool_flush_wait(s, PATIENCE_MS), 0);
	spool_look(s, &look);
	assert_true(look.bytes <= look.max_bytes);           // at any moment
	for (unsigned i = 0; i < 100 && !look.losing; i++) { // it is looked at once a second
		usleep(100000);
		spool_look(s, &look);
	}
	assert_true(look.losing);
	for (unsigned i = 0; i < 100 && held_bytes(); i++) // it is at it
		usleep(20000);
	assert_int_equal(held_bytes(), 0);
	uint64_t gone = lost_of_sink(s);
	assert_int_equal(gone, lost_of(s));
	r = r ? r : world_reader(s, "a");
	const struct spool_frame *f;
	while ((f = world_next(r, PATIENCE_MS)) && f->class != SPOOL_STATE)
		lose_note(f, taken ? taken + 32 : 0); // what it may be given at once
	assert_non_null(f);
	spool_look(s, &look);
	judge_loss(&look, seqs);
	assert_true(look.lost[SPOOL_LOSS_BOUND][lost] > 0);
	for (; kept < SPOOL_LOSABLE; kept++)
		assert_int_equal(look.lost[SPOOL_LOSS_BOUND][kept], 0);
	spool_reader_close(r);
	spool_close(s);
}

#define MANY 15000

static void *append_many(void *spool)
{
	union any_record room;
	for (uint32_t seq = 0; seq < MANY; seq++)
		for (uint16_t w = 0; w < FIXTURE_WORKERS; w++)
			spool_append(spool, class_of(w, seq), record_of(&room, w, seq)); // memory has room for all
	append_end(spool);
	return NULL;
}

// The sink is slow: it stands now here, now there, while what is before it is thinned. What it was given it is not told
// to have lost.
static void thinned_while_it_reads(void **unused)
{
	pthread_t thread;
	struct spool_look look;
	const struct spool_frame *f;
	config.max_bytes = 8 << 20;
	config.segment_bytes = 1 << 20; // a rewrite takes some milliseconds
	config.tail_bytes = 128 << 20;
	memset(&loss, 0, sizeof(loss));
	struct spool *s = world_open();
	struct spool_reader *r = world_reader(s, "a");
	assert_int_equal(pthread_create(&thread, NULL, append_many, s), 0);
	for (unsigned n = 0; (f = world_next(r, PATIENCE_MS)) && f->class != SPOOL_STATE; n++) {
		lose_note(f, UINT64_MAX);
		if (n % 64 == 0)
			usleep(200);
	}
	assert_non_null(f);
	pthread_join(thread, NULL);
	spool_look(s, &look);
	assert_true(look.thinned > 0);
	judge_loss(&look, MANY);
	spool_reader_close(r);
	spool_close(s);
}

static void over_the_bound(void **unused)
{
	config.max_bytes = 3 << 20;
	for (unsigned taken = 0; taken <= 40; taken += 20) { // of 90 in a segment
		overfill(1500, SPOOL_FLOW, SPOOL_ALERT, taken);
		world_teardown(NULL);
		world_setup(NULL);
		config.max_bytes = 3 << 20;
	}
}

static void over_the_bound_in_memory(void **unused)
{
	config.path = NULL;
	config.max_bytes = 2 << 20;
	overfill(5000, SPOOL_ALERT, SPOOL_LOSABLE, 0);
	overfill(5000, SPOOL_ALERT, SPOOL_LOSABLE, 30);
}

// Of its disk there is less than it may use, and what a sink stands in is on it twice. Without the right to mount one:
// skipped.
static void disk_full(void **unused)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", folder, "tmpfs", 0, "size=2m") != 0)
		skip();
	log_set("ship", "error");
	overfill(3000, SPOOL_TRANSACTION, SPOOL_LOSABLE, 30);
	umount(folder);
}

// ---- who waits ---------------------------------------------------------------------------------------------------

static _Atomic int asked;

static void *ask_soon(void *unused)
{
	usleep(300000);
	asked = 1;
	return NULL;
}

// Nothing is lost while there is no room, until somebody asks: then who waits goes on without.
static void waits_until_asked(void **unused)
{
	pthread_t thread;
	union any_record room;
	uint32_t i = 0;
	config.max_bytes = 1 << 20;
	config.tail_bytes = 1 << 20;
	config.wait = true;
	config.stop = &asked;
	struct spool *s = world_open();
	assert_int_equal(pthread_create(&thread, NULL, ask_soon, NULL), 0);
	while (spool_append(s, class_of(0, i), record_of(&room, 0, i)) == 0)
		assert_true(i++ < 100000);
	assert_true(asked);
	struct spool_look look;
	spool_look(s, &look);
	assert_int_equal(look.records, i);
	pthread_join(thread, NULL);
	spool_close(s);
}

// ---- back into what was thinned ----------------------------------------------------------------------------------

#define GIVEN 1000

// From where the cursor came to stand: each that is missing behind it is in a gap of its class.
static void judge_back(struct spool_reader *r, const uint64_t *pos, uint32_t from)
{
	bool has[GIVEN] = {0};
	const struct spool_frame *f;
	spool_seek(r, pos[from]);
	while ((f = world_next(r, PATIENCE_MS)) && f->class != SPOOL_STATE) {
		const struct record *n = f->record;
		bool gap = n->kind == RECORD_GAP;
		for (uint32_t i = n->seq; i <= (gap ? n->tx_id : n->seq) && i < GIVEN; i++)
			has[i] |= !gap || class_of(0, i) + 1u == n->anomaly;
	}
	assert_non_null(f);
	for (uint32_t i = from; i < GIVEN; i++)
		assert_true(has[i]);
}

// A sink was given it and had not acknowledged it, it was thinned, and then the cursor came into the midst of it.
static void back_into_what_was_thinned(void **unused)
{
	uint64_t pos[GIVEN];
	config.max_bytes = 1 << 20;
	struct spool *s = world_open();
	struct spool_reader *r = world_reader(s, "a");
	struct spool_look look;
	for (uint32_t i = 0; i < GIVEN; i++)
		world_append(s, 0, i);
	for (uint32_t i = 0; i < GIVEN; i++) {
		const struct spool_frame *f = world_next(r, PATIENCE_MS);
		assert_int_equal(f->record->seq, i);
		pos[i] = f->pos;
	}
	for (uint32_t i = GIVEN; i < 8 * GIVEN; i++)
		world_append(s, 0, i);
	append_end(s);
	assert_int_equal(spool_flush_wait(s, PATIENCE_MS), 0);
	spool_look(s, &look);
	assert_true(look.thinned > 0);
	for (uint32_t i = 0; i < GIVEN; i += 50)
		judge_back(r, pos, i);
	spool_reader_close(r);
	spool_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_out_in_order, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(goes_on_where_it_was, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(over_the_bound, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(over_the_bound_in_memory, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(thinned_while_it_reads, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(back_into_what_was_thinned, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(waits_until_asked, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(disk_full, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
