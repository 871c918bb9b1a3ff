// SPDX-License-Identifier: BSD-3-Clause
//
// AWS Signature Version 4. In: an identity, a request, a time. Out: the Authorization header, or a URL that carries its
// signature. Any thread; no state, nothing is allocated but the digest's context.
//
// The canonical request is never written down: it goes into its digest piece by piece, so that no key, query or header
// is too long for a buffer here; what is sorted is sorted by index. Rejected: libcurl's own signer (CURLOPT_AWS_SIGV4
// of 7.88 signs `=` in a path, a bare `?uploads` and the header of a KMS key wrongly, and cannot presign).
#include "remote/sigv4.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

// Where text goes: a digest, or bounded memory.
struct out {
	EVP_MD_CTX *digest;
	char *at, *end;
	bool full;
};

static void put(struct out *o, const char *p, size_t n)
{
	if (o->digest) {
		EVP_DigestUpdate(o->digest, p, n);
	} else if (n < (size_t)(o->end - o->at)) {
		memcpy(o->at, p, n);
		o->at += n;
		*o->at = '\0';
	} else {
		o->full = true;
	}
}

static void put_text(struct out *o, const char *s)
{
	put(o, s, strlen(s));
}

static bool unreserved(unsigned char c) // RFC 3986 section 2.3
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

// AWS's UriEncode(). keep: a character that stays ('/' in paths); twice: and the result once more, whose '%' is %25.
static void put_encoded(struct out *o, const char *s, size_t n, char keep, bool twice)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; n; s++, n--) {
		unsigned char c = (unsigned char)*s;
		char code[] = {'%', '2', '5', hex[c >> 4], hex[c & 15]};

		if (unreserved(c) || (keep && c == keep)) {
			put(o, s, 1);
		} else if (twice) {
			put(o, code, 5);
		} else {
			code[2] = '%';
			put(o, code + 2, 3);
		}
	}
}

// As their encoded forms compare, byte by byte: what is encoded begins with '%', which is less than what is not.
static int compare_encoded(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	unsigned char x = (unsigned char)*a, y = (unsigned char)*b;
	if (!x || !y || unreserved(x) == unreserved(y))
		return (int)x - (int)y;
	return unreserved(x) ? 1 : -1;
}

static int compare_query(const struct sigv4_pair *a, const struct sigv4_pair *b)
{
	int c = compare_encoded(a->name, b->name);
	return c ? c : compare_encoded(a->value, b->value);
}

static int compare_header(const struct sigv4_pair *a, const struct sigv4_pair *b)
{
	return strcasecmp(a->name, b->name);
}

// Few and nearly sorted, and equal names keep their order: insertion.
static void sort(struct sigv4_pair *p, unsigned n, int (*compare)(const struct sigv4_pair *, const struct sigv4_pair *))
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned j = i; j && compare(&p[j - 1], &p[j]) > 0; j--) {
			struct sigv4_pair t = p[j];
			p[j] = p[j - 1];
			p[j - 1] = t;
		}
}

static void put_query(struct out *o, const struct sigv4_pair *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (i)
			put(o, "&", 1);
		put_encoded(o, p[i].name, strlen(p[i].name), 0, false);
		put(o, "=", 1);
		put_encoded(o, p[i].value, strlen(p[i].value), 0, false);
	}
}

// Outside S3 a path loses empty and dot segments (RFC 3986 section 5.2.4) and is encoded a second time.
static int put_path_normal(struct out *o, const char *path)
{
	struct {
		const char *p;
		size_t n;
	} segment[SIGV4_SEGMENTS];
	unsigned n = 0;
	bool folder = false;

	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");
		if (len == 2 && !memcmp(p, "..", 2)) {
			n -= n > 0;
		} else if (len && !(len == 1 && *p == '.')) {
			if (n == SIGV4_SEGMENTS)
				return -E2BIG;
			segment[n].p = p;
			segment[n++].n = len;
		}
		p += len;
		folder = *p == '/';
		p += folder;
	}
	for (unsigned i = 0; i < n; i++) {
		put(o, "/", 1);
		put_encoded(o, segment[i].p, segment[i].n, 0, true);
	}
	if (folder || !n)
		put(o, "/", 1);
	return 0;
}

