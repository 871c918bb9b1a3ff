// SPDX-License-Identifier: BSD-3-Clause
//
// One epoll descriptor, and a table of who listens, by descriptor. Timers are timerfds, signals a signalfd, other
// threads' words a list behind an eventfd; all are descriptors like any other, so there is one kind of event. Nothing
// here blocks but epoll_wait; callbacks must not block either, for they share the thread with everything a person sees.
//
// An event of a descriptor that was removed in the same turn, or closed and opened anew under the same number, must
// not reach its successor: each entry has a generation, which travels with the event.
//
// Rejected: libevent and libev (fine, but these 200 lines are what we would use of them), and DPDK's interrupt thread
// (its callbacks run on a thread of its own).
#include "ctl/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 4096 // descriptors of a higher number are refused: 200 clients and what DPDK opens are far below
#define EVENTS 64
#define SIGNALS_MAX 8

struct listener {
	loop_ready *ready;
	void *arg;
	uint32_t generation;
};

struct timer {
	struct loop *l;
	loop_tick *tick;
	void *arg;
	int fd;
	bool once;
};

struct post {
	struct post *next;
	loop_done *done;
	void *arg;
};

struct loop {
	int epoll, signals, posts;
	bool stopped;
	int status;
	sigset_t mask;
	struct {
		int signal;
		loop_caught *caught;
		void *arg;
	} caught[SIGNALS_MAX];
	unsigned ncaught;
	pthread_mutex_t lock; // of the list alone
	struct post *first, **last;
	struct listener by_fd[FDS_MAX];
};

static uint64_t key(const struct loop *l, int fd)
{
	return (uint64_t)l->by_fd[fd].generation << 32 | (uint32_t)fd;
}

int loop_add(struct loop *l, int fd, uint32_t events, loop_ready *ready, void *arg)
{
	if (fd < 0 || fd >= FDS_MAX)
		return fd < 0 ? -EBADF : -EMFILE;
	struct listener *s = &l->by_fd[fd];
	s->generation++;
	struct epoll_event e = {.events = events, .data.u64 = key(l, fd)};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		return -errno;
	s->ready = ready;
	s->arg = arg;
	return 0;
}

int loop_change(struct loop *l, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = key(l, fd)};
	return epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &e) < 0 ? -errno : 0;
}

void loop_remove(struct loop *l, int fd)
{
	if (fd < 0 || fd >= FDS_MAX || !l->by_fd[fd].ready)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
	l->by_fd[fd].ready = NULL;
	l->by_fd[fd].generation++;
}

static void timer_ready(void *arg, uint32_t events)
{
	struct timer t = *(struct timer *)arg;
	uint64_t ticks;
	if (read(t.fd, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	if (t.once)
		loop_timer_stop(t.l, t.fd);
	t.tick(t.arg);
}

int loop_timer(struct loop *l, uint64_t first_ms, uint64_t every_ms, loop_tick *tick, void *arg)
{
	struct itimerspec when = {
		.it_value = {(time_t)(first_ms / 1000), (long)(first_ms % 1000) * 1000000},
		.it_interval = {(time_t)(every_ms / 1000), (long)(every_ms % 1000) * 1000000},
	};
	if (!first_ms)
		when.it_value.tv_nsec = 1; // 0 would be: never
	struct timer *t = malloc(sizeof(*t));
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc = !t || fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0 ? -errno : 0;
	if (!rc) {
		*t = (struct timer){l, tick, arg, fd, !every_ms};
		rc = loop_add(l, fd, EPOLLIN, timer_ready, t);
	}
	if (!rc)
		return fd;
	free(t);
	if (fd >= 0)
		close(fd);
	return rc;
}

void loop_timer_stop(struct loop *l, int timer)
{
	if (timer < 0 || timer >= FDS_MAX || l->by_fd[timer].ready != timer_ready)
		return;
	free(l->by_fd[timer].arg);
	loop_remove(l, timer);
	close(timer);
}

static void signal_ready(void *arg, uint32_t events)
{
	struct loop *l = arg;
	struct signalfd_siginfo s;
	while (read(l->signals, &s, sizeof(s)) == sizeof(s)) {
		for (unsigned i = 0; i < l->ncaught; i++)
			if (l->caught[i].signal == (int)s.ssi_signo)
				l->caught[i].caught(l->caught[i].arg, (int)s.ssi_signo);
	}
}

int loop_signal(struct loop *l, int signal, loop_caught *caught, void *arg)
{
	if (l->ncaught == SIGNALS_MAX)
		return -ENOSPC;
	sigaddset(&l->mask, signal);
	int rc = pthread_sigmask(SIG_BLOCK, &l->mask, NULL);
	if (rc)
		return -rc;
	if (signalfd(l->signals, &l->mask, 0) < 0)
		return -errno;
	l->caught[l->ncaught].signal = signal;
	l->caught[l->ncaught].caught = caught;
	l->caught[l->ncaught++].arg = arg;
	return 0;
}

int loop_post(struct loop *l, loop_done *done, void *arg)
{
	struct post *p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct post){NULL, done, arg};
	pthread_mutex_lock(&l->lock);
	*l->last = p;
	l->last = &p->next;
	pthread_mutex_unlock(&l->lock);
	uint64_t one = 1;
	return write(l->posts, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

static void posts_ready(void *arg, uint32_t events)
{
	struct loop *l = arg;
	uint64_t n;
	if (read(l->posts, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&l->lock);
	struct post *p = l->first;
	l->first = NULL;
	l->last = &l->first;
	pthread_mutex_unlock(&l->lock);
	while (p) {
		struct post *next = p->next;
		p->done(p->arg);
		free(p);
		p = next;
	}
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	l->last = &l->first;
	sigemptyset(&l->mask);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->signals = signalfd(-1, &l->mask, SFD_NONBLOCK | SFD_CLOEXEC);
	l->posts = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->epoll < 0 || loop_add(l, l->signals, EPOLLIN, signal_ready, l) ||
	    loop_add(l, l->posts, EPOLLIN, posts_ready, l)) {
		loop_free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (int fd = 0; fd < FDS_MAX; fd++)
		loop_timer_stop(l, fd);
	for (struct post *p = l->first, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	const int fds[] = {l->epoll, l->signals, l->posts};
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int loop_run(struct loop *l)
{
	struct epoll_event events[EVENTS];
	for (l->stopped = false; !l->stopped;) {
		int n = epoll_wait(l->epoll, events, EVENTS, -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n && !l->stopped; i++) {
			const struct listener s = l->by_fd[(uint32_t)events[i].data.u64];
			if (s.ready && s.generation == events[i].data.u64 >> 32)
				s.ready(s.arg, events[i].events);
		}
	}
	return l->status;
}

void loop_stop(struct loop *l, int status)
{
	l->stopped = true;
	l->status = status;
}
