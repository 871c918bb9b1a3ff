// SPDX-License-Identifier: BSD-3-Clause
//
// Asks src/remote/credentials.c, for tests/remote/credentials_test.py: lines "TIME" (get, at that time) or "refused" on
// standard input, a JSON object a "get" on standard output. usage: credentials [KEY=VALUE...] of struct
// credentials_config
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/credentials.h"

int main(int argc, char **argv)
{
	struct credentials_config config = {0};
	const struct {
		const char *key, **to;
	} keys[] = {{"profile", &config.profile},         {"region", &config.region},
		    {"role_arn", &config.role_arn},       {"role_session", &config.role_session},
		    {"external_id", &config.external_id}, {"ca_file", &config.ca_file}};
	char line[64];

	for (int i = 1; i < argc; i++)
		for (unsigned k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
			size_t n = strlen(keys[k].key);
			if (!strncmp(argv[i], keys[k].key, n) && argv[i][n] == '=')
				*keys[k].to = argv[i] + n + 1;
		}
	struct credentials *c = credentials_new(&config);
	while (c && fgets(line, sizeof(line), stdin)) {
		struct sigv4_identity id = {"", "", ""};
		if (!strncmp(line, "refused", 7)) {
			credentials_refused(c);
			continue;
		}
		int rc = credentials_get(c, atoll(line), &id);
		json_t *o =
			json_pack("{s:i s:s s:s s:s s:s s:s s:I s:s}", "rc", rc, "key", id.key_id, "secret", id.secret,
				  "token", id.token, "why", credentials_why(c), "source", credentials_source(c),
				  "expires", (json_int_t)credentials_expire(c), "region", credentials_region(c));
		char *text = json_dumps(o, 0);
		puts(text);
		fflush(stdout);
		free(text);
		json_decref(o);
	}
	credentials_free(c);
}