static int put_path(struct out *o, const struct sigv4_request *q)
{
	if (strcmp(q->service, "s3"))
		return put_path_normal(o, q->path);
	put_encoded(o, q->path, strlen(q->path), '/', false);
	return 0;
}

// What a proxy or the transport may change on the way is not signed.
static bool signable(const char *name)
{
	static const char *const left_out[] = {"authorization",
					       "connection",
					       "expect",
					       "keep-alive",
					       "te",
					       "trailer",
					       "proxy-authenticate",
					       "proxy-authorization",
					       "transfer-encoding",
					       "upgrade",
					       "user-agent",
					       "x-amzn-trace-id"};

	for (unsigned i = 0; i < sizeof(left_out) / sizeof(*left_out); i++)
		if (!strcasecmp(name, left_out[i]))
			return false;
	return true;
}

static void put_lower(struct out *o, const char *s)
{
	for (; *s; s++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s + ('a' - 'A')) : *s;
		put(o, &c, 1);
	}
}

// Without blanks around, and one for several.
static void put_value(struct out *o, const char *s)
{
	for (bool first = true;; first = false) {
		s += strspn(s, " \t\r\n");
		size_t n = strcspn(s, " \t\r\n");
		if (!n)
			return;
		if (!first)
			put(o, " ", 1);
		put(o, s, n);
		s += n;
	}
}

// name:value lines of sorted headers, those of one name joined.
static void put_headers(struct out *o, const struct sigv4_pair *h, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		bool again = i && !strcasecmp(h[i].name, h[i - 1].name);
		if (again) {
			put(o, ",", 1);
		} else {
			if (i)
				put(o, "\n", 1);
			put_lower(o, h[i].name);
			put(o, ":", 1);
		}
		put_value(o, h[i].value);
	}
	put(o, "\n", 1);
}

static void put_names(struct out *o, const struct sigv4_pair *h, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (i && !strcasecmp(h[i].name, h[i - 1].name))
			continue;
		if (i)
			put(o, ";", 1);
		put_lower(o, h[i].name);
	}
}

