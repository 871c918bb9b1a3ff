// SPDX-License-Identifier: BSD-3-Clause
//
// What could not be read goes where somebody looks: in comes a message, where it stood and why; out goes JSON. Text is
// shown as text, anything else in base64, so that the very bytes can be had again; of a long one the beginning.
#include "decide/unread.h"

#include <stdbool.h>

#include <openssl/evp.h>

#include "ship/jsonl.h"
#include "ship/text.h"

static bool is_text(const uint8_t *p, size_t len)
{
	uint32_t code;
	for (size_t at = 0; at < len;) {
		unsigned n = p[at] < 0x80 ? 1 : text_utf8(p + at, len - at, &code);
		if (!n)
			return false;
		at += n;
	}
	return true;
}

static void message(struct jsonl *j, const void *p, size_t len)
{
	if (is_text(p, len)) {
		jsonl_member_bytes(j, "message", p, len);
		return;
	}
	jsonl_member(j, "message_base64");
	unsigned char text[(UNREAD_BYTES + 2) / 3 * 4 + 1];
	EVP_EncodeBlock(text, p, (int)len);
	jsonl_text(j, (const char *)text); // nothing in it is escaped, and room for that is not asked for
}

size_t unread_write(char out[UNREAD_MAX], const struct unread *u)
{
	struct jsonl j = {.at = out, .end = out + UNREAD_MAX};
	size_t shown = u->len < UNREAD_BYTES ? u->len : UNREAD_BYTES;
	jsonl_open(&j, '{');
	jsonl_member_string(&j, "topic", u->topic);
	jsonl_member_num(&j, "partition", (uint64_t)u->partition);
	jsonl_member_num(&j, "offset", (uint64_t)u->offset);
	if (u->time_ms >= 0)
		jsonl_member_num(&j, "time_ms", (uint64_t)u->time_ms);
	jsonl_member_string(&j, "why", u->why);
	message(&j, u->p ? u->p : "", u->p ? shown : 0);
	jsonl_member_num(&j, "bytes", u->len);
	jsonl_member_string(&j, "node", u->node);
	jsonl_close(&j, '}');
	return (size_t)(j.at - out);
}
