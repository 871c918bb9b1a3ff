// SPDX-License-Identifier: BSD-3-Clause
//
// A worker's record ring: what is put together in it, beside it and in the caller's memory arrives whole and in order,
// wherever the ring ends and however far its reader is behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "path/record_out.h"
#include "record_ring.h"

#define RECORDS 60000
#define MOST_FACTS 6

// What was written: values follow from the record's number, the fact's and the place in it.
struct told {
	uint16_t kind, nfacts;
	uint16_t len[MOST_FACTS];
};

static struct path_config config = {.record_cells = 1024};
static struct worker w;
static struct told told[RECORDS];
static uint32_t seq; // of the next that is read
static unsigned read_so_far;

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.config = &config;
	w.id = 7;
	seq = read_so_far = 0;
	srandom(1);
	return record_out_init(&w);
}

static int teardown(void **state)
{
	record_out_fini(&w);
	return 0;
}

static uint8_t byte_of(unsigned number, unsigned fact, unsigned i)
{
	return (uint8_t)(number * 31 + fact * 7 + i);
}

static struct origin origin_of(unsigned number, unsigned fact)
{
	return (struct origin){number, fact, 1};
}

static const uint8_t *value_of(unsigned number, unsigned fact, uint32_t len)
{
	static uint8_t value[FACT_VALUE_MAX];
	for (unsigned i = 0; i < len; i++)
		value[i] = byte_of(number, fact, i);
	return value;
}

static void add_facts(unsigned number, unsigned from, unsigned to)
{
	for (unsigned k = from; k < to; k++)
		record_fact(&w, FACT_HTTP_URI, value_of(number, k, told[number].len[k]), told[number].len[k],
			    origin_of(number, k));
}

static void is_as_told(const struct record *r)
{
	unsigned number = read_so_far++;
	const struct told *t = &told[number];
	unsigned k = 0;
	assert_int_equal(r->kind, t->kind);
	assert_int_equal(r->nfacts, t->nfacts);
	assert_int_equal(r->packet, number);
	assert_int_equal(r->order, number + 1);
	assert_int_equal(r->time_ns, number + w.wall_ns);
	assert_int_equal(r->start_ns, number % 2 ? number + w.wall_ns : 0);
	assert_int_equal(r->worker, w.id);
	assert_int_equal(r->rule, RULE_NONE);
	assert_int_equal(r->seq, seq);
	seq += r->kind != RECORD_FLOW_START;
	RECORD_EACH(f, r) {
		struct origin o = origin_of(number, k);
		assert_int_equal(f->field, FACT_HTTP_URI);
		assert_int_equal(f->flags, 0);
		assert_int_equal(f->len, t->len[k]);
		assert_memory_equal(&f->origin, &o, sizeof(o));
		assert_memory_equal(f->value, value_of(number, k, f->len), f->len);
		k++;
	}
	assert_int_equal(k, t->nfacts);
}

static void read_some(unsigned n)
{
	for (const struct record *r; n && (r = record_peek(w.records)); record_done(w.records, r), n--)
		is_as_told(r);
}

static void wait_for_reader(struct worker *of)
{
	read_some(1 + (unsigned)random() % 50);
}

static uint16_t some_length(void)
{
	static const unsigned most[] = {9, 40, 40, 100, 600, FACT_VALUE_MAX / 2};
	return (uint16_t)((unsigned)random() % most[(unsigned)random() % 6]);
}

static void tell(unsigned number)
{
	struct told *t = &told[number];
	*t = (struct told){.kind = (uint16_t)(RECORD_FLOW_START + random() % 5),
			   .nfacts = (uint16_t)(random() % MOST_FACTS)};
	for (unsigned k = 0; k < t->nfacts; k++)
		t->len[k] = some_length();
	w.frame = w.now_ns = number;
	w.order = number + 1;
}

static void writes(unsigned number, bool aside)
{
	tell(number);
	struct record *r = aside ? record_begin_aside(&w, told[number].kind) : record_begin(&w, told[number].kind);
	r->start_ns = number % 2 ? number : 0;
	add_facts(number, 0, told[number].nfacts);
	record_write(&w);
}

