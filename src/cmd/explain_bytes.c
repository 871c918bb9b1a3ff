// SPDX-License-Identifier: BSD-3-Clause
//
// The bytes that an explanation rests on, read from the capture itself: in come places (frame, offset, length), out the
// first bytes of each. One pass; memory for what is shown.
#include <string.h>

#include <pcap/pcap.h>

#include "base/capture_file.h"
#include "explain_trace.h"

#define SHOWN_BYTES 64

static uint64_t last_wanted(struct explain_origin *const *origins, uint32_t n)
{
	uint64_t last = 0;
	for (uint32_t i = 0; i < n; i++)
		last = origins[i]->frame > last && origins[i]->len ? origins[i]->frame : last;
	return last;
}

static void take(struct explain_origin *o, const uint8_t *frame, uint32_t caplen, struct arena *a)
{
	if (!o->len || o->off >= caplen)
		return;
	o->nbytes = caplen - o->off < o->len ? caplen - o->off : o->len;
	o->nbytes = o->nbytes < SHOWN_BYTES ? o->nbytes : SHOWN_BYTES;
	o->bytes = memcpy(arena_bytes(a, o->nbytes), frame + o->off, o->nbytes);
}

void explain_bytes(const char *capture, struct explain_origin *const *origins, uint32_t n, struct arena *a)
{
	char err[256], pcap_err[PCAP_ERRBUF_SIZE];
	uint64_t last = last_wanted(origins, n);
	struct capture_file *f = last ? capture_file_open(capture, err, sizeof(err)) : NULL;
	FILE *stream = f ? capture_file_stream(f, 65536) : NULL;
	pcap_t *p = stream ? pcap_fopen_offline(stream, pcap_err) : NULL;
	struct pcap_pkthdr *h;
	const u_char *data;
	for (uint64_t frame = 1; p && frame <= last && pcap_next_ex(p, &h, &data) == 1; frame++)
		for (uint32_t i = 0; i < n; i++)
			if (origins[i]->frame == frame)
				take(origins[i], data, h->caplen, a);
	if (p)
		pcap_close(p); // and the stream, and the file under it
	else if (stream)
		fclose(stream);
	else
		capture_file_close(f);
}
