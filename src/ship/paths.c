// SPDX-License-Identifier: BSD-3-Clause
//
// Names of captures, quoted once for all records that have them.
#include "ship/paths.h"

#include <stdlib.h>
#include <string.h>

void paths_forget(struct render *r)
{
	for (unsigned i = 0; i < r->npaths; i++) {
		free(r->paths[i].plain);
		free(r->paths[i].json);
	}
	free(r->paths);
	r->paths = NULL;
	r->npaths = 0;
}

static bool keep(struct render_path *p, const char *path)
{
	size_t room = strlen(path) * 6 + 16;
	p->plain = strdup(path);
	p->json = malloc(room);
	if (!p->plain || !p->json)
		return false;
	struct jsonl j = {.at = p->json, .end = p->json + room};
	jsonl_string(&j, path);
	p->json_len = (size_t)(j.at - p->json);
	return true;
}

void paths_set(struct render *r, const char *const *names, unsigned n)
{
	paths_forget(r);
	r->paths = calloc(n ? n : 1, sizeof(*r->paths));
	bool all = r->paths;
	for (unsigned i = 0; i < n && all; i++)
		all = keep(&r->paths[r->npaths++], names[i]);
	if (!all)
		paths_forget(r);
}
