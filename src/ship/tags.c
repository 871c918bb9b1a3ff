// SPDX-License-Identifier: BSD-3-Clause
//
// A worker writes a flow's VLANs and VNIs once, in RECORD_FLOW_START, and they are wanted in each record: here they are
// added, before anything is rendered or stored, so that a record says all by itself, whenever and wherever it is read
// again. Shipper's thread.
//
// They are kept by flow id in a table of fixed size that is made when the first tagged flow comes. An entry gives way
// to a later flow of the same place: a flow that lives through 2^18 frames with tags may lose its tags in later
// records; its first one has them.
#include "ship/tags.h"

#include <stdlib.h>
#include <string.h>

#include "record.h"

#define TAGS_MAX 4
#define TAGGED (1u << 18) // flows whose tags are kept: 10 MiB
#define ROOM (2 * RECORD_MAX + 2 * TAGS_MAX * FACT_SIZE(sizeof(uint64_t)))

struct flow_tags {
	uint64_t flow_id;
	uint32_t tag[2 * TAGS_MAX]; // VLANs, then VNIs
	uint8_t nvlans, n;
};

struct tags {
	struct flow_tags *of; // NULL while no flow had any
	uint64_t out[ROOM / 8];
};

struct tags *tags_new(void)
{
	struct tags *t = malloc(sizeof(*t));
	if (t)
		t->of = NULL;
	return t;
}

void tags_free(struct tags *t)
{
	if (t)
		free(t->of);
	free(t);
}

void tags_forget(struct tags *t)
{
	free(t->of);
	t->of = NULL;
}

static struct flow_tags *place(const struct tags *t, uint64_t flow_id)
{
	return &t->of[(flow_id ^ flow_id >> 3) & (TAGGED - 1)];
}

static void gather(struct flow_tags *to, const struct record *r, enum fact_field field)
{
	unsigned most = to->n + TAGS_MAX;
	RECORD_EACH(f, r)
		if (f->field == field && to->n < most)
			to->tag[to->n++] = (uint32_t)fact_number(f);
}

// Without memory flows have no tags.
static void remember(struct tags *t, const struct record *r)
{
	struct flow_tags tags = {.flow_id = r->flow_id};
	gather(&tags, r, FACT_VLAN);
	tags.nvlans = tags.n;
	gather(&tags, r, FACT_VNI);
	if (tags.n && !t->of)
		t->of = calloc(TAGGED, sizeof(*t->of));
	if (tags.n && t->of)
		*place(t, r->flow_id) = tags;
}

static void add(struct record *r, enum fact_field field, uint64_t value)
{
	struct fact *f = (struct fact *)((uint8_t *)r + r->len);
	*f = (struct fact){.field = (uint16_t)field, .len = sizeof(value)};
	memcpy(f->value, &value, sizeof(value));
	r->len += FACT_SIZE(sizeof(value));
	r->nfacts++;
}

const struct record *tags_record(struct tags *t, const struct record *r)
{
	if (r->kind == RECORD_FLOW_START)
		remember(t, r);
	const struct flow_tags *of = t->of && r->flow_id ? place(t, r->flow_id) : NULL;
	if (!of || of->flow_id != r->flow_id || r->kind == RECORD_FLOW_START || r->len > 2 * RECORD_MAX)
		return r;
	struct record *out = (struct record *)t->out;
	memcpy(out, r, r->len);
	for (unsigned i = 0; i < of->n; i++)
		add(out, i < of->nvlans ? FACT_VLAN : FACT_VNI, of->tag[i]);
	return out;
}
