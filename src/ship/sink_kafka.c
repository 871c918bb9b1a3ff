// SPDX-License-Identifier: BSD-3-Clause
//
// The kind `kafka`: records in, messages of a topic out, each once, in order by partition.
//
//   put -> [pack by partition] -> rd_kafka_producev -> librdkafka's queue -> broker -> delivery report -> in_flight
//                                        |                                                   |
//                                        QUEUE_FULL: busy, the spool waits                   cursor: the contiguous
//                                        prefix
//
// A broker that is away, slow or killed is librdkafka's own matter: the queue is full, the spool keeps the rest, and
// its idempotent producer sends again what was not acknowledged, under the same numbers, so that nothing stands twice.
// Messages have no time limit of their own for that reason: one that was given up and put again would have a new
// number. What librdkafka does give up (no such topic, not authorised, a fatal error) stops the sending; when every
// report is in, all is read again from the cursor, without what arrived behind it, one message at a time until one
// arrives. What the broker refuses for what it is (too large) goes alone, in smaller and smaller batches, until it is
// known which record it was; that one goes to `errors_topic`, with the reason, and the rest goes on.
//
// The sink's thread; reports come in its poll. Key: the flow's user, else its source address, so that a user's records
// stand in one partition, in order. Headers node, boot, worker, seq: by them a reader drops what a crash sent twice.
#include "ship/sink_kafka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ship/jsonl.h"
#include "ship/text.h"

#define FLIGHT (1u << 18) // records, 6 MiB
#define SILENT_NS 10000000000ull
#define WATCH_NS 500000000ull
#define COUNT_NS 60000000000ull
#define SETTLE_MS 10
#define SMALL_AGAIN 1000 // messages alone that arrive before batches are tried again
#define PACKS_BYTES (64u << 20)
#define BATCH_BYTES 1000000u
#define REQUESTS 5      // under way to a broker: what idempotence allows
#define KEY_ROOM 256    // of a message; a longer user is not told from an address
#define HEAD_BYTES 4096 // of a refused record, in errors_topic

// A message's _private: slot, partition where it was packed, and whether it is one of errors_topic.
#define PRIVATE(slot, partition) ((void *)((uintptr_t)(slot) | (uintptr_t)(partition) << 32))
#define PRIVATE_ERROR ((uintptr_t)1 << 63)
#define ALONE 0x7fffffff // it goes where its key says, packs or not
#define SLOT_OF(p) ((uint32_t)(uintptr_t)(p))
#define PARTITION_OF(p) ((int32_t)((uintptr_t)(p) >> 32 & 0x7fffffff))

// ---- reports -----------------------------------------------------------------------------------------------------

