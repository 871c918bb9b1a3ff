// SPDX-License-Identifier: BSD-3-Clause
//
// Where a replay's records go without a spool between: one face, one descriptor that is waited for. Shipper's thread.
#pragma once

#include "ship/face.h"

struct direct {
	struct ship_sink config;
	const struct face *face;
	struct render render;
};

// communityid: the shipper's. 0 or -errno.
int direct_open(struct direct *k, const struct ship_config *config, struct communityid *communityid);
void direct_close(struct direct *k);

// By enum ship_format.
extern const struct face *const faces[SHIP_FORMATS];
