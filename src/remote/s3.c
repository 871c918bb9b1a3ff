// SPDX-License-Identifier: BSD-3-Clause
//
// A bucket. In: calls (method, key, query, headers, body). Out: done() with OK, GONE or REFUSED; everything else that
// can happen is waited for here, with a pause that doubles up to ten seconds and is chance by half, so that a fleet
// does not come back at once, and is as long as the server asks for (Retry-After), up to a minute. It is the only one:
// who calls s3_run has none of its own. One thread.
//
//   no answer, 5xx, 429, SlowDown, damaged on the way    again, later
//   RequestTimeTooSkewed                                 again at once by the clock of the answer's Date
//   ExpiredToken and the like                            again at once with credentials fetched anew
//   another region                                       again at once in the one that the answer names
//   refused with the condition that nobody has it yet    again at once without, unless that was why
//   bucket gone, not allowed, no credentials             said, and again later: an operator has to help
//   an answer that is not S3's (a portal's page)         the same: what says 200 and no ETag has taken nothing
//   KMS was asked for, the answer does not say it        the same: what does not know the header lets it lie open
//
// Each body is signed with its SHA-256, over TLS too: it costs a fraction of the compression, and the same digest is
// the checksum that the object keeps. UNSIGNED-PAYLOAD was rejected: a second algorithm, to save nothing that is felt.
#include "remote/s3.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/word.h"
#include "remote/credentials.h"
#include "remote/xml.h"

#define CONNECT_MS 10000
#define STALL_S 60     // nothing goes or comes: S3 sends blanks while it completes an upload
#define CALL_MS 600000 // a part of 8 MiB at 14 kB/s
#define PAUSE_MIN_MS 200
#define PAUSE_MAX_MS 10000
#define ASKED_MAX_S 60 // of Retry-After: what asks for more is asked again after it

struct s3 {
	struct http *http;
	struct credentials *credentials;
	char bucket[64], endpoint[256], region[64];
	bool given, path_style, checksum, encrypts;
	int64_t skew_s;
	unsigned seed, active;
	struct s3_call *waiting;
	char down[S3_WHY + 160];
	const struct s3_call *troubled; // whose trouble that is, which no other's success ends; NULL: anybody's
};

enum verdict { YES, GONE, REFUSED, LATER, WAIT, CLOCK, KEYS, REGION };

// By S3's own word, and else by the status. LATER passes by itself, WAIT until somebody helps.
static const struct {
	const char *code;
	enum verdict verdict;
} codes[] = {
	{"RequestTimeTooSkewed", CLOCK},
	{"ExpiredToken", KEYS},
	{"InvalidToken", KEYS},
	{"TokenRefreshRequired", KEYS},
	{"InvalidAccessKeyId", KEYS},
	{"AuthorizationHeaderMalformed", REGION},
	{"PermanentRedirect", REGION},
	{"TemporaryRedirect", REGION},
	{"IllegalLocationConstraintException", REGION},
	{"NoSuchUpload", GONE},
	{"InvalidPart", GONE},
	{"InvalidPartOrder", GONE},
	{"RequestTimeout", LATER},
	{"BadDigest", LATER},
	{"XAmzContentSHA256Mismatch", LATER},
	{"XAmzContentChecksumMismatch", LATER},
	{"IncompleteBody", LATER},
	{"OperationAborted", LATER},
	{"ConditionalRequestConflict", LATER},
	{"NoSuchBucket", WAIT},
	{"NotImplemented", REFUSED},
};

// A key of KMS that is not there or may not be used spoils what is for it alone.
static bool is_kms(const struct s3_call *c)
{
	return !strncasecmp(c->code, "kms", 3) || (!strcmp(c->code, "AccessDenied") && strcasestr(c->message, "kms:"));
}

