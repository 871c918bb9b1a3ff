// SPDX-License-Identifier: BSD-3-Clause
//
// The parsers of streams: how each tells its own, and who is asked first. A new protocol over TCP is a row here.
#include "inspect_in.h"

static int dns_looks_tcp(const uint8_t *p, uint32_t len)
{
	return dns_looks(p, len, true);
}

// Order: cheapest and strictest first. Index 0 is "none yet".
const struct parser inspect_parsers[INSPECT_PARSERS] = {
	{.app = APP_NONE},
	{.app = APP_TLS,
	 .looks = tls_looks,
	 .data = tls_data,
	 .end = tls_end,
	 .glimpse = true,
	 .late = true,
	 .endless = true},
	{.app = APP_HTTP2,
	 .looks = http2_looks,
	 .data = http2_data,
	 .end = http2_end,
	 .prelude = true,
	 .looks_midway = http2_looks_midway,
	 .late = true},
	{.app = APP_HTTP,
	 .looks = http_looks,
	 .data = http_data,
	 .end = http_end,
	 .glimpse = true,
	 .looks_midway = http_looks_midway,
	 .late = true},
	{.app = APP_SSH, .looks = ssh_looks, .data = ssh_data, .end = ssh_end},
	{.app = APP_NONE, .looks = prelude_looks, .data = prelude_data, .prelude = true},
	{.app = APP_SOCKS, .looks = socks_looks, .data = socks_data, .prelude = true},
	{.app = APP_DNS, .looks = dns_looks_tcp, .data = dns_data, .home = dns_looks_home, .glimpse = true},
};
