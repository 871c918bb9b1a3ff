// SPDX-License-Identifier: BSD-3-Clause
//
// Is it a regex that Hyperscan takes? Plain ones are seen to be (regex_plain.c); other small ones
// are asked of hs_expression_info in line (about 50 us). Repeats of
// repeats and long chains of options can take Hyperscan minutes and gigabytes before it says "too large" (a chain of
// 1,300 "a?": 8 s in hs_expression_info alone), and it cannot be stopped: they are compiled in a process of its own,
// with a limit on its processor time and memory, which is killed where that is reached and started anew for the next.
// Off the path; the process is started at the first large regex, for most policies never.
//
// Rejected: a bound by weight alone (what is heavy by count is often quick: "(a?){1000}b" takes 1 ms); a thread (it
// cannot be ended).
#include "regex_judge.h"

#include <errno.h>
#include <hs/hs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "policy/regex.h"
#include "base/clock.h"
#include "policy/regex_plain.h"

#define SMALL 200u          // weight up to which Hyperscan is asked in line: 30 ms at worst
#define SECONDS 3           // of processor time for one regex
#define MEMORY (1ull << 30) // beyond what the process has
#define ASKED_MOST 200000u  // 10 s for a policy
#define KILLED_MOST 10      // then large ones are refused unseen: half a minute is enough for one policy
#define SPENT_MOST 30       // seconds for all large ones that were taken, for the same reason

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED
#endif
#endif

// ---- weight -----------------------------------------------------------------------------------------------------

// A number at *at, which moves behind it; saturates. false: none.
static bool number(const uint8_t *p, uint32_t len, uint32_t *at, uint32_t *out)
{
	uint32_t from = *at, v = 0;
	for (; *at < len && p[*at] >= '0' && p[*at] <= '9'; (*at)++)
		v = v > 100000 ? v : v * 10 + (p[*at] - '0');
	*out = v;
	return *at > from;
}

// How often the repeat at *at writes its atom out: 1 where there is none.
static uint32_t repeats(const uint8_t *p, uint32_t len, uint32_t *at)
{
	uint32_t low, high, k = *at + 1;
	if (*at >= len)
		return 1;
	if (p[*at] == '*' || p[*at] == '+' || p[*at] == '?') {
		(*at)++;
		return 1;
	}
	if (p[*at] != '{' || !number(p, len, &k, &low))
		return 1;
	high = low;
	if (k < len && p[k] == ',') {
		k++;
		if (!number(p, len, &k, &high))
			high = low + 1;
	}
	if (k >= len || p[k] != '}')
		return 1;
	*at = k + 1;
	return high > low ? high : low;
}

static uint32_t class_end(const uint8_t *p, uint32_t len, uint32_t at)
{
	at += at + 1 < len && p[at + 1] == '^' ? 2 : 1;
	for (at++; at < len && p[at] != ']'; at++)
		at += p[at] == '\\';
	return at < len ? at + 1 : len;
}

uint32_t regex_judge_weight(const uint8_t *p, uint32_t len)
{
	uint64_t open[64], sum = 0; // of the groups around, of this one
	unsigned depth = 0;
	for (uint32_t at = 0; at < len && sum < UINT32_MAX;) {
		uint64_t atom = 1;
		if (p[at] == '(') {
			if (depth == 64)
				return UINT32_MAX;
			open[depth++] = sum;
			sum = 0;
			at++;
			continue;
		}
		if (p[at] == ')' && depth) {
			atom = sum + 1;
			sum = open[--depth];
			at++;
		} else if (p[at] == '[') {
			at = class_end(p, len, at);
		} else {
			at += p[at] == '\\' && at + 1 < len ? 2 : 1;
		}
		for (uint32_t before = UINT32_MAX; before != at && atom < UINT32_MAX;) {
			before = at;
			atom *= repeats(p, len, &at);
		}
		sum += atom;
	}
	return sum > UINT32_MAX || depth ? UINT32_MAX : (uint32_t)sum;
}

// ---- asking Hyperscan -------------------------------------------------------------------------------------------

static bool compiles(const char *text, unsigned flags, char *why)
{
	hs_database_t *db = NULL;
	hs_compile_error_t *e = NULL;
	bool good = hs_compile(text, flags, HS_MODE_BLOCK, NULL, &db, &e) == HS_SUCCESS;
	if (!good)
		snprintf(why, REGEX_WHY, "%s", e ? e->message : "refused");
	hs_free_compile_error(e);
	hs_free_database(db);
	return good;
}

// What hs_expression_info takes is taken, when it is small; what it refuses is compiled, to be sure and for the words.
static bool small_good(const char *text, unsigned flags, char *why)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *e = NULL;
	bool good = hs_expression_info(text, flags, &info, &e) == HS_SUCCESS && info->min_width > 0;
	hs_free_compile_error(e);
	free(info);
	return good || compiles(text, flags, why);
}

