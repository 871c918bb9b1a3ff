// SPDX-License-Identifier: BSD-3-Clause
//
// The disk's fdatasync takes seconds, and the process is killed meanwhile: what is missing afterwards is no older than
// the flush interval, however long the disk has been silent; the next start names each worker's last; sinks had been
// given nothing of what was not durable, and are given all of it then.
//
// One record each half millisecond, many segments of them while one sync is under way; killed 0.9 to 1.5 s into it.
// SLACK_MS is for a machine on which others run: the flusher's wake, a write, and the time from the clock to the kill.
//
// usage: slow [ROUNDS]; 1: something was older, or lost, and what
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../unit/spool_fixture.h"
#include "base/clock.h"
#include "base/log.h"
#include "disk.h"

#define FLUSH_MS 100
#define SLACK_MS 150
#define SYNC_MS 5000
#define STEP_US 500
#define BEFORE 1000 // records that are durable before the disk is slow
#define SEQS 20000

static struct seen {
	struct disk disk;
	_Atomic uint32_t appended[FIXTURE_WORKERS], given[FIXTURE_WORKERS]; // seqs below
	uint64_t when[FIXTURE_WORKERS][SEQS];
	uint32_t durable[FIXTURE_WORKERS];
	char wrong[256];
} * seen;

static struct spool *start(unsigned boot)
{
	static const char *const sinks[] = {"a"};
	char error[SPOOL_ERROR];
	struct spool_config c = {.path = seen->disk.folder,
				 .segment_bytes = 64 << 10,
				 .flush_ms = FLUSH_MS,
				 .node = "n",
				 .boot = boot,
				 .sinks = sinks,
				 .nsinks = 1,
				 .workers = FIXTURE_WORKERS};
	disk_begin(&seen->disk);
	log_set("ship", "error");
	struct spool *s = spool_open(&c, error);
	if (!s)
		snprintf(seen->wrong, sizeof(seen->wrong), "open: %.200s", error);
	return s;
}

static void append(struct spool *s)
{
	union any_record room;
	static uint16_t worker;
	uint32_t seq = seen->appended[worker];
	if (seq == SEQS)
		_exit(1);
	seen->when[worker][seq] = clock_ns(CLOCK_MONOTONIC);
	spool_append(s, SPOOL_VERDICT, record_of(&room, worker, seq));
	seen->appended[worker] = seq + 1;
	worker = (uint16_t)((worker + 1) % FIXTURE_WORKERS);
}

static void take(struct spool_reader *r, unsigned timeout_ms)
{
	for (const struct spool_frame *f; (f = spool_next(r, timeout_ms));) {
		if (!f->record || f->boot != 1)
			continue;
		if (f->record->seq != seen->given[f->record->worker])
			snprintf(seen->wrong, sizeof(seen->wrong), "worker %u: the sink was given %u after %u",
				 f->record->worker, f->record->seq, seen->given[f->record->worker] - 1);
		seen->given[f->record->worker] = f->record->seq + 1;
	}
}

// Until it is killed.
static void life(void)
{
	char state[SPOOL_STATE_MAX];
	uint32_t len;
	struct spool *s = start(1);
	struct spool_reader *r = spool_reader_open(s, "a", state, &len);
	for (unsigned i = 0; i < BEFORE; i++)
		append(s);
	if (spool_flush_wait(s, 20000) != 0)
		_exit(1);
	take(r, 0);
	for (unsigned i = 0; i < FIXTURE_WORKERS; i++)
		seen->durable[i] = seen->appended[i];
	seen->disk.slow_ms = SYNC_MS;
	seen->disk.slow = 1;
	for (;;) {
		append(s);
		take(r, 0);
		usleep(STEP_US);
	}
}

