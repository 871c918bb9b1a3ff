// SPDX-License-Identifier: BSD-3-Clause
//
// A few pages for monitors and load balancers, by libmicrohttpd: HTTP/1.1 in all its forms is its work, ours is a table
// of pages. It has no thread here: its epoll descriptor is one more in our loop, so a page is written on the control
// thread and may read what commands read.
//
// Bounds: 64 connections, 16 KiB of memory each, three seconds; bodies are not taken; a page is as long as what it
// says. Who has been there for longest gives way while places are left, so that those who say nothing keep no probe
// waiting. Rejected for that: a limit by address, which a probe shares with them where both come over loopback or NAT.
// Rejected: a server of our own (short, and in ten years still with a corner that nobody tried).
#include "ctl/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "base/log.h"
#include "ctl/loop.h"

#define CONNECTIONS_MAX 64u
#define CONNECTION_BYTES ((size_t)16 << 10)
#define CONNECTIONS_KEPT 32u // the others are for those that are just ending
#define PATIENCE_S 3u
#define TICK_MS 1000
#define TURNS_MAX 16 // of the library in one of ours

struct http {
	struct loop *loop;
	struct appliance *appliance;
	const struct http_page *pages;
	struct MHD_Daemon *daemon;
	int epoll, timer, again;    // -1: none
	int kept[CONNECTIONS_KEPT]; // sockets, the oldest first
	unsigned nkept;
};

static void reply(struct MHD_Connection *c, unsigned status, const char *type, char *body, size_t len)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(body);
		return;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
}

static unsigned write_missing(struct http *h, FILE *out)
{
	fputs("no such page; there are", out);
	for (const struct http_page *p = h->pages; p->path; p++)
		fprintf(out, " %s", p->path);
	fputc('\n', out);
	return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result asked(void *arg, struct MHD_Connection *c, const char *url, const char *method,
			     const char *version, const char *upload, size_t *upload_len, void **seen)
{
	struct http *h = arg;
	static char once;
	bool known = !strcmp(method, MHD_HTTP_METHOD_GET) || !strcmp(method, MHD_HTTP_METHOD_HEAD);
	if (!*seen && known) { // only the head is there: what follows must be waited for, or keep-alive goes wrong
		*seen = &once;
		return MHD_YES;
	}
	if (*upload_len) { // a body: not taken, the connection ends
		*upload_len = 0;
		return MHD_NO;
	}
	char *body = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&body, &len);
	if (!out)
		return MHD_NO;
	const struct http_page *page = h->pages;
	while (page->path && strcmp(page->path, url))
		page++;
	unsigned status = MHD_HTTP_METHOD_NOT_ALLOWED;
	if (!known) // at the head, whatever body there is
		fputs("GET and HEAD are all there is\n", out);
	else
		status = page->path ? page->write(h->appliance, out) : write_missing(h, out);
	fclose(out);
	reply(c, status, page->path && status != MHD_HTTP_METHOD_NOT_ALLOWED ? page->type : "text/plain; charset=utf-8",
	      body, len);
	return MHD_YES;
}

static void came_or_went(void *arg, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct http *h = arg;
	int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	unsigned i = 0;
	(void)context;
	while (i < h->nkept && h->kept[i] != fd)
		i++;
	if (what == MHD_CONNECTION_NOTIFY_STARTED && h->nkept == CONNECTIONS_KEPT)
		shutdown(h->kept[i = 0], SHUT_RDWR); // the library sees its end and closes it
	if (i < h->nkept)
		memmove(&h->kept[i], &h->kept[i + 1], (--h->nkept - i) * sizeof(h->kept[0]));
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		h->kept[h->nkept++] = fd;
}

static void ready(void *arg, uint32_t events);
static void again(void *arg)
{
	struct http *h = arg;
	h->again = -1;
	ready(h, 0);
}

// The library wants a turn without a new event where it says so; it gets a few at once, then waits for others.
static void ready(void *arg, uint32_t events)
{
	struct http *h = arg;
	unsigned turns = 0;
	MHD_UNSIGNED_LONG_LONG wait_ms;
	do
		MHD_run(h->daemon);
	while (MHD_get_timeout(h->daemon, &wait_ms) == MHD_YES && wait_ms == 0 && ++turns < TURNS_MAX);
	if (turns == TURNS_MAX && h->again < 0)
		h->again = loop_timer(h->loop, 1, 0, again, h);
}

static void tick(void *arg)
{
	ready(arg, 0); // time passes: connections end
}

static void said(void *arg, const char *format, va_list args)
{
	log_vsay(LOG_DEBUG, "http", format, args);
}

// "address:port" with an IPv6 address in brackets. False: it is neither.
static bool address_of(const char *text, struct sockaddr_storage *at)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *v4 = (void *)at;
	struct sockaddr_in6 *v6 = (void *)at;
	char *end = NULL;
	unsigned long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 0;
	memset(at, 0, sizeof(*at));
	if (!end || *end || port > UINT16_MAX || (size_t)(colon - text) >= sizeof(host))
		return false;
	bool brackets = *text == '[' && colon > text + 1 && colon[-1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text - 2 * brackets), text + brackets);
	if (brackets) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static int start(struct http *h, struct sockaddr_storage *at)
{
	unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (at->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
	errno = 0;
	h->daemon =
		MHD_start_daemon(flags, 0, NULL, NULL, asked, h, MHD_OPTION_EXTERNAL_LOGGER, said, NULL,
				 MHD_OPTION_SOCK_ADDR, at, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				 MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
				 PATIENCE_S, MHD_OPTION_NOTIFY_CONNECTION, came_or_went, h, MHD_OPTION_END);
	if (!h->daemon)
		return errno ? -errno : -EIO;
	h->epoll = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	int rc = loop_add(h->loop, h->epoll, EPOLLIN, ready, h);
	if (!rc)
		rc = h->timer = loop_timer(h->loop, TICK_MS, TICK_MS, tick, h);
	return rc < 0 ? rc : 0;
}

struct http *http_open(struct loop *l, const char *address, const struct http_page *pages, struct appliance *a,
		       char *why, size_t room)
{
	struct sockaddr_storage at;
	struct http *h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	*h = (struct http){.loop = l, .appliance = a, .pages = pages, .epoll = -1, .timer = -1, .again = -1};
	int rc = address_of(address, &at) ? start(h, &at) : -EINVAL;
	if (!rc)
		return h;
	snprintf(why, room, "%s: %s", address,
		 rc == -EINVAL ? "no address and port, such as 127.0.0.1:9180" : strerror(-rc));
	http_close(h);
	return NULL;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	loop_timer_stop(h->loop, h->timer);
	loop_timer_stop(h->loop, h->again);
	loop_remove(h->loop, h->epoll);
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	free(h);
}

unsigned http_port(const struct http *h)
{
	return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}
