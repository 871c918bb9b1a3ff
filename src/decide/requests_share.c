// SPDX-License-Identifier: BSD-3-Clause
//
// Which partitions of the requests are ours, and how far they are answered. The group's word comes in (assign, revoke);
// out go commits: each is the number below which every request of a partition was answered, and the broker has the
// answer. Decider's thread; waits are bounded, and a policy that comes meanwhile is taken.
//
// A partition that leaves is settled first: what was taken is answered, and the commit says "clean". One that comes
// clean has nothing open; one that does not (its owner was killed) may have answered some of what lies behind its
// commit, and what lay there when it came is answered once more, marked `again`. The last REMEMBER requests before the
// commit are read again for their ids: so one that is asked again after a change of hands is known as such.
//
// Rejected: ids in a compacted topic of their own (every request would be written twice), and commits in the producer's
// transaction, which make each decision wait for the transaction's end (27 ms, platform measure).
#include "decide/requests_in.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define ROOM "decide"
#define REMEMBER 20000 // requests of a partition
#define CLEAN "clean"
#define COMMIT_NS 1000000000ull
#define SETTLE_MS 3000
#define ASK_TRIES 5
#define ASK_MS 1000
#define LOOK_NS 5000000ull

static struct progress *progress_of(struct requests *r, int32_t partition)
{
	if (partition < 0 || partition >= REQUESTS_PARTITIONS)
		return NULL;
	struct progress **p = &r->partitions[partition];
	if (*p)
		return *p;
	*p = calloc(1, sizeof(**p));
	if (!*p)
		abort();
	**p = (struct progress){.partition = partition, .next = -1, .seen = -1, .committed = -1};
	return *p;
}

// ---- commits -----------------------------------------------------------------------------------------------------

static void add(rd_kafka_topic_partition_list_t *list, const struct requests *r, const struct progress *p, bool leaving)
{
	rd_kafka_topic_partition_t *t = rd_kafka_topic_partition_list_add(list, r->config.requests, p->partition);
	t->offset = p->next;
	if (leaving && p->n == 0) {
		t->metadata = strdup(CLEAN);
		t->metadata_size = t->metadata ? strlen(CLEAN) : 0;
	}
}

// What was not taken is said again with the next.
static void committed(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct requests *r = ((struct kafka_client *)opaque)->owner;
	for (int i = 0; list && i < list->cnt; i++) {
		struct progress *p = progress_of(r, list->elems[i].partition);
		if (p && (err || list->elems[i].err))
			p->committed = -1;
	}
	if (err && err != RD_KAFKA_RESP_ERR__NO_OFFSET)
		log_say(LOG_INFO, ROOM, "the group did not take how far requests are answered: %s",
			rd_kafka_err2str(err));
}

// Waits for the group's word, as long as a broker that is there takes. False: it did not come.
static bool commit_and_wait(struct requests *r, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_queue_t *q = rd_kafka_queue_new(r->reader.rk);
	bool good = false;
	if (rd_kafka_commit_queue(r->reader.rk, list, q, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		rd_kafka_event_t *e = NULL;
		for (unsigned i = 0, n = requests_within(r, SETTLE_MS) / 10; i < n && !e; i++) {
			requests_policy(r);
			e = rd_kafka_queue_poll(q, 10);
		}
		good = e && rd_kafka_event_error(e) == RD_KAFKA_RESP_ERR_NO_ERROR;
		if (e)
			rd_kafka_event_destroy(e);
	}
	rd_kafka_queue_destroy(q);
	return good;
}

static void leave(struct requests *r, const rd_kafka_topic_partition_list_t *parts, bool lost)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(parts->cnt);
	if (!lost)
		requests_send_settle(r, requests_within(r, SETTLE_MS));
	for (int i = 0; i < parts->cnt; i++) {
		struct progress *p = progress_of(r, parts->elems[i].partition);
		if (p && p->owned && p->next >= 0)
			add(list, r, p, true);
	}
	bool said = !lost && list->cnt && commit_and_wait(r, list);
	rd_kafka_topic_partition_list_destroy(list);
	for (int i = 0; i < parts->cnt; i++) {
		struct progress *p = progress_of(r, parts->elems[i].partition);
		if (!p || !p->owned)
			continue;
		p->left_clean = said && p->n == 0 && p->next >= 0;
		p->owned = false;
		progress_begin(p);
		atomic_fetch_sub(&r->owned, 1);
	}
}

void requests_share_commit(struct requests *r, bool leaving)
{
	if (!leaving && r->now_ns - r->committed_at_ns < COMMIT_NS)
		return;
	r->committed_at_ns = r->now_ns;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	uint32_t open = 0;
	for (unsigned i = 0; i < REQUESTS_PARTITIONS; i++) {
		struct progress *p = r->partitions[i];
		if (!p || !p->owned)
			continue;
		open += p->n;
		if (p->next < 0 || p->next == p->committed)
			continue;
		add(list, r, p, false);
		p->committed = p->next;
	}
	atomic_store_explicit(&r->open, open, memory_order_relaxed);
	if (list->cnt)
		rd_kafka_commit(r->reader.rk, list, 1);
	rd_kafka_topic_partition_list_destroy(list);
}

