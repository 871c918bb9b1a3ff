// SPDX-License-Identifier: BSD-3-Clause
//
// Records in one order come in; out come lines of one face to one descriptor, which is waited for: a replay loses
// nothing to a slow reader. What the appliance writes goes by the spool (deliver.c). Shipper's thread.
#include "ship/direct.h"

#include <errno.h>

const struct face *const faces[SHIP_FORMATS] = {&table_face, &eve_face, &ocsf_face, &facts_face, &raw_face};

int direct_open(struct direct *k, const struct ship_config *config, struct communityid *communityid)
{
	k->config = *config->sink;
	k->face = faces[k->config.format];
	k->render.config = config;
	k->render.sink = &k->config;
	k->render.communityid = communityid;
	int rc = outlet_open(&k->render.out, k->config.fd);
	return rc < 0 ? rc : k->face->open(&k->render);
}

void direct_close(struct direct *k)
{
	if (k->face && k->face->close)
		k->face->close(&k->render);
	outlet_close(&k->render.out);
}