static void hex_of(const unsigned char *p, char out[SIGV4_SHA256])
{
	for (unsigned i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

void sigv4_sha256(const void *p, size_t n, char out[SIGV4_SHA256])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256(p, n, digest);
	hex_of(digest, out);
}

static void date_of(int64_t now_s, char out[SIGV4_DATE])
{
	struct tm tm;
	time_t t = now_s < 0 ? 0 : now_s < 253402300800 ? (time_t)now_s : 253402300799; // the year 9999 is the last
	strftime(out, SIGV4_DATE, "%Y%m%dT%H%M%SZ", gmtime_r(&t, &tm));
}

// A request with everything that is signed, sorted.
struct canon {
	const struct sigv4_request *q;
	char date[SIGV4_DATE], scope[192];
	struct sigv4_pair query[SIGV4_PAIRS + 8], headers[SIGV4_PAIRS + 4];
	unsigned nquery, nheaders;
};

static int canon_begin(struct canon *c, const struct sigv4_request *q)
{
	const char *host = strstr(q->origin, "://");

	c->q = q;
	c->nquery = c->nheaders = 0;
	date_of(q->now_s, c->date);
	int n = snprintf(c->scope, sizeof(c->scope), "%.8s/%s/%s/aws4_request", c->date, q->region, q->service);
	if (q->nquery > SIGV4_PAIRS || q->nheaders > SIGV4_PAIRS || n >= (int)sizeof(c->scope) || !host)
		return -E2BIG;
	c->headers[c->nheaders++] = (struct sigv4_pair){"host", host + 3};
	for (unsigned i = 0; i < q->nheaders; i++)
		if (signable(q->headers[i].name))
			c->headers[c->nheaders++] = q->headers[i];
	for (unsigned i = 0; i < q->nquery; i++)
		c->query[c->nquery++] = q->query[i];
	return 0;
}

static void hmac(const void *key, size_t n, const char *text, size_t len, unsigned char out[SHA256_DIGEST_LENGTH])
{
	HMAC(EVP_sha256(), key, (int)n, (const unsigned char *)text, len, out, NULL);
}

// "Task 3: calculate the signature": the key is derived of day, region and service.
static int seal(const struct canon *c, const char *secret, const char *digest, char out[SIGV4_SHA256])
{
	unsigned char key[SHA256_DIGEST_LENGTH];
	char first[260], text[512];
	int n = snprintf(first, sizeof(first), "AWS4%s", secret);
	int len = snprintf(text, sizeof(text), ALGORITHM "\n%s\n%s\n%s", c->date, c->scope, digest);

	if (n >= (int)sizeof(first) || len >= (int)sizeof(text))
		return -E2BIG;
	hmac(first, (size_t)n, c->date, 8, key);
	hmac(key, sizeof(key), c->q->region, strlen(c->q->region), key);
	hmac(key, sizeof(key), c->q->service, strlen(c->q->service), key);
	hmac(key, sizeof(key), "aws4_request", 12, key);
	hmac(key, sizeof(key), text, (size_t)len, key);
	hex_of(key, out);
	OPENSSL_cleanse(first, sizeof(first));
	return 0;
}

// The signature of what has been gathered.
static int canon_sign(struct canon *c, const char *secret, const char *content, char out[SIGV4_SHA256])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[SIGV4_SHA256];
	struct out o = {.digest = EVP_MD_CTX_new()};

	if (!o.digest || !EVP_DigestInit_ex(o.digest, EVP_sha256(), NULL)) {
		EVP_MD_CTX_free(o.digest);
		return -ENOMEM;
	}
	sort(c->query, c->nquery, compare_query);
	put_text(&o, c->q->method);
	put(&o, "\n", 1);
	int rc = put_path(&o, c->q);
	put(&o, "\n", 1);
	put_query(&o, c->query, c->nquery);
	put(&o, "\n", 1);
	put_headers(&o, c->headers, c->nheaders);
	put(&o, "\n", 1);
	put_names(&o, c->headers, c->nheaders);
	put(&o, "\n", 1);
	put_text(&o, content);
	EVP_DigestFinal_ex(o.digest, digest, NULL);
	EVP_MD_CTX_free(o.digest);
	hex_of(digest, hex);
	return rc ? rc : seal(c, secret, hex, out);
}

static bool has_token(const struct sigv4_identity *id)
{
	return id->token && *id->token;
}

int sigv4_sign(const struct sigv4_identity *id, const struct sigv4_request *q, char date[SIGV4_DATE],
	       char authorization[SIGV4_AUTHORIZATION])
{
	struct canon c;
	char signature[SIGV4_SHA256];
	const char *content = q->content_sha256 ? q->content_sha256 : SIGV4_EMPTY;
	int rc = canon_begin(&c, q);

	if (rc)
		return rc;
	c.headers[c.nheaders++] = (struct sigv4_pair){"x-amz-date", c.date};
	if (has_token(id))
		c.headers[c.nheaders++] = (struct sigv4_pair){"x-amz-security-token", id->token};
	if (!strcmp(q->service, "s3"))
		c.headers[c.nheaders++] = (struct sigv4_pair){"x-amz-content-sha256", content};
	sort(c.headers, c.nheaders, compare_header);
	rc = canon_sign(&c, id->secret, content, signature);
	memcpy(date, c.date, SIGV4_DATE);
	struct out o = {.at = authorization, .end = authorization + SIGV4_AUTHORIZATION};
	put_text(&o, ALGORITHM " Credential=");
	put_text(&o, id->key_id);
	put(&o, "/", 1);
	put_text(&o, c.scope);
	put_text(&o, ", SignedHeaders=");
	put_names(&o, c.headers, c.nheaders);
	put_text(&o, ", Signature=");
	put_text(&o, rc ? "" : signature);
	return rc ? rc : o.full ? -E2BIG : 0;
}

