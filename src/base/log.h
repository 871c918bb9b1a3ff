// SPDX-License-Identifier: BSD-3-Clause
//
// What the program says while it runs: one line an event, `level room: message key=value`, on standard error,
// after the time where the journal has none.
// Not for the path: it counts and never prints.
#pragma once

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG, LOG_LEVELS };

// Who speaks: each has a level of its own. What is no room of this list speaks as the last.
#define LOG_ROOMS(X)                                                                                                   \
	X(run) X(config) X(port) X(worker) X(policy) X(fastpath) X(ctl) X(http) X(ship) X(kafka) X(dpdk) X(bpf) X(other)

enum log_room {
#define X(room) LOG_ROOM_##room,
	LOG_ROOMS(X)
#undef X
		LOG_ROOM_COUNT
};

extern const char *const log_level_names[LOG_LEVELS];
extern const char *const log_room_names[LOG_ROOM_COUNT];

// From any thread that may make a system call. What is not printable (names come from the wire) is written \xHH; a line
// longer than 1,023 bytes is cut. One write(2) a line: lines of several threads never mix.
void log_say(enum log_level level, const char *room, const char *format, ...) __attribute__((format(printf, 3, 4)));
void log_vsay(enum log_level level, const char *room, const char *format, va_list args);

// Levels, at run time. room NULL: all of them. Names that are none: -EINVAL.
int log_set(const char *room, const char *level);
enum log_level log_get(enum log_room room);
// Would it be said? For what costs something to say.
bool log_wants(enum log_level level, const char *room);
