// SPDX-License-Identifier: BSD-3-Clause
//
// Which records a sink takes: by kind and by tenant. A filter is a value: made once, then only read, from any thread.
//
// Gaps always pass: who reads must know what is missing. A flow's start passes with its tenant, whatever the kinds: it
// is no line of its own, faces learn a flow's tags from it. What is said of the appliance (state) has no tenant: a
// sink of some tenants gets it where its kinds name it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record;

#define FILTER_TENANTS 64

struct filter {         // all zero: takes everything
	uint32_t kinds; // 1 << enum record_kind; 0 and not denied: all
	bool denied;    // and what the policy refused, of any kind
	unsigned ntenants;
	uint64_t tenants[FILTER_TENANTS]; // 0: records of none
};

// Adds one of the words of `kinds`: a record's kind, or a group of them ("transaction", "verdict"). 0; -EINVAL: no such
// word, and *near is what may have been meant, or NULL.
int filter_kind(struct filter *f, const char *word, const char **near);
// 0; -ENOSPC: there are FILTER_TENANTS already.
int filter_tenant(struct filter *f, uint64_t tenant);
bool filter_takes(const struct filter *f, const struct record *r);