static bool for_itself(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || err == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
	       err == RD_KAFKA_RESP_ERR_INVALID_MSG || err == RD_KAFKA_RESP_ERR_INVALID_RECORD ||
	       err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

// Batches as they are now.
static uint32_t batch_bytes(const struct sink_kafka *o)
{
	return BATCH_BYTES >> o->step;
}

// A record that went alone is the one; else all go again in smaller batches.
static void unwelcome(struct sink_kafka *o, const rd_kafka_message_t *m)
{
	uint32_t slot = SLOT_OF(m->_private);
	bool one = o->flight.ring[slot].next == IN_FLIGHT_NONE;
	if (o->failed)
		return;
	o->failed = true;
	o->why[0] = 0;
	if (one && (o->step == SINK_KAFKA_SMALLEST || m->len >= batch_bytes(o))) {
		o->refuse = o->flight.ring[slot].end;
		snprintf(o->refuse_why, sizeof(o->refuse_why), "%zu bytes: %s", m->len, rd_kafka_err2str(m->err));
		return;
	}
	o->step += o->step < SINK_KAFKA_SMALLEST;
	o->small = 0;
	o->anew = true;
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct sink *k = ((struct kafka_client *)opaque)->owner;
	struct sink_kafka *o = k->own;
	o->waiting--;
	o->heard_ns = clock_ns(CLOCK_MONOTONIC);
	if (!m->err || (uintptr_t)m->_private & PRIVATE_ERROR) {
		in_flight_arrived(&o->flight, SLOT_OF(m->_private));
		o->sent_bytes += m->len;
		o->trial &= m->err != 0;
		if (!m->err && !o->client.up)
			kafka_turned(&o->client, true);
		if (o->step == SINK_KAFKA_SMALLEST && ++o->small == SMALL_AGAIN && !o->failed) {
			o->step--;
			o->failed = o->anew = true;
		}
	} else if (for_itself(m->err)) {
		unwelcome(o, m);
	} else if (!o->failed || !o->why[0]) {
		o->failed = true;
		sink_kafka_words(k, m->err, o->why);
	}
}

// Reports that are there; waits for one up to so long. What arrived moves the cursor.
static void serve(struct sink *k, int ms)
{
	struct sink_kafka *o = k->own;
	if (!o->client.rk)
		return;
	rd_kafka_poll(o->client.rk, ms);
	if (o->sent_bytes) {
		sink_sent(k, o->sent_bytes);
		if (!o->failed)
			sink_kafka_works(k);
		o->sent_bytes = 0;
	}
	uint64_t end = in_flight_passed(&o->flight);
	if (end)
		sink_acked(k, end, false);
	char text[160];
	rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(o->client.rk, text, sizeof(text));
	if (!fatal || o->anew)
		return;
	o->failed = o->anew = true;
	if (fatal == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
		sink_kafka_words(k, fatal, o->why);
	else
		snprintf(o->why, sizeof(o->why), "made anew after a fatal error: %s", text);
}

// ---- the producer ------------------------------------------------------------------------------------------------

static int32_t partition_of(const rd_kafka_topic_t *t, const void *key, size_t len, int32_t n, void *opaque,
			    void *private)
{
	int32_t p = PARTITION_OF(private);
	return p < n ? p : rd_kafka_msg_partitioner_murmur2(t, key, len, n, NULL, NULL);
}

static void callbacks(rd_kafka_conf_t *c)
{
	rd_kafka_conf_set_dr_msg_cb(c, delivered);
}

static int topics(struct sink *k)
{
	struct sink_kafka *o = k->own;
	rd_kafka_topic_conf_t *t = rd_kafka_default_topic_conf_dup(o->client.rk);
	if (o->pack_bytes)
		rd_kafka_topic_conf_set_partitioner_cb(t, partition_of);
	o->topic = rd_kafka_topic_new(o->client.rk, k->config->topic, t);
	if (*k->config->errors_topic)
		o->errors = rd_kafka_topic_new(o->client.rk, k->config->errors_topic, NULL);
	return o->topic ? 0 : -EINVAL;
}

static void fini_producer(struct sink_kafka *o)
{
	if (o->topic)
		rd_kafka_topic_destroy(o->topic);
	if (o->errors)
		rd_kafka_topic_destroy(o->errors);
	o->topic = o->errors = NULL;
	kafka_close(&o->client);
}

// 0 or -EINVAL, said: why.
static int init_producer(struct sink *k, char why[KAFKA_WHY])
{
	struct sink_kafka *o = k->own;
	char linger[16], batch[16];
	static const char *const acks[] = {"-1", "1", "0"};
	const bool all = k->config->acks == SINK_ACKS_ALL;
	const bool alone = o->pack_bytes || o->step == SINK_KAFKA_SMALLEST;
	snprintf(linger, sizeof(linger), "%u", alone ? 0 : k->config->linger_ms);
	snprintf(batch, sizeof(batch), "%u", batch_bytes(o));
	const char *const set[][2] = {{"acks", acks[k->config->acks]},
				      {"enable.idempotence", all ? "true" : "false"},
				      {"linger.ms", linger},
				      {"batch.size", batch},
				      {o->step == SINK_KAFKA_SMALLEST ? "batch.num.messages" : NULL, "1"},
				      {NULL}};
	const struct kafka_wish w = {
		.role = KAFKA_LOGS, .name = k->config->name, .set = set, .callbacks = callbacks, .owner = k};
	int rc = kafka_open(&o->client, &w, why);
	rc = rc < 0 ? rc : topics(k);
	if (rc < 0)
		fini_producer(o);
	char size[16] = "";
	size_t n = sizeof(size);
	if (rc == 0 &&
	    rd_kafka_conf_get(rd_kafka_conf(o->client.rk), "message.max.bytes", size, &n) == RD_KAFKA_CONF_OK)
		o->message_max = strtoul(size, NULL, 10);
	o->ready = o->failed = o->anew = false;
	o->opened_ns = clock_ns(CLOCK_MONOTONIC);
	o->waiting = 0;
	o->looked_ns = 0;
	return rc;
}

static void drop_packs(struct sink_kafka *o)
{
	for (int i = 0; i < o->npacks; i++)
		o->packs[i].len = o->packs[i].records = 0;
}

// Sending stopped, and every report is in: all goes again from the cursor on.
static bool again(struct sink *k)
{
	struct sink_kafka *o = k->own;
	char why[KAFKA_WHY];
	serve(k, o->waiting ? SETTLE_MS : 0);
	if (o->why[0] && !o->told)
		sink_kafka_fails(k, o->why);
	o->told = true; // while reports are waited for, watch has more to say
	if (o->waiting && !(o->anew && rd_kafka_fatal_error(o->client.rk, NULL, 0)))
		return false;
	o->why[0] = 0;
	o->told = false;
	drop_packs(o);
	in_flight_rewind(&o->flight);
	sink_rewind(k);
	if (o->anew) {
		fini_producer(o);
		if (init_producer(k, why) < 0)
			sink_kafka_fails(k, why);
	}
	o->failed = o->ready = false;
	o->trial = true;
	return true;
}

static bool ready(struct sink *k)
{
	struct sink_kafka *o = k->own;
	char why[KAFKA_WHY];
	if (!o->client.rk && init_producer(k, why) < 0) {
		sink_kafka_fails(k, why);
		return false;
	}
	o->ready = o->ready || sink_kafka_look(k);
	return o->ready;
}

// ---- messages ----------------------------------------------------------------------------------------------------

// Numbers in headers are digits: readers of every language have those.
static rd_kafka_headers_t *headers_of(const char *node, uint64_t boot, uint16_t worker, uint32_t seq, unsigned records)
{
	rd_kafka_headers_t *h = rd_kafka_headers_new(5);
	const struct {
		const char *name;
		uint64_t n;
	} all[] = {{"boot", boot}, {"worker", worker}, {"seq", seq}, {"records", records}};
	rd_kafka_header_add(h, "node", 4, node, -1);
	for (unsigned i = 0; i < (records ? 4u : 3u); i++) {
		char digits[24];
		rd_kafka_header_add(h, all[i].name, -1, digits, text_u64(digits, all[i].n) - digits);
	}
	return h;
}

static rd_kafka_resp_err_t produce(struct sink_kafka *o, rd_kafka_topic_t *t, const void *key, size_t key_len,
				   const void *text, size_t len, rd_kafka_headers_t *h, void *private)
{
	rd_kafka_resp_err_t err =
		rd_kafka_producev(o->client.rk, RD_KAFKA_V_RKT(t), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				  RD_KAFKA_V_KEY(key, key_len), RD_KAFKA_V_VALUE((void *)(uintptr_t)text, len),
				  RD_KAFKA_V_OPAQUE(private), RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END);
	if (err)
		rd_kafka_headers_destroy(h);
	else if (o->waiting++ == 0)
		o->heard_ns = clock_ns(CLOCK_MONOTONIC);
	return err;
}

// So that all of a user's records are in one partition, in order; where none is known, of an address; else of the node.
static size_t key_of(const struct sink_item *item, char out[KEY_ROOM])
{
	const struct record *r = item->record;
	const struct fact *user = record_find(r, FACT_USER);
	if (user && user->len && user->len <= KEY_ROOM) {
		memcpy(out, user->value, user->len);
		return user->len;
	}
	if (r->ip_version == 4 || r->ip_version == 6)
		return (size_t)(text_ip(out, r->src, r->ip_version) - out);
	return (size_t)snprintf(out, KEY_ROOM, "%.60s", item->node);
}

// What librdkafka did not take.
static enum sink_took not_taken(struct sink *k, rd_kafka_resp_err_t err, size_t len)
{
	struct sink_kafka *o = k->own;
	if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return SINK_BUSY;
	if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
		snprintf(k->refusal, sizeof(k->refusal), "%zu bytes: more than kafka.message.max.bytes, %zu", len,
			 o->message_max);
		return SINK_REFUSED;
	}
	o->failed = true;
	sink_kafka_words(k, err, o->why);
	return SINK_BUSY;
}

// Is it taken? It has a slot then.
static enum sink_took put_one(struct sink *k, const struct sink_item *item)
{
	struct sink_kafka *o = k->own;
	const struct record *r = item->record;
	char key[KEY_ROOM];
	size_t key_len = key_of(item, key), len = item->len - (item->len && item->text[item->len - 1] == '\n');
	uint32_t slot = in_flight_add(&o->flight, item->end);
	rd_kafka_resp_err_t err =
		produce(o, o->topic, key, key_len, item->text, len,
			headers_of(item->node, item->boot, r->worker, r->seq, 0), PRIVATE(slot, ALONE));
	if (!err)
		return SINK_TOOK;
	o->flight.head--;
	return not_taken(k, err, len);
}

// ---- packs -------------------------------------------------------------------------------------------------------

static size_t pack_room(const struct sink_kafka *o)
{
	size_t room = o->pack_bytes, bound = PACKS_BYTES / (unsigned)o->partitions;
	bound = bound < batch_bytes(o) / 2 ? bound : batch_bytes(o) / 2;
	bound = bound < o->message_max / 2 ? bound : o->message_max / 2;
	return room < bound ? room : bound;
}

// As many packs as can be under way, or reports of them are waited for: librdkafka's thread of a broker does not sleep
// while a message waits for a request before it (2.0.2), and takes the processor that makes the next pack.
static bool may_go(struct sink *k)
{
	struct sink_kafka *o = k->own;
	size_t most = REQUESTS * ((batch_bytes(o) - 1) / pack_room(o)); // with heads the batch holds one less
	if (o->waiting >= most)
		serve(k, SETTLE_MS);
	return o->waiting < most && !o->failed;
}

static bool send_pack(struct sink *k, int partition)
{
	struct sink_kafka *o = k->own;
	struct sink_kafka_pack *p = &o->packs[partition];
	if (p->records == 0)
		return true;
	if (!may_go(k))
		return false;
	rd_kafka_resp_err_t err =
		produce(o, o->topic, p->key, p->key_len, p->text, p->len - 1,
			headers_of(p->node, p->boot, p->worker, p->seq, p->records), PRIVATE(p->first, partition));
	if (!err)
		p->len = p->records = 0;
	else if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
		not_taken(k, err, p->len);
	return !err;
}

// Those that have waited for linger_ms; all: now. False: some could not go.
static bool send_packs(struct sink *k, bool all)
{
	struct sink_kafka *o = k->own;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), linger = k->config->linger_ms * 1000000ull;
	bool gone = true;
	for (int i = 0; i < o->npacks && !o->failed; i++) {
		if (o->packs[i].records && (all || now - o->packs[i].since_ns >= linger))
			gone &= send_pack(k, i);
	}
	return gone;
}

