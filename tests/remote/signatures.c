// SPDX-License-Identifier: BSD-3-Clause
//
// Reads requests as JSON, one a line, and says how src/remote/sigv4.c signs each: for tests/remote/sigv4_test.py.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/sigv4.h"

static const char *text(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static unsigned pairs(json_t *list, struct sigv4_pair *out)
{
	size_t i;
	json_t *p;
	json_array_foreach(list, i, p)
		out[i] = (struct sigv4_pair){json_string_value(json_array_get(p, 0)),
					     json_string_value(json_array_get(p, 1))};
	return (unsigned)json_array_size(list);
}

static void answer(json_t *o)
{
	static char url[65536];
	char date[SIGV4_DATE], authorization[SIGV4_AUTHORIZATION] = "";
	struct sigv4_pair query[64], headers[64];
	const char *how = text(o, "how");
	struct sigv4_identity id = {text(o, "key_id"), text(o, "secret"), text(o, "token")};
	struct sigv4_request q = {.method = text(o, "method"),
				  .origin = text(o, "origin"),
				  .path = text(o, "path"),
				  .query = query,
				  .headers = headers,
				  .nquery = pairs(json_object_get(o, "query"), query),
				  .nheaders = pairs(json_object_get(o, "headers"), headers),
				  .content_sha256 = text(o, "content_sha256"),
				  .region = text(o, "region"),
				  .service = text(o, "service"),
				  .now_s = json_integer_value(json_object_get(o, "now"))};
	int rc;

	if (!strcmp(how, "headers")) {
		rc = sigv4_sign(&id, &q, date, authorization);
		printf("%d %s %s\n", rc, date, authorization);
	} else if (!strcmp(how, "query")) {
		rc = sigv4_presign(&id, &q, (unsigned)json_integer_value(json_object_get(o, "expires")), url,
				   sizeof(url));
		printf("%d %s\n", rc, url);
	} else {
		rc = sigv4_presign_msk(&id, q.region, q.now_s, text(o, "agent"), url, sizeof(url));
		printf("%d %s\n", rc, url);
	}
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		json_t *o = json_loads(line, 0, NULL);
		if (!o)
			abort();
		answer(o);
		json_decref(o);
	}
	free(line);
}