// It said yes: is it S3 that did? Else the message says what is wrong with the answer.
static bool acknowledged(struct s3_call *c)
{
	const char *reply = c->http.reply, *type = http_header(&c->http, "content-type"), *end;
	const char *etag = http_header(&c->http, "etag"), *sum = http_header(&c->http, "x-amz-checksum-sha256");
	const char *locked = http_header(&c->http, "x-amz-server-side-encryption");
	bool put = !strcmp(c->method, "PUT"), empty = strspn(reply, " \t\r\n") == c->http.reply_len;
	const char *lacks = put && !(etag && *etag) ? "ETag" : NULL;

	if (c->answer)
		lacks = xml_element(reply, c->answer, &end) ? NULL : c->answer;
	if (lacks || (!c->answer && !empty))
		snprintf(c->message, sizeof(c->message), "what answers is not S3: its answer (%.60s) %s%s",
			 empty ? "empty" : (type ? type : "a text"), lacks ? "has no " : "should be empty",
			 lacks ? lacks : "");
	else if (put && sum && strcmp(sum, c->checksum) != 0)
		snprintf(c->message, sizeof(c->message), "what S3 has is not what was sent: its checksum is %.50s",
			 sum);
	else if (c->kms && strcmp(locked ? locked : "", "aws:kms") != 0)
		snprintf(c->message, sizeof(c->message),
			 "bucket %s: the server does not do SSE-KMS: aws:kms was asked for, its answer has %.16s: set "
			 "it up there, or remove kms_key",
			 c->s3->bucket, locked ? locked : "none");
	word_plain(c->message);
	c->s3->encrypts |= c->kms && !*c->message;
	return !*c->message;
}