// ---- shares ------------------------------------------------------------------------------------------------------

// What is asked of a group that gives us a share.
struct question {
	struct requests *r;
	const rd_kafka_topic_partition_list_t *parts;
	// the group's commits; the first and the last of what the topic holds. Each its own offset, none: INVALID
	rd_kafka_topic_partition_list_t *stand, *low, *high;
};

static rd_kafka_topic_partition_list_t *where_they_stand(const struct question *q)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(q->parts);
	for (unsigned i = 0; i < ASK_TRIES && !atomic_load(&q->r->stop); i++)
		if (rd_kafka_committed(q->r->reader.rk, list, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
			return list;
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
	return list;
}

// All of them at once. rd_kafka_query_watermark_offsets asks one by one, and waits for socket.timeout.ms.
static rd_kafka_topic_partition_list_t *where_it_ends(const struct question *q, int64_t end)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(q->parts);
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = end;
	bool told = !atomic_load(&q->r->stop) &&
		    rd_kafka_offsets_for_times(q->r->reader.rk, list, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
	for (int i = 0; i < list->cnt; i++)
		if (!told || list->elems[i].err)
			list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
	return list;
}

static void *ask(void *arg)
{
	struct question *q = arg;
	q->stand = where_they_stand(q);
	q->low = where_it_ends(q, RD_KAFKA_OFFSET_BEGINNING);
	q->high = where_it_ends(q, RD_KAFKA_OFFSET_END);
	return NULL;
}

// On a thread of its own: nobody knows when a broker answers, and a policy waits for this one.
static void ask_beside(struct question *q)
{
	pthread_t thread;
	struct timespec until;
	if (pthread_create(&thread, NULL, ask, q) != 0) {
		ask(q);
		return;
	}
	do {
		requests_policy(q->r);
		requests_send_poll(q->r, 0);
		until = clock_time(clock_ns(CLOCK_MONOTONIC) + LOOK_NS);
	} while (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0);
}

// Reading goes on where the group left it, or so far before that the ids of what was answered are known.
static void come(const struct question *q, int i, rd_kafka_topic_partition_t *part)
{
	struct requests *r = q->r;
	const rd_kafka_topic_partition_t *at = &q->stand->elems[i];
	struct progress *p = progress_of(r, part->partition);
	int64_t low = q->low->elems[i].offset, high = q->high->elems[i].offset;
	if (!p) {
		log_say(LOG_ERROR, ROOM, "partition %d is beyond the %u that are looked at", part->partition,
			REQUESTS_PARTITIONS);
		return;
	}
	bool ours = p->left_clean && p->next == at->offset;
	bool clean = at->metadata_size == strlen(CLEAN) && !memcmp(at->metadata, CLEAN, strlen(CLEAN));
	progress_begin(p);
	p->owned = true;
	p->left_clean = false;
	p->next = at->offset >= 0 ? at->offset : -1;
	p->committed = p->next;
	p->known_below = p->again_below = 0;
	atomic_fetch_add(&r->owned, 1);
	if (ours || low < 0 || high < 0)
		return;
	if (at->offset < 0) { // nobody has read it before: from now on
		part->offset = p->next = high;
		return;
	}
	if (!clean)
		p->again_below = high;
	if (low >= at->offset) // what was not answered is gone, too, or there is nothing to remember
		return;
	p->known_below = at->offset;
	part->offset = at->offset - REMEMBER > low ? at->offset - REMEMBER : low;
}

static void take_over(struct requests *r, rd_kafka_topic_partition_list_t *parts)
{
	struct question q = {.r = r, .parts = parts};
	ask_beside(&q);
	for (int i = 0; i < parts->cnt; i++)
		come(&q, i, &parts->elems[i]);
	rd_kafka_topic_partition_list_destroy(q.stand);
	rd_kafka_topic_partition_list_destroy(q.low);
	rd_kafka_topic_partition_list_destroy(q.high);
}

static void said(rd_kafka_error_t *e)
{
	if (!e)
		return;
	log_say(LOG_WARNING, ROOM, "the group: %s", rd_kafka_error_string(e));
	rd_kafka_error_destroy(e);
}

static void rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *parts, void *opaque)
{
	struct requests *r = ((struct kafka_client *)opaque)->owner;
	const char *protocol = rd_kafka_rebalance_protocol(rk);
	bool some = protocol && !strcmp(protocol, "COOPERATIVE"), comes = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
	requests_counts(r, REQUESTS_REBALANCES);
	atomic_store(&r->topicless, false);
	if (comes)
		take_over(r, parts);
	else
		leave(r, parts, rd_kafka_assignment_lost(rk));
	if (some)
		said(comes ? rd_kafka_incremental_assign(rk, parts) : rd_kafka_incremental_unassign(rk, parts));
	else
		rd_kafka_assign(rk, comes ? parts : NULL);
	log_say(LOG_NOTICE, ROOM, "%d partitions of %s %s, %u are ours", parts->cnt, r->config.requests,
		comes ? "came" : "went", atomic_load(&r->owned));
}

void requests_share_callbacks(rd_kafka_conf_t *c)
{
	rd_kafka_conf_set_rebalance_cb(c, rebalanced);
	rd_kafka_conf_set_offset_commit_cb(c, committed);
}
