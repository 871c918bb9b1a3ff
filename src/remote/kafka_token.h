// SPDX-License-Identifier: BSD-3-Clause
//
// Tokens for MSK with IAM: librdkafka asks in time before the last one ends, on its own background thread, so that a
// question to the metadata service that takes its time stops nobody.
#pragma once

#include <librdkafka/rdkafka.h>

#include "base/pairs.h"

// Keys of the group `kafka` that are not librdkafka's: X(field of struct credentials_config); region first
#define KAFKA_TOKEN "msk_iam."
#define KAFKA_TOKEN_KEYS(X) X(region) X(profile) X(role_arn) X(role_session) X(external_id)

struct kafka_token;

// NULL: the config asks for none, or (*why set) there is no memory, no region.
struct kafka_token *kafka_token_new(const struct pairs *config, const char **why);
void kafka_token_free(struct kafka_token *t);
// oauthbearer_token_refresh_cb; opaque is the client.
void kafka_token_refresh(rd_kafka_t *rk, const char *config, void *opaque);