static void begin_pack(struct sink_kafka_pack *p, const struct sink_item *item, const char *key, size_t key_len)
{
	p->since_ns = clock_ns(CLOCK_MONOTONIC);
	memcpy(p->key, key, key_len);
	p->key_len = key_len;
	snprintf(p->node, sizeof(p->node), "%s", item->node);
	p->boot = item->boot;
	p->worker = item->record->worker;
	p->seq = item->record->seq;
}

// Lines of records of one partition, until there is no room for one more.
static enum sink_took pack(struct sink *k, const struct sink_item *item)
{
	struct sink_kafka *o = k->own;
	char key[KEY_ROOM];
	size_t key_len = key_of(item, key), room = pack_room(o);
	int n = rd_kafka_msg_partitioner_murmur2(o->topic, key, key_len, o->partitions, NULL, NULL);
	struct sink_kafka_pack *p = &o->packs[n];
	if (!p->text)
		p->text = malloc(o->pack_bytes);
	bool other = p->records && (p->len + item->len > room || p->boot != item->boot || strcmp(p->node, item->node));
	if (other && !send_pack(k, n))
		return SINK_BUSY;
	if (item->len > room || !p->text)
		return put_one(k, item);
	if (p->records == 0)
		begin_pack(p, item, key, key_len);
	uint32_t slot = in_flight_add(&o->flight, item->end);
	if (p->records++ == 0)
		p->first = slot;
	else
		in_flight_join(&o->flight, p->last, slot);
	p->last = slot;
	memcpy(p->text + p->len, item->text, item->len);
	p->len += item->len;
	return SINK_TOOK;
}

