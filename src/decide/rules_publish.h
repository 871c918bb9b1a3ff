// SPDX-License-Identifier: BSD-3-Clause
//
// A policy file as the next version of swg_rules. See rules_publish.c. Runs without an appliance, too.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct pairs;

struct rules_publish {
	const struct pairs *kafka;
	const char *file, *author, *why;
	bool dry;                                              // says what would change, and changes nothing
	void (*heard)(void *arg, char sign, const char *what); // '+', '-', '~': a rule or set by its name
	void *arg;
};

struct rules_published {
	uint64_t version; // that was written, or would be (dry); nothing to write: the last one; 0: none
	uint32_t added, changed, removed, items_added, items_removed;
	uint32_t rules, sets; // of the version
	bool written;         // a version was
	bool created;         // the topic was not there
	char hash[65];
};
// 0; -EINVAL: the policy has errors, or cannot be written so; -EIO: Kafka: *said is why; -EBUSY: somebody else
// publishes. What is wrong, and warnings, are written to `say`.
int rules_publish(const struct rules_publish *p, struct rules_published *done, FILE *say);
