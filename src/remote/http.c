// SPDX-License-Identifier: BSD-3-Clause
//
// HTTP by libcurl's multi interface. In: calls of one thread. Out: their answers, on the same thread, out of http_run.
//
// The thread is never kept longer than it says it can wait; what is slow (an upload, a name server) goes on beside the
// others. curl's own signer, redirects, cookies, proxies of the environment and `Expect: 100-continue` are off: each
// would send something that was not asked for, and half of them something that was signed otherwise. HTTP/1.1: S3 has
// no other, and a cut connection takes one request with it and not all.
#include "remote/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct http {
	CURLM *multi;
	char *ca_file, *proxy;
	unsigned connect_ms, stall_s, active;
};

// What libcurl needs beside the handle; freed with it.
struct transfer {
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
};

static char *copy(const char *s)
{
	return s && *s ? strdup(s) : NULL;
}

struct http *http_new(const struct http_config *config)
{
	struct http *h = calloc(1, sizeof(*h));

	// once a process; libcurl counts, and is thread-safe in this since 7.84
	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(h);
		return NULL;
	}
	h->ca_file = copy(config->ca_file);
	h->proxy = copy(config->proxy);
	h->connect_ms = config->connect_ms;
	h->stall_s = config->stall_s;
	h->multi = curl_multi_init();
	if (!h->multi) {
		http_free(h);
		return NULL;
	}
	// else four for each transfer under way: after the last of them all would be closed
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 16L);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	free(h->ca_file);
	free(h->proxy);
	free(h);
}

static size_t on_reply(char *p, size_t one, size_t n, void *arg)
{
	struct http_call *c = arg;

	if (n >= c->reply_room - c->reply_len) {
		c->error = -EMSGSIZE;
		return 0;
	}
	memcpy(c->reply + c->reply_len, p, n);
	c->reply_len += n;
	c->reply[c->reply_len] = '\0';
	return n;
}

static size_t on_send(char *p, size_t one, size_t n, void *arg)
{
	struct http_call *c = arg;
	size_t left = c->body_len - c->sent;

	n = n < left ? n : left;
	memcpy(p, (const char *)c->body + c->sent, n);
	c->sent += n;
	return n;
}

// A connection that was kept and is gone: the body from its beginning over a new one.
static int on_rewind(void *arg, curl_off_t at, int from)
{
	struct http_call *c = arg;

	if (from != SEEK_SET || at < 0 || (size_t)at > c->body_len)
		return CURL_SEEKFUNC_FAIL;
	c->again |= c->sent > 0;
	c->sent = (size_t)at;
	return CURL_SEEKFUNC_OK;
}

static bool add_header(struct transfer *t, const char *name, const char *value)
{
	char line[12 * 1024]; // a session token is the longest, up to 8 KiB (credentials.h)

	// what ends a line would begin another header
	if (strpbrk(value, "\r\n") ||
	    snprintf(line, sizeof(line), *value ? "%s: %s" : "%s;", name, value) >= (int)sizeof(line))
		return false;
	struct curl_slist *l = curl_slist_append(t->headers, line);
	t->headers = l ? l : t->headers;
	return l;
}

static bool add_headers(struct transfer *t, const struct http_call *c)
{
	static const char *const off[] = {"Expect:", "Accept:", "Content-Type:"};
	unsigned n = sizeof(off) / sizeof(*off);

	for (unsigned i = 0; i < c->nheaders; i++)
		if (!strcasecmp(c->headers[i].name, "Content-Type"))
			n = 2;
	for (unsigned i = 0; i < n; i++) {
		struct curl_slist *l = curl_slist_append(t->headers, off[i]);
		if (!l)
			return false;
		t->headers = l;
	}
	for (unsigned i = 0; i < c->nheaders; i++)
		if (!add_header(t, c->headers[i].name, c->headers[i].value))
			return false;
	return true;
}

static void set_method(CURL *e, struct http_call *c)
{
	curl_easy_setopt(e, CURLOPT_READFUNCTION, on_send);
	curl_easy_setopt(e, CURLOPT_READDATA, c);
	curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_rewind);
	curl_easy_setopt(e, CURLOPT_SEEKDATA, c);
	if (!strcmp(c->method, "PUT")) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->body_len);
		curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 256 * 1024L);
	} else if (!strcmp(c->method, "POST")) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_len);
	} else if (!strcmp(c->method, "HEAD")) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	} else if (strcmp(c->method, "GET")) {
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, c->method);
	}
}