// ---- the kind ----------------------------------------------------------------------------------------------------

static int kafka_sink_open(struct sink *k)
{
	struct sink_kafka *o = k->own;
	char why[KAFKA_WHY];
	o->pack_bytes = (size_t)k->config->pack_kb << 10;
	o->refuse = UINT64_MAX;
	int rc = in_flight_init(&o->flight, FLIGHT);
	if (rc == 0 && (rc = init_producer(k, why)) < 0)
		sink_kafka_fails(k, why);
	return rc;
}

static enum sink_took kafka_sink_put(struct sink *k, const struct sink_item *item)
{
	struct sink_kafka *o = k->own;
	if ((o->flight.head & 63) == 0 || o->trial)
		serve(k, 0);
	if (o->failed) {
		again(k);
		return SINK_BUSY;
	}
	if (!o->ready && !ready(k))
		return SINK_DOWN;
	if (in_flight_full(&o->flight) || (o->trial && o->waiting)) {
		serve(k, SETTLE_MS);
		return SINK_BUSY;
	}
	if (in_flight_had(&o->flight, item->end))
		return SINK_TOOK;
	if (o->refuse == item->end) {
		snprintf(k->refusal, sizeof(k->refusal), "%s", o->refuse_why);
		return SINK_REFUSED;
	}
	if (!o->pack_bytes || o->step == SINK_KAFKA_SMALLEST || o->trial)
		return put_one(k, item);
	return pack(k, item);
}

