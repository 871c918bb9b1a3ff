// SPDX-License-Identifier: BSD-3-Clause
//
// A small process appends, flushes, reads and acknowledges at random, and is killed at a chosen call: where a segment
// is begun, written, made durable, renamed over another, deleted, where a cursor moves. Its folder is then left as it
// is (kill), or as a disk leaves it that lost what it was not asked to keep (power, mixed), or now so, now so, where
// the next process may be cut off from power before it has asked for what this one did not (either). The next one goes
// on with it. Afterwards each sink has each record that was durable, or a gap that says so:
//
//   a record that any sink was given, or that a flush was waited for     is given to each, or is in a gap of its class
//   what a later boot names as a worker's last                           is not before any such
//   all before it                                                        is given to each, or in a gap
//   what is behind it                                                    is given to nobody
//   a place that was acknowledged                                        is not given again
//   twice                                                                only after a death, or going back
//   without any death                                                    gaps name exactly those that are missing
//
// usage: crash [-m kill|power|mixed|either] [-f FAULTS] [-w SLOW] [-s SEED] [-n SEEDS] [-b BOOTS] [-v] [-q: until the
// first bad one]; 1: something was lost, and what. -w: one sync in so many takes 30 ms
#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../unit/spool_fixture.h"
#include "base/log.h"
#include "disk.h"

#define BOOTS 24
#define SINKS 2
#define SEQS 20000
#define GAPS 8192
#define OPS 300

static const char *const sinks[SINKS] = {"a", "b"};

// What the processes leave behind, and the parent judges.
static struct seen {
	struct disk disk;
	struct {
		uint32_t appended, taken, durable; // by worker, seqs below; taken: not refused
		bool left[2];                      // named by a later boot; that has been said durably
		uint32_t last;
		uint8_t given[SINKS][SEQS];
	} of[BOOTS][FIXTURE_WORKERS];
	uint64_t acked[SINKS];
	struct gap {
		uint32_t boot, first, last, n;
		uint16_t worker, class;
		uint64_t pos;
	} gap[SINKS][GAPS];
	unsigned gaps[SINKS], deaths, again[SINKS];
	uint64_t thinned, records;
	char wrong[256];
} * seen;

static void wrong(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!seen->wrong[0])
		vsnprintf(seen->wrong, sizeof(seen->wrong), format, args);
	va_end(args);
}

// ---- the small process -------------------------------------------------------------------------------------------

static struct run {
	unsigned boot;
	uint64_t any;
	struct spool *spool;
	struct spool_reader *reader[SINKS];
	uint64_t next[SINKS]; // position behind the last that was given
	bool seeks;
} run;

static uint64_t dice(uint64_t n)
{
	run.any = mix(run.any);
	return run.any % n;
}

static void append(unsigned n)
{
	union any_record room;
	for (unsigned i = 0; i < n; i++) {
		uint16_t worker = (uint16_t)dice(FIXTURE_WORKERS);
		uint32_t *seq = &seen->of[run.boot][worker].appended;
		if (*seq == SEQS)
			return;
		if (run.seeks && dice(40) == 0)
			spool_meta(run.spool, dice(5), "standing", 8, dice(2));
		const struct record *r = record_of(&room, worker, (*seq)++);
		if (spool_append(run.spool, class_of(worker, r->seq), r) == 0)
			seen->of[run.boot][worker].taken = *seq;
		seen->records++;
	}
}

static void flush(void)
{
	uint32_t upto[FIXTURE_WORKERS];
	for (unsigned i = 0; i < FIXTURE_WORKERS; i++)
		upto[i] = seen->of[run.boot][i].taken;
	if (spool_flush_wait(run.spool, seen->disk.fault ? 20 : 10000) == 0)
		for (unsigned i = 0; i < FIXTURE_WORKERS; i++)
			seen->of[run.boot][i].durable = upto[i];
	else if (!seen->disk.fault) {
		struct spool_look l;
		struct spool_reader_look a, b;
		spool_look(run.spool, &l);
		spool_look_sink(run.spool, "a", &a);
		spool_look_sink(run.spool, "b", &b);
		wrong("flush: not durable in time: %lu bytes, %u segments, waits %lu, durable %lu, cursors %lu %lu, "
		      "read %lu %lu, error %d",
		      l.bytes, l.segments, l.waits, l.durable, a.cursor, b.cursor, a.read, b.read, l.error);
	}
}

static void given_gap(unsigned sink, const struct spool_frame *f)
{
	const struct record *r = f->record;
	if (seen->gaps[sink] == GAPS)
		return wrong("too many gaps");
	seen->gap[sink][seen->gaps[sink]++] =
		(struct gap){(uint32_t)f->boot, r->seq, r->tx_id, (uint32_t)r->pkts[0], r->worker, r->anomaly, f->pos};
}

