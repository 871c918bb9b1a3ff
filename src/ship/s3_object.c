// SPDX-License-Identifier: BSD-3-Clause
//
// An object and its upload. In: lines. Out: one PUT of what is small, else a multipart upload whose parts leave while
// the object grows, so that of 64 MiB no more than a part or two is held. The sink's thread.
//
// Where SSE-KMS is asked for, and the server has not said yet that it does it, an empty part goes first, and what is
// small has a Create, too: UploadPart's answers say it everywhere, Create's not (MinIO).
//
//   add ... go: [Create] Part Part ...      sealed: go: last Part, then, once `recorded`: Complete, or PUT -> ARRIVED
//   refused: SPOILT, and where nothing was sent yet the same again under error/; its upload is gone: LOST
//
// What makes it visible (Complete, PUT) waits for `recorded`: the cut is durable, so that who comes after a crash makes
// the same bytes under the same name.
#include "ship/s3_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "remote/xml.h"

#define COMPLETE_EACH 220 // bytes of a part in the list of Complete, and more

static void name(struct s3_object *o)
{
	time_t t = (time_t)(o->of.hour * 3600);
	struct tm tm;
	char when[32];
	strftime(when, sizeof(when), "dt=%Y-%m-%d/hour=%H", gmtime_r(&t, &tm));
	snprintf(o->key, sizeof(o->key), "%s%s%sclass=%s/tenant=%llu/%s/%s-%llu-%020llu.ndjson%s", o->to->prefix,
		 *o->to->prefix ? "/" : "", o->refused ? "error/" : "", o->of.class, (unsigned long long)o->of.tenant,
		 when, o->of.node, (unsigned long long)o->of.boot, (unsigned long long)o->first,
		 pack_suffixes[o->to->kind]);
}

struct s3_object *s3_object_new(const struct s3_target *to, const struct s3_of *of, uint64_t first)
{
	struct s3_object *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->to = to;
	o->of = *of;
	o->first = first;
	o->born_ns = clock_ns(CLOCK_MONOTONIC);
	o->pack.kind = to->kind;
	name(o);
	return o;
}

void s3_object_free(struct s3_object *o)
{
	s3_cancel(&o->call);
	pack_free(&o->pack);
	free(o->filling.p);
	free(o->sending.p);
	free(o);
}

bool s3_object_add(struct s3_object *o, const char *line, size_t n)
{
	o->raw += n;
	return pack_add(&o->pack, line, n, &o->filling);
}

bool s3_object_seal(struct s3_object *o)
{
	o->sealed = true;
	return pack_end(&o->pack, &o->filling);
}

size_t s3_object_memory(const struct s3_object *o)
{
	return sizeof(*o) + pack_memory(&o->pack) + o->filling.room + o->sending.room;
}

static void header(struct s3_object *o, const char *name_of, const char *value)
{
	o->call.headers[o->call.nheaders++] = (struct sigv4_pair){name_of, value};
}

static void query(struct s3_object *o, const char *name_of, const char *value)
{
	o->call.query[o->call.nquery++] = (struct sigv4_pair){name_of, value};
}

static const char *kms_of(const struct s3_object *o)
{
	return o->to->kms(o->to->arg, o->of.tenant, o->refused);
}

// What is said of an object where it comes into being: PUT and Create.
static void describe(struct s3_object *o)
{
	static const char *const types[PACK_KINDS] = {"application/zstd", "application/gzip", "application/x-ndjson"};
	const char *kms = kms_of(o);
	header(o, "Content-Type", types[o->to->kind]);
	if (*kms) {
		header(o, "x-amz-server-side-encryption", "aws:kms");
		header(o, "x-amz-server-side-encryption-aws-kms-key-id", kms);
		header(o, "x-amz-server-side-encryption-bucket-key-enabled", "true");
	}
	if (o->refused)
		header(o, "x-amz-meta-why", o->why);
}

static void begin(struct s3_object *o, const char *method, const struct pack_bytes *body,
		  void (*done)(struct s3_call *, enum s3_outcome))
{
	o->call.method = method;
	o->call.kms = !strcmp(method, "PUT") && *kms_of(o);
	o->call.key = o->key;
	o->call.body = body ? body->p : NULL;
	o->call.body_len = body ? body->n : 0;
	o->call.done = done;
	o->call.arg = o;
	s3_begin(o->to->s3, &o->call);
}

static void fresh(struct s3_object *o)
{
	o->call.nquery = o->call.nheaders = 0;
	o->call.only_new = false;
	o->call.answer = NULL;
}

// True: it arrived. Else what becomes of it has been decided.
static bool went(struct s3_object *o, enum s3_outcome outcome)
{
	if (outcome == S3_OK)
		return true;
	if (outcome == S3_GONE) {
		if (!o->call.attempts) // else it may have been completed, unheard
			log_say(LOG_WARNING, "ship",
				"an upload is gone: does another appliance have the name %s, or the bucket a lifecycle "
				"rule? It is made again: key=%s",
				o->of.node, o->key);
		o->state = S3_LOST;
		return false;
	}
	if (o->call.status == 412)
		snprintf(o->why, sizeof(o->why), "there is an object of this name, of another appliance named %s",
			 o->of.node);
	else
		s3_why(&o->call, o->why, sizeof(o->why));
	o->state = S3_SPOILT;
	return false;
}