// What librdkafka does not say by a report: nobody there, nobody answers.
static void watch(struct sink *k)
{
	struct sink_kafka *o = k->own;
	char error[KAFKA_WHY], why[SINK_TEXT];
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	if (now - o->watched_ns < WATCH_NS)
		return;
	o->watched_ns = now;
	if (o->pack_bytes && now - o->looked_ns > COUNT_NS) // partitions may have been added
		sink_kafka_look(k);
	if (o->client.since_ns && !o->client.up) {
		kafka_error(&o->client, error);
		snprintf(why, sizeof(why), "no broker answers: %.200s", error);
		sink_kafka_fails(k, why);
	} else if (o->waiting && now - o->heard_ns > SILENT_NS) {
		if (sink_kafka_look(k))
			sink_kafka_fails(k, "the broker answers, and has acknowledged nothing for 10 s");
	} else if (o->client.up && !o->failed && !o->trial) {
		sink_kafka_works(k);
	}
}

static bool kafka_sink_idle(struct sink *k)
{
	struct sink_kafka *o = k->own;
	serve(k, 0);
	if (o->failed ? again(k) : !ready(k))
		return true;
	if (!o->failed)
		send_packs(k, false);
	watch(k);
	return true;
}

static bool kafka_sink_drain(struct sink *k)
{
	struct sink_kafka *o = k->own;
	if (o->failed) {
		if (!again(k))
			watch(k);
		return false;
	}
	if (!o->client.rk || !ready(k))
		return in_flight_empty(&o->flight);
	watch(k);
	send_packs(k, true);
	rd_kafka_flush(o->client.rk, SETTLE_MS);
	serve(k, 0);
	bool all = in_flight_empty(&o->flight);
	if (all)
		sink_acked(k, 0, true);
	return all;
}

// {"why","sink","topic","node","boot","worker","seq","bytes","record"}: key is the topic it was for.
static void kafka_sink_error(struct sink *k, const struct sink_item *item)
{
	struct sink_kafka *o = k->own;
	char text[4 * HEAD_BYTES + 2048];
	struct jsonl j = {.at = text, .end = text + sizeof(text)};
	const struct record *r = item->record;
	uint32_t slot = in_flight_add(&o->flight, item->end);
	o->refuse = UINT64_MAX;
	jsonl_open(&j, '{');
	jsonl_member_string(&j, "why", k->refusal);
	jsonl_member_string(&j, "sink", k->config->name);
	jsonl_member_string(&j, "topic", k->config->topic);
	jsonl_member_string(&j, "node", item->node);
	jsonl_member_digits(&j, "boot", item->boot);
	jsonl_member_num(&j, "worker", r->worker);
	jsonl_member_num(&j, "seq", r->seq);
	jsonl_member_num(&j, "bytes", item->len);
	jsonl_member_bytes(&j, "record", item->text, item->len < HEAD_BYTES ? item->len : HEAD_BYTES);
	jsonl_close(&j, '}');
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	if (o->errors && !j.full)
		err = produce(o, o->errors, k->config->topic, strlen(k->config->topic), text, (size_t)(j.at - text),
			      headers_of(item->node, item->boot, r->worker, r->seq, 0),
			      (void *)((uintptr_t)slot | PRIVATE_ERROR));
	if (err)
		in_flight_arrived(&o->flight, slot);
}

static void kafka_sink_close(struct sink *k)
{
	struct sink_kafka *o = k->own;
	fini_producer(o);
	for (int i = 0; i < o->npacks; i++)
		free(o->packs[i].text);
	free(o->packs);
	in_flight_fini(&o->flight);
}

const struct sink_kind sink_kafka = {
	"kafka",         sizeof(struct sink_kafka), kafka_sink_open,           kafka_sink_put,
	kafka_sink_idle, kafka_sink_drain,          .error = kafka_sink_error, .close = kafka_sink_close};