static void set_transport(const struct http *h, CURL *e, const struct http_call *c)
{
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (h->ca_file)
		curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file);
	curl_easy_setopt(e, CURLOPT_PROXY, h->proxy ? h->proxy : "");
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_ms);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)h->stall_s);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
}

static void transfer_free(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t);
}

int http_begin(struct http *h, struct http_call *c)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->easy = curl_easy_init();
	if (!t->easy || !add_headers(t, c)) {
		transfer_free(t);
		return -EINVAL;
	}
	c->status = c->error = 0;
	c->date_s = c->retry_s = 0;
	c->again = false;
	c->reply_len = c->sent = 0;
	c->reply[0] = c->why[0] = '\0';
	c->transfer = t;
	set_transport(h, t->easy, c);
	set_method(t->easy, c);
	curl_easy_setopt(t->easy, CURLOPT_URL, c->url);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_reply);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, c);
	if (curl_multi_add_handle(h->multi, t->easy)) {
		transfer_free(t);
		return -ENOMEM;
	}
	c->active = true;
	h->active++;
	return 0;
}

static const struct {
	CURLcode code;
	int error;
} errors[] = {
	{CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},  {CURLE_COULDNT_CONNECT, -ECONNREFUSED},
	{CURLE_COULDNT_RESOLVE_HOST, -ENOENT},   {CURLE_PEER_FAILED_VERIFICATION, -EACCES},
	{CURLE_SSL_CACERT_BADFILE, -EACCES},     {CURLE_URL_MALFORMAT, -EINVAL},
	{CURLE_ABORTED_BY_CALLBACK, -ECANCELED},
};

// "https://host:port: Empty reply from server"
static void say_error(struct http_call *c, const struct transfer *t, CURLcode code)
{
	const char *host = strstr(c->url, "://"), *said = t->error[0] ? t->error : curl_easy_strerror(code);
	size_t n = host ? (size_t)(host - c->url) + 3 + strcspn(host + 3, "/?#") : 0;
	if (c->error == -EMSGSIZE) {
		snprintf(c->why, sizeof(c->why), "the answer is longer than %zu bytes", c->reply_room - 1);
		return;
	}
	c->error = -EIO;
	for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].code == code)
			c->error = errors[i].error;
	snprintf(c->why, sizeof(c->why), "%.*s: %.120s%s", (int)(n < 100 ? n : 100), c->url, said,
		 strstr(said, "wrong version number") ? ": this may be http, without TLS" : "");
}

static void finish(struct http *h, struct http_call *c, CURLcode code)
{
	struct transfer *t = c->transfer;
	long status = 0;
	curl_off_t retry = 0;

	if (code) {
		say_error(c, t, code);
	} else {
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		c->status = (int)status;
		const char *date = http_header(c, "date");
		time_t at = date ? curl_getdate(date, NULL) : -1;
		c->date_s = at < 0 ? 0 : at;
		curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry); // seconds, or a date made such
		c->retry_s = retry < 0 ? 0 : retry < UINT32_MAX ? (uint32_t)retry : UINT32_MAX;
	}
	curl_multi_remove_handle(h->multi, t->easy);
	h->active--;
	c->active = false;
	if (c->done)
		c->done(c);
	// done() may have begun it again, with another transfer
	if (c->transfer == t)
		c->transfer = NULL;
	transfer_free(t);
}

void http_cancel(struct http *h, struct http_call *c)
{
	if (c->active)
		finish(h, c, CURLE_ABORTED_BY_CALLBACK);
}

unsigned http_run(struct http *h, unsigned wait_ms)
{
	int running = 0, left;
	CURLMsg *m;

	if (!h->active)
		return 0;
	curl_multi_perform(h->multi, &running);
	if (wait_ms && (unsigned)running == h->active) {
		curl_multi_poll(h->multi, NULL, 0, (int)wait_ms, NULL);
		curl_multi_perform(h->multi, &running);
	}
	while ((m = curl_multi_info_read(h->multi, &left))) {
		char *c = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result; // m goes with the handle
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		finish(h, (struct http_call *)c, code);
	}
	return h->active;
}

int http_do(struct http *h, struct http_call *c)
{
	int rc = http_begin(h, c);

	while (!rc && c->active)
		http_run(h, 1000);
	return rc ? rc : c->error;
}

const char *http_header(const struct http_call *c, const char *name)
{
	struct transfer *t = c->transfer;
	struct curl_header *found;

	if (!t || curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &found))
		return NULL;
	return found->value;
}