static void given(unsigned sink, const struct spool_frame *f)
{
	const struct record *r = f->record;
	if (f->pos < seen->acked[sink])
		wrong("sink %s: position %lu is given again, %lu was acknowledged", sinks[sink], f->pos,
		      seen->acked[sink]);
	if (f->pos < run.next[sink])
		wrong("sink %s: position %lu after %lu", sinks[sink], f->pos, run.next[sink]);
	run.next[sink] = f->pos + 1;
	if (r->kind == RECORD_GAP)
		return given_gap(sink, f);
	if (f->boot >= BOOTS || r->worker >= FIXTURE_WORKERS || r->seq >= seen->of[f->boot][r->worker].appended ||
	    !same_record(r) || f->class != class_of(r->worker, r->seq) || strcmp(f->node, "n") != 0)
		return wrong("sink %s: a record that was never appended: boot %lu worker %u seq %u", sinks[sink],
			     f->boot, r->worker, r->seq);
	uint8_t *n = &seen->of[f->boot][r->worker].given[sink][r->seq];
	seen->again[sink] += *n != 0;
	*n += *n < 255;
}

static unsigned take(unsigned sink, unsigned most, unsigned timeout_ms)
{
	const struct spool_frame *f;
	unsigned n = 0;
	while (n < most && (f = spool_next(run.reader[sink], timeout_ms)))
		if (f->record) {
			given(sink, f);
			n++;
		}
	return n;
}

static void ack(unsigned sink)
{
	uint64_t from = spool_cursor(run.reader[sink]), to = run.next[sink];
	if (to <= from)
		return;
	uint64_t pos = dice(3) ? to : from + dice(to - from + 1);
	char text[32];
	int len = snprintf(text, sizeof(text), "%lu", pos);
	if (spool_ack(run.reader[sink], pos, text, (uint32_t)len) == 0)
		seen->acked[sink] = pos > seen->acked[sink] ? pos : seen->acked[sink];
	else if (!seen->disk.fault)
		wrong("ack: refused");
}

static void back(unsigned sink)
{
	run.next[sink] = spool_cursor(run.reader[sink]);
	spool_seek(run.reader[sink], run.next[sink]);
}

static void open_readers(void)
{
	char state[SPOOL_STATE_MAX];
	for (unsigned i = 0; i < SINKS; i++) {
		uint32_t len;
		run.reader[i] = spool_reader_open(run.spool, sinks[i], state, &len);
		run.next[i] = spool_cursor(run.reader[i]);
		if (run.next[i] < seen->acked[i])
			wrong("sink %s: cursor at %lu, acknowledged was %lu", sinks[i], run.next[i], seen->acked[i]);
		if (len && (len >= 32 || (uint64_t)atol(memcpy(memset(state + 100, 0, 32), state, len)) > run.next[i]))
			wrong("sink %s: a state of another position", sinks[i]);
	}
}

static void note_left(void)
{
	unsigned n;
	const struct spool_left *l = spool_recovered(run.spool, &n);
	for (unsigned i = 0; i < n; i++) {
		bool known = l[i].boot < run.boot && l[i].worker < FIXTURE_WORKERS;
		if (!known) {
			wrong("recovered: boot %lu worker %u", l[i].boot, l[i].worker);
			continue;
		}
		if (seen->of[l[i].boot][l[i].worker].left[0] && seen->of[l[i].boot][l[i].worker].last != l[i].seq)
			wrong("recovered: boot %lu worker %u: last is %u, was %u", l[i].boot, l[i].worker, l[i].seq,
			      seen->of[l[i].boot][l[i].worker].last);
		seen->of[l[i].boot][l[i].worker].left[0] = true;
		seen->of[l[i].boot][l[i].worker].last = l[i].seq;
	}
}

static void open_spool(unsigned boot)
{
	char error[SPOOL_ERROR];
	struct spool_config c = {.path = seen->disk.folder,
				 .max_bytes = 512 << 10,
				 .segment_bytes = 24 << 10,
				 .tail_bytes = 1 << 19,
				 .flush_bytes = 8 << 10,
				 .flush_ms = 1 + (unsigned)dice(4),
				 .node = "n",
				 .boot = boot,
				 .sinks = sinks,
				 .nsinks = SINKS,
				 .workers = FIXTURE_WORKERS};
	run.spool = spool_open(&c, error);
	if (!run.spool) {
		wrong("open: %s", error);
		_exit(1);
	}
	note_left();
	open_readers();
}

