// SPDX-License-Identifier: BSD-3-Clause
//
// The control thread's only place to wait: descriptors, timers, signals, and words from other threads.
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

struct loop;

// NULL: no memory, or no descriptor (errno).
struct loop *loop_new(void);
void loop_free(struct loop *l);

// ready is called with what epoll says (EPOLLIN, EPOLLOUT, EPOLLHUP, ...). 0 or -errno.
typedef void loop_ready(void *arg, uint32_t events);
int loop_add(struct loop *l, int fd, uint32_t events, loop_ready *ready, void *arg);
int loop_change(struct loop *l, int fd, uint32_t events);
// From within any callback, too: ready will not be called again, even if more is waiting. The descriptor stays open.
void loop_remove(struct loop *l, int fd);

// First after first_ms, then every every_ms (0: once). Ticks that could not be served in time are one. Answers what
// loop_timer_stop takes, or -errno.
typedef void loop_tick(void *arg);
int loop_timer(struct loop *l, uint64_t first_ms, uint64_t every_ms, loop_tick *tick, void *arg);
void loop_timer_stop(struct loop *l, int timer);

// The signal is blocked in the calling thread, and in all that it starts afterwards: call it before any is started.
typedef void loop_caught(void *arg, int signal);
int loop_signal(struct loop *l, int signal, loop_caught *caught, void *arg);

// From any thread: done is called on the loop's. What was posted and not called when the loop is freed is not called.
// 0 or -ENOMEM.
typedef void loop_done(void *arg);
int loop_post(struct loop *l, loop_done *done, void *arg);

// Until loop_stop; answers its status. -errno: epoll does not work any more.
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int status);
