// SPDX-License-Identifier: BSD-3-Clause
//
// dns.c with whatever bytes: the first byte says how they come (port 53 or another, whole or cut, TCP), the rest is
// the datagram or the stream. Checked beyond the sanitizers: a name is never longer than DNS allows, a stream
// parser never consumes more than it was shown, what looks strict is accepted.
#include "../unit/datagram_fixture.h"

#include "path/app/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fixture *x;

static void check_records(void)
{
	for (const struct record *r; (r = record_peek(x->w.records)); record_done(x->w.records, r)) {
		const struct fact *f = record_first(r);
		for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f))
			if (f->field == FACT_DNS_QNAME && f->len > DNS_NAME_MAX)
				abort();
	}
}

static void stream(const uint8_t *p, uint32_t len)
{
	for (uint32_t done = 0; done < len;) {
		x->in = (struct app_in){.w = &x->w,
					.f = &x->f,
					.state = x->state,
					.data = p + done,
					.len = len - done,
					.offset = done,
					.after_gap = done == 0 && (len & 1),
					.end = len & 2,
					.scratch = x->inspect.scratch};
		enum app_step step = dns_data(&x->in);
		if (x->in.consumed > x->in.len)
			abort();
		if (step != APP_MORE || x->in.consumed == 0)
			break;
		done += x->in.consumed;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!x)
		x = fixture_new(IPPROTO_UDP, 40000, 53);
	if (size < 1 || size > 65536)
		return 0;
	uint8_t how = data[0];
	x->f.app = APP_NONE;
	x->f.stream = 0;
	memset(x->state, 0, sizeof(x->state));
	fixture_ports(x, 40000, how & 1 ? 53 : how & 2 ? 5353 : 4444);
	// a copy of its own, so that a read beyond its end is seen
	uint8_t *copy = malloc(size > 1 ? size - 1 : 1);
	memcpy(copy, data + 1, size - 1);
	if (how & 4) {
		dns_looks(copy, size - 1, true);
		stream(copy, size - 1);
	} else {
		bool strict = dns_looks(copy, size - 1, false) > 0;
		struct app_in *in = fixture_datagram(x, copy, size - 1, size - 1 + (how & 8), 1, how >> 4 & 1);
		if (strict && !dns_datagram(in))
			abort();
		if (!strict)
			dns_datagram(in);
	}
	check_records();
	free(copy);
	return 0;
}