static void one_op(void)
{
	unsigned sink = (unsigned)dice(SINKS);
	bool away = sink == 1 && mix(run.boot) % 2; // some boots long this one takes nothing
	switch (dice(12)) {
	case 0 ... 4:
		append(1 + (unsigned)dice(60));
		break;
	case 5 ... 7:
		if (!away)
			take(sink, 1 + (unsigned)dice(120), (unsigned)dice(3));
		break;
	case 8 ... 9:
		if (!away)
			ack(sink);
		break;
	case 10:
		flush();
		break;
	default:
		if (run.seeks && dice(4) == 0)
			back(sink);
	}
}

// The last one takes all there is.
static void drain(void)
{
	seen->disk.fault = 0;
	flush();
	append(100); // what was refused is said before
	flush();
	for (unsigned i = 0; i < SINKS; i++) {
		while (take(i, 1000, 20))
			;
		if (spool_ack(run.reader[i], run.next[i], NULL, 0) != 0)
			wrong("the last ack");
	}
}

static void close_all(void)
{
	struct spool_look look;
	spool_look(run.spool, &look);
	seen->thinned += look.thinned;
	for (unsigned i = 0; i < SINKS; i++)
		spool_reader_close(run.reader[i]);
	spool_close(run.spool);
}

static void live(unsigned boot, bool last, unsigned seed, bool seeks)
{
	run = (struct run){.boot = boot, .any = mix(((uint64_t)seed << 32) + boot), .seeks = seeks};
	disk_begin(&seen->disk);
	log_set("ship", "error");
	if (seen->disk.fault && !freopen("/dev/null", "w", stderr))
		_exit(1);
	open_spool(boot);
	append(20); // a boot's first record
	for (unsigned i = 0; i < (last ? OPS / 4 : OPS) && !seen->wrong[0]; i++)
		one_op();
	if (last)
		drain();
	if (last || dice(4) == 0)
		close_all();
	if (last)
		_exit(0);
	raise(SIGKILL);
}

// ---- the judge ---------------------------------------------------------------------------------------------------

static bool in_gap(unsigned sink, unsigned boot, unsigned worker, uint32_t seq)
{
	for (unsigned i = 0; i < seen->gaps[sink]; i++) {
		const struct gap *g = &seen->gap[sink][i];
		if (g->boot == boot && g->worker == worker && seq >= g->first && seq <= g->last &&
		    (!g->class || g->class == class_of((uint16_t)worker, seq) + 1u))
			return true;
	}
	return false;
}

static void judge_worker(unsigned sink, unsigned boot, unsigned worker, bool last)
{
	uint32_t upto = seen->of[boot][worker].appended, durable = seen->of[boot][worker].durable;
	if (!last)
		upto = seen->of[boot][worker].left[0] ? seen->of[boot][worker].last + 1 : 0;
	if (upto < durable)
		wrong("boot %u worker %u: %u were flushed, the last that is named is %u", boot, worker, durable,
		      upto - 1);
	for (uint32_t seq = 0; seq < seen->of[boot][worker].appended; seq++) {
		bool has = seen->of[boot][worker].given[sink][seq];
		if (seq >= upto && has)
			wrong("sink %s has boot %u worker %u seq %u, the last that is named is %u", sinks[sink], boot,
			      worker, seq, upto - 1);
		if (seq < upto && !has && !in_gap(sink, boot, worker, seq))
			wrong("sink %s lacks boot %u worker %u seq %u (of %u), and no gap says so", sinks[sink], boot,
			      worker, seq, upto);
	}
}

static void judge_gaps(unsigned sink, unsigned boot)
{
	uint64_t missing[FIXTURE_WORKERS][SPOOL_LOSABLE] = {0}, said[FIXTURE_WORKERS][SPOOL_LOSABLE] = {0};
	for (unsigned w = 0; w < FIXTURE_WORKERS; w++)
		for (uint32_t seq = 0; seq < seen->of[boot][w].appended; seq++)
			missing[w][class_of((uint16_t)w, seq)] += !seen->of[boot][w].given[sink][seq];
	for (unsigned i = 0; i < seen->gaps[sink]; i++)
		said[seen->gap[sink][i].worker][seen->gap[sink][i].class - 1] += seen->gap[sink][i].n;
	for (unsigned w = 0; w < FIXTURE_WORKERS; w++)
		for (unsigned c = 0; c < SPOOL_LOSABLE; c++)
			if (missing[w][c] != said[w][c])
				wrong("sink %s lacks %lu %s of worker %u, gaps say %lu", sinks[sink], missing[w][c],
				      spool_class_names[c], w, said[w][c]);
	if (seen->again[sink])
		wrong("sink %s was given %u twice", sinks[sink], seen->again[sink]);
}

static void judge(unsigned boots, bool seeks)
{
	for (unsigned sink = 0; sink < SINKS; sink++) {
		for (unsigned boot = 0; boot < boots; boot++)
			for (unsigned worker = 0; worker < FIXTURE_WORKERS; worker++)
				judge_worker(sink, boot, worker, boot == boots - 1);
		if (boots == 1 && !seeks)
			judge_gaps(sink, 0);
	}
}

