// SPDX-License-Identifier: BSD-3-Clause
//
// See url.h. Shipper's and delivery's threads; no memory, no state.
#include "ship/url.h"

#include <string.h>

const uint8_t *url_find(const uint8_t *p, const uint8_t *end, const char *any)
{
	while (p < end && !strchr(any, *p ? *p : ' '))
		p++;
	return p;
}

static struct url_part part(const uint8_t *base, const uint8_t *from, const uint8_t *to)
{
	return (struct url_part){(uint32_t)(from - base), (uint32_t)(to - from)};
}

// Where the authority begins: behind "://" or a leading "//"; of CONNECT's target ("a.example:443") at once. NULL: it
// has none.
static const uint8_t *authority(struct url *u, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *at = url_find(p, end, "/");
	if (end - p >= 2 && p[0] == '/' && p[1] == '/')
		return p + 2;
	if (end - at >= 2 && at - p >= 2 && at[-1] == ':' && at[1] == '/') {
		u->scheme = part(p, p, at - 1);
		return at + 2;
	}
	return at > p && at == end && memchr(p, ':', (size_t)(at - p)) ? p : NULL;
}

void url_read(struct url *u, const uint8_t *p, uint32_t len)
{
	const uint8_t *end = p + len, *query = url_find(p, end, "?#");
	memset(u, 0, sizeof(*u));
	if (query < end)
		u->query = part(p, query + 1, end);
	const uint8_t *from = authority(u, p, query);
	if (!from) {
		u->path = part(p, p, query);
		return;
	}
	const uint8_t *over = url_find(from, query, "/"), *host = over;
	while (host > from && host[-1] != '@')
		host--;
	if (host > from)
		u->user = part(p, from, host - 1);
	const uint8_t *name = host < over && *host == '[' ? url_find(host, over, "]") : host;
	const uint8_t *colon = url_find(name, over, ":");
	u->host = part(p, host, colon);
	if (colon < over)
		u->port = part(p, colon + 1, over);
	u->path = part(p, over, query);
}