static enum verdict judge(struct s3_call *c)
{
	for (unsigned i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (!strcmp(codes[i].code, c->code))
			return codes[i].verdict;
	if (!c->status || c->status >= 500 || c->status == 429 || c->status == 408)
		return LATER;
	if (c->status < 300)
		return *c->code          ? LATER // 200 with an error: CompleteMultipartUpload, after it began to answer
		       : acknowledged(c) ? YES
					 : WAIT;
	if (is_kms(c))
		return REFUSED;
	if (c->status < 400)
		return REGION;
	bool unsaid = !*c->code && c->status != 412; // S3 says what it refuses
	return unsaid || c->status == 401 || c->status == 403 || c->status == 404 ? WAIT : REFUSED;
}

const struct credentials *s3_credentials(const struct s3 *s)
{
	return s->credentials;
}

int64_t s3_clock(const struct s3 *s)
{
	return time(NULL) + s->skew_s;
}

const char *s3_region(const struct s3 *s)
{
	return s->region;
}

const char *s3_down(const struct s3 *s)
{
	return *s->down ? s->down : NULL;
}

bool s3_encrypts(const struct s3 *s)
{
	return s->encrypts;
}

// "https://bucket.s3.region.amazonaws.com" or what was given.
static void origin_of(const struct s3 *s, char *out, size_t size)
{
	const char *host = s->given ? strstr(s->endpoint, "://") + 3 : NULL;
	const char *dot = s->path_style ? "" : ".", *name = s->path_style ? "" : s->bucket;

	if (s->given)
		snprintf(out, size, "%.*s%s%s%s", (int)(host - s->endpoint), s->endpoint, name, dot, host);
	else
		snprintf(out, size, "https://%s%ss3.%s.amazonaws.com%s", name, dot, s->region,
			 strncmp(s->region, "cn-", 3) ? "" : ".cn");
}

static void say_down(struct s3 *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say_down(struct s3 *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(s->down, sizeof(s->down), format, args);
	va_end(args);
}

// asked_s: not before that.
static void later(struct s3 *s, struct s3_call *c, uint32_t asked_s)
{
	unsigned n = c->attempts < 8 ? c->attempts : 8;
	uint64_t ms = (uint64_t)PAUSE_MIN_MS << n, asked_ms = asked_s < ASKED_MAX_S ? asked_s : ASKED_MAX_S;

	ms = ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
	ms = ms / 2 + (uint64_t)rand_r(&s->seed) % (ms / 2 + 1) + asked_ms * 1000;
	c->again_ns = clock_ns(CLOCK_MONOTONIC) + ms * 1000000;
	c->attempts++;
	c->next = s->waiting;
	s->waiting = c;
}

static void on_answer(struct http_call *h);

// 0, or why it cannot be sent now was said.
static int sign(struct s3 *s, struct s3_call *c)
{
	struct sigv4_identity id;
	char origin[512], path[1100];
	struct sigv4_request q = {.method = c->method,
				  .origin = origin,
				  .path = path,
				  .query = c->query,
				  .nquery = c->nquery,
				  .headers = c->headers,
				  .nheaders = c->nheaders,
				  .content_sha256 = c->sha256,
				  .region = s->region,
				  .service = "s3",
				  .now_s = s3_clock(s)};
	int rc = credentials_get(s->credentials, q.now_s, &id);

	if (rc) {
		say_down(s, "credentials: %s", credentials_why(s->credentials));
		return rc;
	}
	origin_of(s, origin, sizeof(origin));
	snprintf(path, sizeof(path), "/%s%s%s", s->path_style ? s->bucket : "", s->path_style && *c->key ? "/" : "",
		 c->key);
	rc = sigv4_url(&q, c->url, sizeof(c->url));
	rc = rc ? rc : sigv4_sign(&id, &q, c->date, c->authorization);
	if (rc)
		say_down(s, "a request cannot be signed: %s", strerror(-rc));
	memcpy(c->sent, c->headers, c->nheaders * sizeof(*c->sent));
	unsigned n = c->nheaders;
	c->sent[n++] = (struct sigv4_pair){"x-amz-date", c->date};
	c->sent[n++] = (struct sigv4_pair){"x-amz-content-sha256", c->sha256};
	c->sent[n++] = (struct sigv4_pair){"Authorization", c->authorization};
	if (*id.token) // stays until credentials_get: the transport copies it before that
		c->sent[n++] = (struct sigv4_pair){"x-amz-security-token", id.token};
	c->conditional = c->only_new && !c->attempts; // later it may be ourselves who did it, unheard
	if (c->conditional)
		c->sent[n++] = (struct sigv4_pair){"If-None-Match", "*"};
	c->http.headers = c->sent;
	c->http.nheaders = n;
	return rc;
}

static void send_now(struct s3 *s, struct s3_call *c)
{
	c->http.method = c->method;
	c->http.url = c->url;
	c->http.body = c->body;
	c->http.body_len = c->body_len;
	c->http.timeout_ms = CALL_MS;
	c->http.reply = c->reply ? c->reply : c->small;
	c->http.reply_room = c->reply ? c->reply_room : sizeof(c->small);
	c->http.done = on_answer;
	c->http.arg = c;
	int rc = sign(s, c);
	if (!rc && !(rc = http_begin(s->http, &c->http))) {
		s->active++;
		return;
	}
	if (!*s->down)
		say_down(s, "a request cannot be sent: %s", strerror(-rc));
	later(s, c, 0);
}

// What the answer says of region, clock and credentials is taken over. True: again, at once.
static bool correct(struct s3 *s, struct s3_call *c, enum verdict v)
{
	char region[sizeof(s->region)] = "";
	const char *header = http_header(&c->http, "x-amz-bucket-region");

	if (c->corrected & 1u << v)
		return false;
	c->corrected |= 1u << v;
	if (v == KEYS) {
		credentials_refused(s->credentials);
		return true;
	}
	if (v == CLOCK) {
		if (!c->http.date_s)
			return false;
		s->skew_s = c->http.date_s - time(NULL);
		log_say(LOG_WARNING, "ship",
			"the clock differs from that of S3: requests are signed by S3's skew_s=%lld",
			(long long)s->skew_s);
		return true;
	}
	if (header)
		snprintf(region, sizeof(region), "%s", header);
	else
		xml_text(c->http.reply, "Region", region, sizeof(region));
	if (!credentials_takes_region(region) || !strcmp(region, s->region))
		return false;
	log_say(LOG_WARNING, "ship", "the bucket is in another region: bucket=%s region=%s instead of %s", s->bucket,
		region, s->region);
	snprintf(s->region, sizeof(s->region), "%s", region);
	return true;
}

static void read_error(struct s3_call *c)
{
	const char *end, *error = xml_element(c->http.reply, "Error", &end);

	c->status = c->http.status;
	c->code[0] = c->message[0] = '\0';
	if (!error && c->status < 300)
		return;
	xml_text(error ? error : "", "Code", c->code, sizeof(c->code));
	xml_text(error ? error : "", "Message", c->message, sizeof(c->message));
	word_plain(c->code);
	word_plain(c->message);
}

void s3_why(const struct s3_call *c, char *out, size_t size)
{
	if (!c->status)
		snprintf(out, size, "%s", c->http.why);
	else if (*c->code || *c->message)
		snprintf(out, size, "%.50s%s%.190s (%d)", c->code, *c->code && *c->message ? ": " : "", c->message,
			 c->status);
	else
		snprintf(out, size, "the server answers %d, and not why, as S3 does", c->status);
}

static void on_answer(struct http_call *h)
{
	struct s3_call *c = h->arg;
	struct s3 *s = c->s3;

	s->active--;
	read_error(c);
	enum verdict v = judge(c);
	// by a server that knows no conditions, or one that had heard us before a connection went
	if (v == REFUSED && c->conditional && (c->status != 412 || c->http.again)) {
		c->attempts++;
		send_now(s, c);
		return;
	}
	if (v == CLOCK || v == KEYS || v == REGION) {
		if (correct(s, c, v)) {
			send_now(s, c);
			return;
		}
		v = WAIT;
	}
	if (v == WAIT && c->may_fail)
		v = REFUSED;
	if (v == LATER || v == WAIT) {
		if (v == WAIT || (c->attempts && !s->troubled)) // one SlowDown is no outage
			s3_why(c, s->down, sizeof(s->down));
		if (v == WAIT)
			s->troubled = c;
		c->corrected = 0;
		later(s, c, v == LATER ? c->http.retry_s : 0);
		return;
	}
	s->troubled = s->troubled == c ? NULL : s->troubled;
	if (!s->troubled)
		s->down[0] = '\0';
	c->active = false;
	c->done(c, v == YES ? S3_OK : v == GONE ? S3_GONE : S3_REFUSED);
}

void s3_begin(struct s3 *s, struct s3_call *c)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256(c->body ? c->body : "", c->body_len, digest);
	for (unsigned i = 0; i < sizeof(digest); i++)
		snprintf(c->sha256 + 2 * i, 3, "%02x", digest[i]);
	EVP_EncodeBlock((unsigned char *)c->checksum, digest, sizeof(digest));
	if (s->checksum && !strcmp(c->method, "PUT"))
		c->headers[c->nheaders++] = (struct sigv4_pair){"x-amz-checksum-sha256", c->checksum};
	c->s3 = s;
	c->active = true;
	c->attempts = c->corrected = 0;
	send_now(s, c);
}

void s3_cancel(struct s3_call *c)
{
	if (!c->active)
		return;
	c->active = false;
	c->s3->troubled = c->s3->troubled == c ? NULL : c->s3->troubled;
	if (c->http.active) {
		c->http.done = NULL;
		http_cancel(c->s3->http, &c->http);
		c->s3->active--;
	}
	for (struct s3_call **p = &c->s3->waiting; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
}

// Nothing is on its way, and the next try is not due.
static void nap(const struct s3 *s, unsigned wait_ms)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), ns = wait_ms * 1000000ull;
	for (const struct s3_call *c = s->waiting; c; c = c->next) {
		uint64_t left = c->again_ns > now ? c->again_ns - now : 0;
		ns = left < ns ? left : ns;
	}
	struct timespec t = clock_time(ns);
	nanosleep(&t, NULL);
}

