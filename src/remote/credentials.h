// SPDX-License-Identifier: BSD-3-Clause
//
// AWS credentials: looked for in the order of AWS's own SDKs, kept, and fetched anew before they expire.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "remote/sigv4.h"

struct credentials;

// Each may be NULL or "": what the environment or the shared files say holds, else none.
struct credentials_config {
	const char *profile;                               // given: the environment's keys are not looked at
	const char *region;                                // of STS
	const char *role_arn, *role_session, *external_id; // a role that what was found takes on
	const char *ca_file, *proxy;
};

struct credentials *credentials_new(const struct credentials_config *config); // NULL: no memory
void credentials_free(struct credentials *c);

// What to sign with now; may wait for a server, some seconds. Valid until the next call. 0; else -errno, and
// credentials_why says it. Where fetching anew fails, the old ones hold as long as they are good.
int credentials_get(struct credentials *c, int64_t now_s, struct sigv4_identity *out);
// A server refused them: the next credentials_get fetches, though not more than once in some seconds.
void credentials_refused(struct credentials *c);

const char *credentials_why(const struct credentials *c);    // the last failure, one line without secrets; ""
const char *credentials_source(const struct credentials *c); // "environment", "profile default", ...; ""
int64_t credentials_expire(const struct credentials *c);     // seconds since 1970; 0: they do not
// The region that environment or shared files name; "": none.
const char *credentials_region(const struct credentials *c);
// Whether text can be a region: it becomes a label of hosts' names and a part of what is signed.
bool credentials_takes_region(const char *text);
#define CREDENTIALS_REGION_EXPECTED "a region is expected, as eu-central-1"
