// SPDX-License-Identifier: BSD-3-Clause
//
// The round trip of a datagram that stands alone: sent when it is due, by the clock, whether or not those before came
// back in time; measured from its sending to its return, both by CLOCK_MONOTONIC of one thread. Prints microseconds.
// SIGTERM ends it early. usage: bench_rtt ADDRESS PORT [COUNT [INTERVAL_US]]; bench_rtt -e ADDRESS PORT echoes.
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES 64
#define LOST_MS 200

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void until(uint64_t ns)
{
	const struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static int echo(int fd)
{
	for (char b[2048];;) {
		struct sockaddr_in6 from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, b, sizeof(b), 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			return 1;
		sendto(fd, b, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

// The answer to datagram i, not one that came too late. 0: none came.
static uint64_t answer(int fd, uint32_t i)
{
	uint32_t got[BYTES / 4];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	for (uint64_t end = now_ns() + LOST_MS * 1000000ull; now_ns() < end;) {
		ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
		if (n == sizeof(got) && got[0] == i)
			return now_ns();
		if (n < 0)
			poll(&p, 1, LOST_MS);
	}
	return 0;
}

static int ask(int fd, uint32_t count, uint64_t interval_ns)
{
	uint32_t *ns = calloc(count, sizeof(*ns)), n = 0, i = 0, message[BYTES / 4] = {0};
	uint64_t due = now_ns();
	if (!ns)
		return 1;
	signal(SIGTERM, end);
	for (; i < count && !ended; i++) {
		due += interval_ns;
		until(due);
		message[0] = i;
		uint64_t sent = now_ns(), back = send(fd, message, sizeof(message), 0) > 0 ? answer(fd, i) : 0;
		if (back)
			ns[n++] = (uint32_t)(back - sent);
		if (back > due + interval_ns)
			due = back;
	}
	qsort(ns, n, sizeof(*ns), by_value);
	if (n)
		printf("p50 %.2f p99 %.2f p999 %.2f lost %u of %u\n", ns[n / 2] / 1e3, ns[(uint64_t)n * 99 / 100] / 1e3,
		       ns[(uint64_t)n * 999 / 1000] / 1e3, i - n, i);
	free(ns);
	return n == 0;
}

int main(int argc, char **argv)
{
	bool serve = argc > 1 && strcmp(argv[1], "-e") == 0;
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	argv += serve;
	argc -= serve;
	if (argc < 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	if (fd < 0 || (serve ? bind : connect)(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("bench_rtt");
		return 1;
	}
	return serve ? echo(fd)
		     : ask(fd, argc > 3 ? (uint32_t)atoi(argv[3]) : 20000,
			   1000ull * (argc > 4 ? (uint64_t)atoi(argv[4]) : 100));
}