void s3_run(struct s3 *s, unsigned wait_ms)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct s3_call *all = s->waiting;

	s->waiting = NULL;
	while (all) { // those whose time has not come go back
		struct s3_call *c = all;
		all = c->next;
		if (c->again_ns <= now) {
			send_now(s, c);
		} else {
			c->next = s->waiting;
			s->waiting = c;
		}
	}
	if (!s->active && s->waiting && wait_ms)
		nap(s, wait_ms);
	http_run(s->http, wait_ms);
}

// docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
bool s3_takes_bucket(const char *name)
{
	static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t n = strlen(name);

	return n >= 3 && n <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == n &&
	       strchr(ends, name[0]) && strchr(ends, name[n - 1]) && !strstr(name, "..") &&
	       strspn(name, "0123456789.") < n;
}

// The endpoint as origin: no path, no default port, no '/' at its end.
static bool set_endpoint(struct s3 *s, const char *text)
{
	static const struct {
		const char *scheme, *port;
	} known[] = {{"https://", ":443"}, {"http://", ":80"}};

	s->given = text && *text;
	if (!s->given)
		return true;
	size_t n = strlen(text);
	n -= text[n - 1] == '/';
	for (unsigned i = 0; i < 2; i++) {
		size_t scheme = strlen(known[i].scheme), port = strlen(known[i].port);
		if (strncasecmp(text, known[i].scheme, scheme) || n <= scheme || n >= sizeof(s->endpoint) ||
		    memchr(text + scheme, '/', n - scheme) || strpbrk(text, "@?# \r\n"))
			continue;
		if (n > port && !memcmp(text + n - port, known[i].port, port))
			n -= port;
		snprintf(s->endpoint, sizeof(s->endpoint), "%s%.*s", known[i].scheme, (int)(n - scheme), text + scheme);
		return true;
	}
	return false;
}