// As a transaction of the arena: elsewhere, and not at a cell's beginning.
static void puts_its_own(unsigned number)
{
	static uint8_t room[RECORD_MAX + 2 * RECORD_CELL] __attribute__((aligned(64)));
	struct record *r = (struct record *)(room + 16);
	tell(number);
	record_clear(&w, r, told[number].kind);
	r->start_ns = number % 2 ? number : 0;
	for (unsigned k = 0; k < told[number].nfacts; k++)
		assert_non_null(record_add(r, RECORD_MAX, FACT_HTTP_URI, value_of(number, k, told[number].len[k]),
					   told[number].len[k], origin_of(number, k)));
	record_put(&w, r);
}

static void all_arrive(void **state)
{
	w.wall_ns = 1000;
	w.wait = wait_for_reader;
	for (unsigned i = 0; i < RECORDS; i++) {
		switch (random() % 8) {
		case 0:
			puts_its_own(i);
			break;
		case 1:
			writes(i, true);
			break;
		case 2: // one that never was
			record_begin(&w, RECORD_FLOW);
			record_num(&w, FACT_DNS_ID, i, (struct origin){0});
			// fall through
		default:
			writes(i, false);
		}
		if (random() % 4 == 0) // now far behind, now at its heels
			read_some((unsigned)random() % (1 + i / 1000 % 16));
	}
	read_some(RECORDS);
	assert_int_equal(read_so_far, RECORDS);
	assert_int_equal(w.counters[COUNTER_RECORDS], RECORDS);
	assert_int_equal(w.counters[COUNTER_RECORDS_CUT], 0);
	assert_int_equal(record_next(w.records), seq);
}

// Its alert leaves while it is under construction.
static void aside_is_overtaken(void **state)
{
	for (unsigned i = 0; i < 2000; i += 2) {
		tell(i + 1);
		record_begin_aside(&w, told[i + 1].kind)->start_ns = i + 1;
		add_facts(i + 1, 0, told[i + 1].nfacts / 2);
		puts_its_own(i);
		w.order = i + 2;
		add_facts(i + 1, told[i + 1].nfacts / 2, told[i + 1].nfacts);
		record_write(&w);
		read_some(2);
	}
	assert_int_equal(read_so_far, 2000);
}

// Live: what finds no room is counted, and its number is missing.
static void lost_ones_are_counted(void **state)
{
	unsigned n = 0;
	memset(told, 0, sizeof(told));
	for (; !w.counters[COUNTER_RECORDS_LOST]; n++) {
		record_begin(&w, RECORD_FLOW);
		record_write(&w);
	}
	assert_int_equal(n - 1, config.record_cells / 3); // whole cells of 64 bytes: three a record without facts
	assert_int_equal(w.counters[COUNTER_RECORDS], n - 1);
	assert_int_equal(record_next(w.records), n);
}

static void too_long_ones_are_cut(void **state)
{
	static const uint8_t value[FACT_VALUE_MAX + 1];
	for (unsigned turn = 0; turn < 3; turn++) {
		struct record *r = turn % 2 ? record_begin_aside(&w, RECORD_HTTP) : record_begin(&w, RECORD_HTTP);
		for (unsigned i = 0; i < 200; i++)
			record_fact(&w, FACT_HTTP_URI, value, i ? 240 : sizeof(value), (struct origin){0});
		assert_in_range(r->len, RECORD_MAX - 40, RECORD_MAX);
		record_write(&w);
		const struct record *got = record_peek(w.records);
		unsigned cut = 0, n = 0;
		RECORD_EACH(f, got) {
			cut += f->flags == FACT_CUT;
			n++;
		}
		assert_int_equal(cut, 2); // the first by its own length, the last by the record's
		assert_int_equal(n, got->nfacts);
		record_done(w.records, got);
		assert_null(record_peek(w.records));
		assert_int_equal(w.counters[COUNTER_RECORDS_CUT], (turn + 1) * (1 + 200 - n + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_arrive, setup, teardown),
		cmocka_unit_test_setup_teardown(aside_is_overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_ones_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(too_long_ones_are_cut, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