static void arrived(struct s3_call *c, enum s3_outcome outcome)
{
	struct s3_object *o = c->arg;
	if (went(o, outcome))
		o->state = S3_ARRIVED;
}

// What makes it visible. One of an earlier cut may stand there, as our own; any other is somebody else's.
static void show(struct s3_object *o, const char *method, const struct pack_bytes *body)
{
	o->call.only_new = !o->planned;
	begin(o, method, body, arrived);
}

bool s3_object_refuse(struct s3_object *o)
{
	if (o->refused || *o->upload)
		return false;
	if (o->sealed && !o->filling.n) { // it was a PUT
		struct pack_bytes t = o->filling;
		o->filling = o->sending;
		o->sending = t;
	}
	o->refused = true;
	o->state = S3_MAKING;
	name(o);
	return true;
}

static void part_sent(struct s3_call *c, enum s3_outcome outcome)
{
	struct s3_object *o = c->arg;
	if (!went(o, outcome))
		return;
	const char *etag = http_header(&c->http, "etag");
	snprintf(o->part[o->parts].etag, sizeof(o->part->etag), "%s", etag ? etag : "");
	snprintf(o->part[o->parts].checksum, sizeof(o->part->checksum), "%s", c->checksum);
	o->parts++;
	o->sending.n = 0;
	s3_object_go(o);
}

static void created(struct s3_call *c, enum s3_outcome outcome)
{
	struct s3_object *o = c->arg;
	if (!went(o, outcome))
		return;
	xml_text(c->http.reply, "UploadId", o->upload, sizeof(o->upload));
	if (!*o->upload) {
		snprintf(o->call.code, sizeof(o->call.code), "NoUploadId");
		went(o, S3_REFUSED);
		return;
	}
	s3_object_go(o);
}

static void probed(struct s3_call *c, enum s3_outcome outcome)
{
	if (went(c->arg, outcome))
		s3_object_go(c->arg);
}

// Part 1, which the first that has something replaces.
static void probe(struct s3_object *o)
{
	fresh(o);
	query(o, "partNumber", "1");
	query(o, "uploadId", o->upload);
	begin(o, "PUT", NULL, probed);
}

static void send_part(struct s3_object *o)
{
	struct pack_bytes t = o->sending;
	snprintf(o->number, sizeof(o->number), "%u", o->parts + 1);
	o->sending = o->filling;
	t.n = 0;
	o->filling = t;
	o->packed += o->sending.n;
	fresh(o);
	query(o, "partNumber", o->number);
	query(o, "uploadId", o->upload);
	begin(o, "PUT", &o->sending, part_sent);
}

static bool complete(struct s3_object *o)
{
	struct pack_bytes *b = &o->sending;
	char etag[6 * sizeof(o->part->etag)];
	b->n = 0;
	if (!pack_reserve(b, 128 + o->parts * (COMPLETE_EACH + sizeof(etag))))
		return false;
	b->n += (size_t)sprintf(b->p, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (unsigned i = 0; i < o->parts; i++) {
		xml_quote(o->part[i].etag, etag, sizeof(etag));
		b->n += (size_t)sprintf(b->p + b->n, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag>", i + 1, etag);
		if (o->to->checksum)
			b->n += (size_t)sprintf(b->p + b->n, "<ChecksumSHA256>%s</ChecksumSHA256>",
						o->part[i].checksum);
		b->n += (size_t)sprintf(b->p + b->n, "</Part>");
	}
	b->n += (size_t)sprintf(b->p + b->n, "</CompleteMultipartUpload>");
	fresh(o);
	query(o, "uploadId", o->upload);
	o->call.answer = "CompleteMultipartUploadResult";
	show(o, "POST", b);
	return true;
}

static void create(struct s3_object *o)
{
	fresh(o);
	query(o, "uploads", "");
	describe(o);
	if (o->to->checksum)
		header(o, "x-amz-checksum-algorithm", "SHA256");
	o->call.answer = "InitiateMultipartUploadResult";
	begin(o, "POST", NULL, created);
}

void s3_object_go(struct s3_object *o)
{
	bool part = o->filling.n >= o->to->part_bytes && o->parts < S3_PARTS - 1;
	if (o->call.active || o->state != S3_MAKING)
		return;
	bool wary = *kms_of(o) && !s3_encrypts(o->to->s3);
	if (!*o->upload && (o->sealed ? wary : part)) {
		create(o);
	} else if (*o->upload && wary) {
		probe(o);
	} else if (*o->upload && (part || (o->sealed && o->filling.n))) {
		send_part(o);
	} else if (o->sealed && o->recorded && *o->upload) {
		if (!complete(o))
			o->state = S3_LOST;
	} else if (o->sealed && o->recorded) {
		struct pack_bytes t = o->sending;
		o->sending = o->filling;
		o->filling = t;
		o->packed = o->sending.n;
		fresh(o);
		describe(o);
		show(o, "PUT", &o->sending);
	}
}
