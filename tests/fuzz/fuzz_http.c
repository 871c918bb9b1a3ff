// SPDX-License-Identifier: BSD-3-Clause
//
// The parsers of text on TCP (http, and with it ssh, prelude, socks, http2), both directions, arbitrary cuts. The input
// is a conversation: its first byte chooses the parser (low 2 bits; 32: http2) and what is known of the flow; then
// pieces of
//
//	| direction 1 bit | gap before it 1 bit | length 14 bits | bytes ... |
//
// Checked beyond the sanitizers (in app_player.h): a parser consumes no more than it was shown and comes to rest.
#include "../unit/app_player.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	enum app_step (*data)(struct app_in *);
	void (*end)(struct app_in *);
	int (*looks)(const uint8_t *, uint32_t);
} parsers[5] = {
	{http_data, http_end, http_looks}, {ssh_data, ssh_end, ssh_looks},       {prelude_data, NULL, prelude_looks},
	{socks_data, NULL, socks_looks},   {http2_data, http2_end, http2_looks},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct player *p;

	if (!p)
		p = player_new();
	if (size < 1 || size > 65536)
		return 0;
	unsigned which = data[0] & 32 ? 4 : data[0] & 3;
	player_start(p, parsers[which].data, parsers[which].end);
	p->f.flags = (data[0] & 4 ? 0 : FLOW_REPLIED) | (data[0] & 8 ? FLOW_MIDSTREAM : 0);
	bool bytes = (data[0] & 16) && size < 4096; // each byte costs a copy of what is pending
	for (size_t at = 1; at + 2 <= size;) {
		unsigned head = data[at] << 8 | data[at + 1], dir = head >> 15;
		size_t len = head & 0x3fff;
		at += 2;
		len = len < size - at ? len : size - at;
		uint8_t *copy = malloc(len ? len : 1);
		memcpy(copy, data + at, len);
		parsers[which].looks(copy, len);
		http2_looks_midway(copy, len);
		free(copy);
		p->side[dir].gap |= head & 0x4000;
		for (size_t i = 0; i < len && p->fate == APP_MORE; i += bytes ? 1 : len)
			player_say(p, dir, data + at + i, bytes ? 1 : len);
		at += len;
	}
	player_end(p);
	return 0;
}