// ---- deaths ------------------------------------------------------------------------------------------------------

static void aim(uint64_t any)
{
	static const unsigned most[DISK_CALL_COUNT] = {
		[DISK_NONE] = 1,           [DISK_SEGMENT_CREATE] = 12, [DISK_SEGMENT_WRITE] = 120,
		[DISK_SEGMENT_SYNC] = 100, [DISK_CURSOR_WRITE] = 40,   [DISK_CURSOR_SYNC] = 40,
		[DISK_COPY_WRITE] = 12,    [DISK_COPY_SYNC] = 8,       [DISK_RENAME] = 8,
		[DISK_UNLINK] = 8,         [DISK_FOLDER_SYNC] = 10};
	seen->disk.kill = (enum disk_call)(mix(any) % DISK_CALL_COUNT);
	seen->disk.kill_at = 1 + (unsigned)(mix(any + 1) % most[seen->disk.kill]);
	seen->disk.kill_after = mix(any + 2) & 1;
}

static void one_boot(unsigned boot, bool last, unsigned seed, const char *mode, unsigned faults)
{
	uint64_t any = mix(((uint64_t)seed << 20) + boot);
	aim(any);
	if (last)
		seen->disk.kill = DISK_NONE;
	seen->disk.fault = faults;
	seen->disk.any = any;
	pid_t child = fork();
	if (child == 0)
		live(boot, last, seed, seed % 3 == 0);
	int status = 0;
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		wrong("it died of signal %d", WTERMSIG(status));
	seen->deaths++;
	seen->disk.killed = !strcmp(mode, "either") && mix(any + 3) & 1;
	if (strcmp(mode, "kill") != 0 && !seen->disk.killed && !last)
		disk_power_lost(&seen->disk, !strcmp(mode, "mixed"), any);
}

static bool one_seed(unsigned seed, unsigned boots, const char *mode, unsigned faults, unsigned slow, bool verbose)
{
	char base[64];
	memset(seen, 0, sizeof(*seen));
	seen->disk.slow = slow;
	seen->disk.slow_ms = 30;
	strcpy(base, access("/dev/shm", W_OK) == 0 ? "/dev/shm/spool.XXXXXX" : "/tmp/spool.XXXXXX");
	if (!mkdtemp(base))
		abort();
	snprintf(seen->disk.folder, sizeof(seen->disk.folder), "%s/spool", base);
	snprintf(seen->disk.shadow, sizeof(seen->disk.shadow), "%s/shadow", base);
	for (unsigned boot = 0; boot < boots && !seen->wrong[0]; boot++)
		one_boot(boot, boot == boots - 1, seed, mode, faults);
	if (!seen->wrong[0])
		judge(boots, seed % 3 == 0);
	if (verbose || seen->wrong[0])
		printf("seed %u, %u boots, %s, faults %u, slow %u: %lu records, %u given again, %u gaps, %lu segments "
		       "thinned: "
		       "%s\n",
		       seed, boots, mode, seen->disk.faults, seen->disk.slowed, seen->records,
		       seen->again[0] + seen->again[1], seen->gaps[0] + seen->gaps[1], seen->thinned,
		       seen->wrong[0] ? seen->wrong : "nothing lost");
	remove_folder(seen->disk.folder);
	remove_folder(seen->disk.shadow);
	rmdir(base);
	return !seen->wrong[0];
}

int main(int argc, char **argv)
{
	const char *mode = "kill";
	unsigned seed = 1, seeds = 4, boots = 6, faults = 0, slow = 0, bad = 0;
	bool verbose = false, quick = false;
	for (int c; (c = getopt(argc, argv, "m:f:w:s:n:b:vq")) != -1;)
		switch (c) {
		case 'm':
			mode = optarg;
			break;
		case 'f':
			faults = (unsigned)atoi(optarg);
			break;
		case 'w':
			slow = (unsigned)atoi(optarg);
			break;
		case 's':
			seed = (unsigned)atoi(optarg);
			break;
		case 'n':
			seeds = (unsigned)atoi(optarg);
			break;
		case 'b':
			boots = (unsigned)atoi(optarg);
			break;
		case 'v':
			verbose = true;
			break;
		case 'q':
			quick = true;
			break;
		default:
			return 2;
		}
	if (boots < 1 || boots > BOOTS)
		return 2;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return 2;
	for (unsigned i = 0; i < seeds && !(quick && bad); i++)
		bad += !one_seed(seed + i, boots, mode, faults, slow, verbose);
	printf("%u seeds of %u boots, %s: %u bad\n", seeds, boots, mode, bad);
	return bad != 0;
}
