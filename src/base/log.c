// SPDX-License-Identifier: BSD-3-Clause
//
// Lines for people and for the journal. They come from every thread but the workers; each is put together on the stack
// and leaves by one write(2), so there is no lock and nothing to flush. Standard error is set to nothing else: who
// wants a file, a rotation or syslog has them from systemd or from the shell. Under systemd a line begins with its
// level as sd-daemon(3) has it, elsewhere with the time, UTC.
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/word.h"

#define LINE_BYTES 1024

const char *const log_level_names[LOG_LEVELS] = {"error", "warning", "notice", "info", "debug"};
const char *const log_room_names[LOG_ROOM_COUNT] = {
#define X(room) #room,
	LOG_ROOMS(X)
#undef X
};
static const char journal[LOG_LEVELS] = "34567"; // sd-daemon(3)

static _Atomic unsigned char levels[LOG_ROOM_COUNT] = {[0 ... LOG_ROOM_COUNT - 1] = LOG_INFO};

static unsigned room_of(const char *room)
{
	unsigned i = word_find(log_room_names, LOG_ROOM_COUNT, room, strlen(room));
	return i < LOG_ROOM_COUNT ? i : LOG_ROOM_other;
}

bool log_wants(enum log_level level, const char *room)
{
	return level <= levels[room_of(room)];
}

enum log_level log_get(enum log_room room)
{
	return levels[room];
}

int log_set(const char *room, const char *level)
{
	unsigned l = word_find(log_level_names, LOG_LEVELS, level, strlen(level));
	unsigned r = room ? word_find(log_room_names, LOG_ROOM_COUNT, room, strlen(room)) : 0;
	if (l == LOG_LEVELS || r == LOG_ROOM_COUNT)
		return -EINVAL;
	for (unsigned i = room ? r : 0; i < (room ? r + 1 : (unsigned)LOG_ROOM_COUNT); i++)
		levels[i] = (unsigned char)l;
	return 0;
}

// Bytes that a terminal or a reader of lines would act on are spelled out. out has room for room bytes.
static size_t printable(char *out, size_t room, const char *text)
{
	size_t at = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p && at + 4 < room; p++) {
		if (*p >= 0x20 && *p != 0x7f)
			out[at++] = (char)*p;
		else
			at += (size_t)snprintf(out + at, room - at, "\\x%02x", *p);
	}
	return at;
}

void log_vsay(enum log_level level, const char *room, const char *format, va_list args)
{
	char text[LINE_BYTES], line[LINE_BYTES];
	if (!log_wants(level, room))
		return;
	vsnprintf(text, sizeof(text), format, args);
	size_t at = 0;
	struct timespec t;
	struct tm tm;
	if (getenv("JOURNAL_STREAM")) {
		at = (size_t)snprintf(line, sizeof(line), "<%c>", journal[level]);
	} else if (clock_gettime(CLOCK_REALTIME, &t) == 0 && gmtime_r(&t.tv_sec, &tm)) {
		at = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
		at += (size_t)snprintf(line + at, sizeof(line) - at, ".%03ldZ ", t.tv_nsec / 1000000);
	}
	at += (size_t)snprintf(line + at, sizeof(line) - at, "%s %.16s: ", log_level_names[level], room);
	at += printable(line + at, sizeof(line) - at, text);
	line[at++] = '\n';
	if (write(STDERR_FILENO, line, at) < 0) // nobody is left to be told
		return;
}

void log_say(enum log_level level, const char *room, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_vsay(level, room, format, args);
	va_end(args);
}
