// SPDX-License-Identifier: BSD-3-Clause
//
// The control thread's loop: descriptors, timers, signals, words from other threads, and what goes away under way.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "ctl/loop.h"

static struct loop *l;
static int pipes[2][2], seen[2], ticks, timer;

static void stop(void *arg)
{
	loop_stop(l, 7);
}

static void reads(void *arg, uint32_t events)
{
	int i = *(int *)arg;
	char c;
	assert_int_equal(read(pipes[i][0], &c, 1), 1);
	seen[i]++;
	loop_remove(l, pipes[!i][0]); // the other, whose event waits in the same turn
	close(pipes[!i][0]);
	assert_int_equal(dup(pipes[i][0]), pipes[!i][0]); // its number is another's now
}

static void removed(void **state)
{
	static int who[2] = {0, 1};
	l = loop_new();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		assert_int_equal(loop_add(l, pipes[i][0], EPOLLIN, reads, &who[i]), 0);
		assert_int_equal(write(pipes[i][1], "xx", 2), 2);
	}
	loop_timer(l, 20, 0, stop, NULL);
	assert_int_equal(loop_run(l), 7);
	assert_true((seen[0] == 2 && seen[1] == 0) || (seen[0] == 0 && seen[1] == 2));
	assert_int_equal(loop_add(l, -1, EPOLLIN, reads, NULL), -EBADF);
	loop_free(l);
	for (int i = 0; i < 4; i++)
		close(pipes[i / 2][i % 2]);
}

static void tick(void *arg)
{
	if (++ticks == 3)
		loop_timer_stop(l, timer); // its own
}

static void timers(void **state)
{
	l = loop_new();
	timer = loop_timer(l, 1, 2, tick, NULL);
	assert_true(timer >= 0);
	assert_true(loop_timer(l, 0, 0, tick, NULL) >= 0); // at once, and once
	loop_timer(l, 60, 0, stop, NULL);
	assert_int_equal(loop_run(l), 7);
	assert_true(ticks == 3 || ticks == 4); // once's could be the third
	loop_free(l);
}

static void caught(void *arg, int signal)
{
	assert_int_equal(signal, SIGUSR1);
	loop_stop(l, 3);
}

static void *posts(void *arg)
{
	for (int i = 0; i < 1000; i++)
		assert_int_equal(loop_post(l, arg, NULL), 0);
	kill(getpid(), SIGUSR1);
	return NULL;
}

static void posted(void *arg)
{
	ticks++;
}

static void others(void **state)
{
	pthread_t other;
	l = loop_new();
	ticks = 0;
	assert_int_equal(loop_signal(l, SIGUSR1, caught, NULL), 0);
	pthread_create(&other, NULL, posts, posted);
	assert_int_equal(loop_run(l), 3);
	pthread_join(other, NULL);
	loop_timer(l, 1, 0, stop, NULL); // those that came in the same turn as the signal
	loop_run(l);
	assert_int_equal(ticks, 1000);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removed),
		cmocka_unit_test(timers),
		cmocka_unit_test(others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