static void next_life(uint32_t last[FIXTURE_WORKERS], uint32_t upto[FIXTURE_WORKERS])
{
	char state[SPOOL_STATE_MAX];
	uint32_t len;
	unsigned n;
	struct spool *s = start(2);
	if (!s)
		_exit(1);
	const struct spool_left *l = spool_recovered(s, &n);
	for (unsigned i = 0; i < n; i++)
		if (l[i].boot == 1 && l[i].worker < FIXTURE_WORKERS && !l[i].clean)
			last[l[i].worker] = l[i].seq + 1;
	struct spool_reader *r = spool_reader_open(s, "a", state, &len);
	for (unsigned i = 0; i < FIXTURE_WORKERS; i++)
		seen->given[i] = 0; // nothing was acknowledged
	take(r, 100);
	for (unsigned i = 0; i < FIXTURE_WORKERS; i++)
		upto[i] = seen->given[i];
	spool_reader_close(r);
	spool_close(s);
	_exit(0);
}

static void in_child(void (*what)(uint32_t *, uint32_t *), uint32_t *a, uint32_t *b)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		what(a, b);
	if (waitpid(child, &status, 0) != child || status != 0)
		snprintf(seen->wrong, sizeof(seen->wrong), "the next start ended with %d", status);
}

static void judge(uint64_t killed_ns, const uint32_t *last, const uint32_t *given, unsigned after_ms)
{
	uint64_t oldest = killed_ns, missing = 0, aside = 0;
	for (unsigned w = 0; w < FIXTURE_WORKERS; w++) {
		missing += seen->appended[w] - last[w];
		aside += last[w] - seen->durable[w];
		if (last[w] < seen->appended[w] && seen->when[w][last[w]] < oldest)
			oldest = seen->when[w][last[w]];
		if (given[w] != last[w])
			snprintf(seen->wrong, sizeof(seen->wrong), "worker %u: named is %u, the sink has %u", w,
				 last[w] - 1, given[w] - 1);
	}
	uint64_t age_ms = (killed_ns - oldest) / 1000000;
	printf("killed %u ms into a sync of %u: %lu records that were not durable are there, %lu are missing, the "
	       "oldest of them "
	       "%lu ms old (flush_ms %u)\n",
	       after_ms, SYNC_MS, aside, missing, age_ms, FLUSH_MS);
	if (age_ms > FLUSH_MS + SLACK_MS)
		snprintf(seen->wrong, sizeof(seen->wrong), "what is missing is %lu ms old, more than %u and %u", age_ms,
			 FLUSH_MS, SLACK_MS);
}

static void round_of(unsigned i)
{
	static uint32_t(*shared)[FIXTURE_WORKERS];
	unsigned after_ms = 900 + (unsigned)(mix(i) % 600);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	if (child == 0)
		life();
	while (!seen->disk.slowed)
		usleep(1000);
	usleep(after_ms * 1000);
	uint64_t killed_ns = clock_ns(CLOCK_MONOTONIC);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	for (unsigned w = 0; w < FIXTURE_WORKERS; w++)
		if (seen->given[w] > seen->durable[w])
			snprintf(seen->wrong, sizeof(seen->wrong),
				 "the sink was given %u of worker %u, %u were durable", seen->given[w], w,
				 seen->durable[w]);
	seen->disk.slow = 0;
	in_child(next_life, shared[0], shared[1]);
	judge(killed_ns, shared[0], shared[1], after_ms);
	munmap(shared, 4096);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 3, bad = 0;
	setvbuf(stdout, NULL, _IONBF, 0);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return 2;
	for (unsigned i = 0; i < rounds; i++) {
		char base[64];
		memset(seen, 0, sizeof(*seen));
		strcpy(base, access("/dev/shm", W_OK) == 0 ? "/dev/shm/spool.XXXXXX" : "/tmp/spool.XXXXXX");
		if (!mkdtemp(base))
			return 2;
		snprintf(seen->disk.folder, sizeof(seen->disk.folder), "%s/spool", base);
		snprintf(seen->disk.shadow, sizeof(seen->disk.shadow), "%s/shadow", base);
		round_of(i);
		if (seen->wrong[0])
			printf("round %u: %s\n", i, seen->wrong);
		bad += seen->wrong[0] != 0;
		remove_folder(seen->disk.folder);
		remove_folder(seen->disk.shadow);
		rmdir(base);
	}
	return bad != 0;
}
