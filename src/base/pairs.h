// SPDX-License-Identifier: BSD-3-Clause
//
// Names and values that somebody else's program gives a meaning to (librdkafka's properties), in the order in which
// they were given. A plain value without a pointer: it is copied and compared as the rest of a configuration.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PAIRS_MAX 64
#define PAIRS_TEXT 16384 // a certificate with its chain, in PEM, is some 6,000

struct pairs {
	uint16_t n, used; // of text
	struct {
		uint16_t name, value; // where in text
	} pair[PAIRS_MAX];
	char text[PAIRS_TEXT];
};

static inline const char *pairs_name(const struct pairs *p, unsigned i)
{
	return p->text + p->pair[i].name;
}

static inline const char *pairs_value(const struct pairs *p, unsigned i)
{
	return p->text + p->pair[i].value;
}

// The value of that name. NULL: there is none.
const char *pairs_get(const struct pairs *p, const char *name);
// Sets it, over one that is there. Its number, or -ENOSPC.
int pairs_set(struct pairs *p, const char *name, const char *value);
