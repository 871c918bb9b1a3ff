// SPDX-License-Identifier: BSD-3-Clause
//
// The list of cuts and its bytes. In: objects as they are closed and as they arrive. Out: what the cursor carries.
// Pure.
//
// Objects of several classes, tenants and hours are open at a time, and the cursor stands at the oldest frame of them
// all: behind it others have been closed and may have arrived. Each is known by its first frame; where its end is
// decided by the clock or by size, that decision has to outlive a crash, or the object would be made again under the
// same name with other bytes.
#include "ship/cuts.h"

#include <string.h>

#define MAGIC 0x31747563u // "cut1"
#define HEAD 8
#define EACH 25

struct cut *cuts_find(struct cuts *c, uint64_t key, uint64_t at)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->of[i].key == key && c->of[i].first <= at && at < c->of[i].end)
			return &c->of[i];
	return NULL;
}

struct cut *cuts_set(struct cuts *c, uint64_t key, uint64_t first, uint64_t end)
{
	unsigned i = 0;
	for (; i < c->n && (c->of[i].key != key || c->of[i].first != first); i++)
		;
	if (i == CUTS_MAX)
		return NULL;
	if (i == c->n)
		c->of[c->n++] = (struct cut){.key = key, .first = first};
	c->of[i].durable &= c->of[i].end == end;
	c->of[i].end = end;
	return &c->of[i];
}

void cuts_forget(struct cuts *c, uint64_t acked)
{
	unsigned n = 0;
	for (unsigned i = 0; i < c->n; i++)
		if (c->of[i].end > acked)
			c->of[n++] = c->of[i];
	c->n = n;
}

size_t cuts_write(const struct cuts *c, void *out, size_t size)
{
	uint8_t *p = out;
	const uint32_t head[2] = {MAGIC, c->n};
	if (HEAD + (size_t)c->n * EACH > size)
		return 0;
	memcpy(p, head, HEAD);
	p += HEAD;
	for (unsigned i = 0; i < c->n; i++, p += EACH) {
		memcpy(p, &c->of[i].first, 8);
		memcpy(p + 8, &c->of[i].end, 8);
		memcpy(p + 16, &c->of[i].key, 8);
		p[24] = (uint8_t)(c->of[i].done | c->of[i].refused << 1);
	}
	return (size_t)(p - (uint8_t *)out);
}

void cuts_read(struct cuts *c, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint32_t head[2];
	c->n = 0;
	if (len < HEAD)
		return;
	memcpy(head, p, HEAD);
	p += HEAD;
	if (head[0] != MAGIC || head[1] > CUTS_MAX || len != HEAD + (size_t)head[1] * EACH)
		return;
	for (; c->n < head[1]; p += EACH) {
		struct cut *t = &c->of[c->n++];
		memcpy(&t->first, p, 8);
		memcpy(&t->end, p + 8, 8);
		memcpy(&t->key, p + 16, 8);
		t->done = p[24] & 1;
		t->refused = p[24] & 2;
		t->durable = true;
	}
}