static void put_address(struct out *o, const struct sigv4_request *q)
{
	put_text(o, q->origin);
	put_encoded(o, q->path, strlen(q->path), '/', false);
}

int sigv4_url(const struct sigv4_request *q, char *out, size_t size)
{
	struct out o = {.at = out, .end = out + size};

	put_address(&o, q);
	if (q->nquery)
		put(&o, "?", 1);
	put_query(&o, q->query, q->nquery);
	return o.full ? -E2BIG : 0;
}

int sigv4_presign(const struct sigv4_identity *id, const struct sigv4_request *q, unsigned expires_s, char *out,
		  size_t size)
{
	struct canon c;
	char credential[512], expires[12], names[1024], signature[SIGV4_SHA256];
	struct out o = {.at = names, .end = names + sizeof(names)};
	int rc = canon_begin(&c, q);

	if (rc)
		return rc;
	sort(c.headers, c.nheaders, compare_header);
	put_names(&o, c.headers, c.nheaders);
	snprintf(expires, sizeof(expires), "%u", expires_s);
	if (snprintf(credential, sizeof(credential), "%s/%s", id->key_id, c.scope) >= (int)sizeof(credential) || o.full)
		return -E2BIG;
	c.query[c.nquery++] = (struct sigv4_pair){"X-Amz-Algorithm", ALGORITHM};
	c.query[c.nquery++] = (struct sigv4_pair){"X-Amz-Credential", credential};
	c.query[c.nquery++] = (struct sigv4_pair){"X-Amz-Date", c.date};
	c.query[c.nquery++] = (struct sigv4_pair){"X-Amz-Expires", expires};
	c.query[c.nquery++] = (struct sigv4_pair){"X-Amz-SignedHeaders", names};
	if (has_token(id))
		c.query[c.nquery++] = (struct sigv4_pair){"X-Amz-Security-Token", id->token};
	o = (struct out){.at = out, .end = out + size};
	put_address(&o, q);
	put(&o, "?", 1);
	put_query(&o, c.query, c.nquery);
	// a body is not known when a URL of S3 is signed
	const char *content = q->content_sha256          ? q->content_sha256
			      : strcmp(q->service, "s3") ? SIGV4_EMPTY
							 : SIGV4_UNSIGNED;
	rc = canon_sign(&c, id->secret, content, signature);
	put_text(&o, "&X-Amz-Signature=");
	put_text(&o, rc ? "" : signature);
	return rc ? rc : o.full ? -E2BIG : 0;
}

int sigv4_presign_msk(const struct sigv4_identity *id, const char *region, int64_t now_s, const char *user_agent,
		      char *out, size_t size)
{
	static const struct sigv4_pair connect = {"Action", "kafka-cluster:Connect"};
	char origin[128], url[12 * 1024];
	struct sigv4_request q = {.method = "GET",
				  .origin = origin,
				  .path = "/",
				  .query = &connect,
				  .nquery = 1,
				  .region = region,
				  .service = "kafka-cluster",
				  .now_s = now_s};

	if (snprintf(origin, sizeof(origin), "https://kafka.%s.amazonaws.com", region) >= (int)sizeof(origin))
		return -E2BIG;
	int rc = sigv4_presign(id, &q, SIGV4_MSK_S, url, sizeof(url));
	if (rc)
		return rc;
	// the broker logs it; it came after signing in the first of these signers, and has to in all
	struct out o = {.at = url + strlen(url), .end = url + sizeof(url)};
	put_text(&o, "&User-Agent=");
	put_encoded(&o, user_agent, strlen(user_agent), 0, false);
	size_t n = strlen(url);
	if (o.full || size < 4 * ((n + 2) / 3) + 1)
		return -E2BIG;
	EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)url, (int)n);
	for (char *p = out; *p; p++) // base64url (RFC 4648 section 5), without padding
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
	return 0;
}
