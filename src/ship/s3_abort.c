// SPDX-License-Identifier: BSD-3-Clause
//
// Listing and aborting, one request at a time. In: the prefix and the node. Out: DELETEs. The sink's thread.
//
// An upload is ours by its name: <prefix>/.../<node>-<boot>-<position>. Another appliance of the same name would lose
// its uploads here, and would overwrite our objects: a node's name is its own (docs/s3.md). Where listing is not
// allowed, or not known, that is said once, and a lifecycle rule has to do it.
#include "ship/s3_abort.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "remote/xml.h"
#include "ship/s3_object.h"

#define REPLY (256u << 10) // of a list of 100: keys of 1,024 bytes, ids, owners
#define WAITING 16
#define LISTS_MAX 1000 // of 100: who says after that that there is more is not believed

struct s3_abort {
	const struct s3_target *to;
	enum { NOT_YET, LISTING, READY } stage;
	char node[S3_NAME], prefix[300];
	struct s3_call call;
	const char *at; // in the list
	char marker_key[1100], marker_id[512];
	bool more;
	unsigned n, aborted, lists;
	struct lost {
		char key[1024], upload[512];
	} now, waiting[WAITING]; // now: is being aborted
	char reply[REPLY];
};

static void next(struct s3_abort *a);

struct s3_abort *s3_abort_new(const struct s3_target *to)
{
	struct s3_abort *a = calloc(1, sizeof(*a));
	if (a)
		a->to = to;
	return a;
}

void s3_abort_free(struct s3_abort *a)
{
	if (!a)
		return;
	s3_cancel(&a->call);
	free(a);
}

bool s3_abort_ready(const struct s3_abort *a)
{
	return a->stage == READY;
}

static void aborted(struct s3_call *c, enum s3_outcome outcome)
{
	struct s3_abort *a = c->arg;
	a->aborted += outcome == S3_OK;
	next(a);
}

static void abort_now(struct s3_abort *a)
{
	a->call.method = "DELETE";
	a->call.key = a->now.key;
	a->call.nquery = 1;
	a->call.query[0] = (struct sigv4_pair){"uploadId", a->now.upload};
	a->call.reply = NULL;
	a->call.answer = NULL;
	a->call.done = aborted;
	s3_begin(a->to->s3, &a->call);
}

static bool is_ours(const struct s3_abort *a, const char *key)
{
	const char *base = strrchr(key, '/');
	size_t n = strlen(a->node);
	base = base ? base + 1 : key;
	return !strncmp(base, a->node, n) && base[n] == '-' && strstr(base, ".ndjson");
}

// Is there more of the list, behind the markers? What would be asked for ever is not asked again.
static bool goes_on(struct s3_abort *a)
{
	char truncated[8], key[sizeof(a->marker_key)], id[sizeof(a->marker_id)];
	xml_text(a->reply, "IsTruncated", truncated, sizeof(truncated));
	xml_text(a->reply, "NextKeyMarker", key, sizeof(key));
	xml_text(a->reply, "NextUploadIdMarker", id, sizeof(id));
	bool more = !strcmp(truncated, "true") && *key;
	bool stands = !strcmp(key, a->marker_key) && !strcmp(id, a->marker_id);
	if (more && (stands || a->lists >= LISTS_MAX))
		log_say(LOG_WARNING, "ship",
			"uploads that a crash left: S3's list of them has no end, after %u answers %s; what it did "
			"not name stays",
			a->lists, stands ? "the last goes on where it began" : "there is more");
	memcpy(a->marker_key, key, sizeof(key));
	memcpy(a->marker_id, id, sizeof(id));
	return more && !stands && a->lists < LISTS_MAX;
}

static void listed(struct s3_call *c, enum s3_outcome outcome)
{
	struct s3_abort *a = c->arg;
	char why[S3_WHY];
	if (outcome != S3_OK) {
		s3_why(c, why, sizeof(why));
		log_say(LOG_WARNING, "ship", "uploads that a crash left cannot be listed: %s", why);
		a->more = false;
		a->at = "";
	} else {
		a->at = a->reply;
		a->lists++;
		a->more = goes_on(a);
	}
	next(a);
}

static void list(struct s3_abort *a)
{
	const struct sigv4_pair query[] = {{"uploads", ""},
					   {"max-uploads", "100"},
					   {"prefix", a->prefix},
					   {"key-marker", a->marker_key},
					   {"upload-id-marker", a->marker_id}};
	a->call.method = "GET";
	a->call.key = "";
	a->call.nquery = *a->marker_key ? 5 : 3;
	memcpy(a->call.query, query, sizeof(query));
	a->call.answer = "ListMultipartUploadsResult";
	a->call.reply = a->reply;
	a->call.reply_room = REPLY;
	a->call.done = listed;
	s3_begin(a->to->s3, &a->call);
}

// The next upload that is ours, of the list; the next list; then what waits.
static void next(struct s3_abort *a)
{
	const char *end, *upload;
	if (a->stage == LISTING) {
		while ((upload = xml_element(a->at, "Upload", &end))) {
			a->at = end;
			if (xml_text(upload, "Key", a->now.key, sizeof(a->now.key)) &&
			    xml_text(upload, "UploadId", a->now.upload, sizeof(a->now.upload)) &&
			    is_ours(a, a->now.key)) {
				abort_now(a);
				return;
			}
		}
		if (a->more) {
			list(a);
			return;
		}
		a->stage = READY;
		if (a->aborted)
			log_say(LOG_NOTICE, "ship", "uploads that were left were aborted: uploads=%u", a->aborted);
	}
	if (a->n) {
		a->now = a->waiting[--a->n];
		abort_now(a);
	}
}

void s3_abort_begin(struct s3_abort *a, const char *node)
{
	if (a->stage != NOT_YET)
		return;
	a->stage = LISTING;
	a->call.arg = a;
	a->call.may_fail = true;
	snprintf(a->node, sizeof(a->node), "%s", node);
	snprintf(a->prefix, sizeof(a->prefix), "%s%s", a->to->prefix, *a->to->prefix ? "/" : "");
	list(a);
}

void s3_abort_add(struct s3_abort *a, const char *key, const char *upload)
{
	if (a->n == WAITING)
		return;
	snprintf(a->waiting[a->n].key, sizeof(a->waiting->key), "%s", key);
	snprintf(a->waiting[a->n].upload, sizeof(a->waiting->upload), "%s", upload);
	a->n++;
	if (!a->call.active && a->stage == READY)
		next(a);
}
