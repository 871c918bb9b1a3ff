// SPDX-License-Identifier: BSD-3-Clause
//
// One set of credentials a client: its background thread alone uses them, so there is no lock. librdkafka asks again
// after 80 % of a token's life, and each 10 s where it got none.
#include "remote/kafka_token.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "remote/credentials.h"
#include "remote/kafka.h"
#include "remote/sigv4.h"

#define TOKEN_BYTES (16 * 1024)

struct kafka_token {
	struct credentials *credentials;
	const char *region;
};

struct kafka_token *kafka_token_new(const struct pairs *p, const char **why)
{
	struct credentials_config c = {0};
	unsigned n = 0;
#define X(field) n += (c.field = pairs_get(p, KAFKA_TOKEN #field)) != NULL;
	KAFKA_TOKEN_KEYS(X)
#undef X
	*why = n && !c.region ? KAFKA_TOKEN "region is missing" : NULL;
	struct kafka_token *t = n && !*why ? calloc(1, sizeof(*t)) : NULL;
	if (!t)
		return NULL;
	t->region = c.region;
	t->credentials = credentials_new(&c);
	if (t->credentials)
		return t;
	*why = "no memory";
	free(t);
	return NULL;
}

void kafka_token_free(struct kafka_token *t)
{
	if (t)
		credentials_free(t->credentials);
	free(t);
}

void kafka_token_refresh(rd_kafka_t *rk, const char *config, void *opaque)
{
	struct kafka_token *t = ((struct kafka_client *)opaque)->token;
	char token[TOKEN_BYTES], why[KAFKA_WHY] = "it is longer than a token can be";
	struct sigv4_identity id;
	int64_t now = time(NULL);
	if (credentials_get(t->credentials, now, &id) < 0)
		snprintf(why, sizeof(why), "no credentials: %.400s", credentials_why(t->credentials));
	else if (sigv4_presign_msk(&id, t->region, now, "sluice/" SLUICE_VERSION, token, sizeof(token)) == 0 &&
		 rd_kafka_oauthbearer_set_token(rk, token, (now + SIGV4_MSK_S) * 1000, "sluice", NULL, 0, why,
						sizeof(why)) == RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	rd_kafka_oauthbearer_set_token_failure(rk, why);
}