// ---- the process ------------------------------------------------------------------------------------------------

struct question {
	uint32_t len, flags;
	char text[REGEX_MAX + 1];
};

struct answer {
	bool good;
	char why[REGEX_WHY];
};

static bool whole(ssize_t (*move)(int, void *, size_t), int fd, void *p, size_t len)
{
	for (size_t n = 0; n < len;) {
		ssize_t k = move(fd, (uint8_t *)p + n, len - n);
		if (k <= 0 && !(k < 0 && errno == EINTR))
			return false;
		n += k > 0 ? (size_t)k : 0;
	}
	return true;
}

static ssize_t put(int fd, void *p, size_t len)
{
	return write(fd, p, len);
}

// Beyond what it has already; sanitizers' shadow is not memory.
static void limit_memory(void)
{
#ifndef SANITIZED
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f && fscanf(f, "%lu", &pages) == 1) {
		rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + MEMORY;
		setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
	}
	if (f)
		fclose(f);
#endif
}

static void limit_time(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	rlim_t most = (rlim_t)u.ru_utime.tv_sec + (rlim_t)u.ru_stime.tv_sec + 1 + SECONDS;
	setrlimit(RLIMIT_CPU, &(struct rlimit){most, RLIM_INFINITY}); // SIGXCPU ends the process
}

static _Noreturn void serve(int from, int to)
{
	static struct question q;
	signal(SIGXCPU, SIG_DFL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	limit_memory();
	while (whole(read, from, &q, sizeof(q))) {
		struct answer a = {0};
		limit_time();
		a.good = compiles(q.text, q.flags, a.why);
		if (!whole(put, to, &a, sizeof(a)))
			break;
	}
	_exit(0);
}

static bool start(struct regex_judge *j)
{
	int question[2], answer[2];
	if (j->pid)
		return true;
	if (pipe(question) < 0)
		return false;
	if (pipe(answer) < 0) {
		close(question[0]);
		close(question[1]);
		return false;
	}
	fflush(NULL);
	j->pid = fork();
	if (j->pid == 0) {
		close(question[1]);
		close(answer[0]);
		serve(question[0], answer[1]);
	}
	close(question[0]);
	close(answer[1]);
	j->to = question[1];
	j->from = answer[0];
	if (j->pid > 0)
		return true;
	j->pid = 0;
	close(j->to);
	close(j->from);
	return false;
}

void regex_judge_close(struct regex_judge *j)
{
	if (!j->pid)
		return;
	close(j->to);
	close(j->from);
	kill(j->pid, SIGKILL);
	while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
		;
	j->pid = 0;
}

static bool ask(struct regex_judge *j, const char *text, uint32_t len, unsigned flags, char why[REGEX_WHY])
{
	static struct question q;
	struct answer a;
	if (j->killed >= KILLED_MOST) {
		snprintf(why, REGEX_WHY, "not tried: %u regexes of this policy took too much to compile", j->killed);
		return false;
	}
	if (!start(j)) {
		snprintf(why, REGEX_WHY, "cannot be tried: %s", strerror(errno));
		return false;
	}
	if (j->spent_ns > SPENT_MOST * 1000000000ull) {
		snprintf(why, REGEX_WHY, "not tried: large regexes of this policy took more than %d s to compile",
			 SPENT_MOST);
		return false;
	}
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	q = (struct question){.len = len, .flags = flags};
	memcpy(q.text, text, len);
	if (whole(put, j->to, &q, sizeof(q)) && whole(read, j->from, &a, sizeof(a))) {
		memcpy(why, a.why, REGEX_WHY);
		j->spent_ns += clock_ns(CLOCK_MONOTONIC) - began;
		return a.good;
	}
	j->killed++;
	regex_judge_close(j);
	snprintf(why, REGEX_WHY, "takes more than %d s or 1 GiB to compile", SECONDS);
	return false;
}

bool regex_judge_good(struct regex_judge *j, const uint8_t *p, uint32_t len, bool nocase, char why[REGEX_WHY])
{
	char text[REGEX_MAX + 1];
	unsigned flags = regex_flags(nocase);
	if (len > REGEX_MAX || memchr(p, 0, len)) {
		snprintf(why, REGEX_WHY, len > REGEX_MAX ? "longer than %u bytes" : "a zero byte in it: write \\x00",
			 REGEX_MAX);
		return false;
	}
	memcpy(text, p, len);
	text[len] = '\0';
	uint32_t weight = regex_judge_weight(p, len);
	if (weight <= SMALL && regex_plain(p, len))
		return true;
	if (j->asked++ >= ASKED_MOST) {
		snprintf(why, REGEX_WHY, "not tried: more than %u regexes that are not plain", ASKED_MOST);
		return false;
	}
	if (weight <= SMALL)
		return small_good(text, flags, why);
	return ask(j, text, len, flags, why);
}