bool s3_takes_endpoint(const char *endpoint)
{
	struct s3 s = {0};
	return set_endpoint(&s, endpoint);
}

static bool set_region(struct s3 *s, const char *region, char *why)
{
	bool given = region && *region;
	if (!given)
		region = credentials_region(s->credentials);
	region = *region ? region : "us-east-1";
	bool is = credentials_takes_region(region);
	if (!is)
		snprintf(why, S3_WHY, "region %.60s%s: " CREDENTIALS_REGION_EXPECTED, region,
			 given ? "" : " of AWS_REGION, AWS_DEFAULT_REGION or the profile");
	word_plain(why);
	snprintf(s->region, sizeof(s->region), "%s", region);
	return is;
}

struct s3 *s3_new(const struct s3_config *config, char *why)
{
	struct http_config http = {config->ca_file, config->proxy, CONNECT_MS, STALL_S};
	struct credentials_config id = {.profile = config->profile,
					.region = config->region,
					.role_arn = config->role_arn,
					.external_id = config->external_id,
					.ca_file = config->ca_file,
					.proxy = config->proxy};
	struct s3 *s = calloc(1, sizeof(*s));

	snprintf(why, S3_WHY, "no memory");
	if (!s)
		return NULL;
	s->http = http_new(&http);
	s->credentials = credentials_new(&id);
	bool fits = set_endpoint(s, config->endpoint);
	if (!fits)
		snprintf(why, S3_WHY, "endpoint %s: " S3_ENDPOINT_EXPECTED, config->endpoint);
	if (!fits || !s->http || !s->credentials) {
		s3_free(s);
		return NULL;
	}
	snprintf(s->bucket, sizeof(s->bucket), "%s", config->bucket);
	s->path_style = config->addressing == S3_PATH ||
			(config->addressing == S3_AUTO && (s->given || strchr(s->bucket, '.')));
	s->checksum = config->checksum;
	s->seed = (unsigned)clock_ns(CLOCK_REALTIME);
	if (set_region(s, config->region, why))
		return s;
	s3_free(s);
	return NULL;
}

void s3_free(struct s3 *s)
{
	if (!s)
		return;
	http_free(s->http);
	credentials_free(s->credentials);
	free(s);
}
