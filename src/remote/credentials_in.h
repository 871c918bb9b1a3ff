// SPDX-License-Identifier: BSD-3-Clause
//
// What credentials_*.c share, and nobody else sees.
#pragma once

#include <stdarg.h>
#include <stdlib.h>

#include "remote/credentials.h"

#define CREDENTIALS_TOKEN 8192 // of STS: "no maximum"; 4 KiB have been seen
#define CREDENTIALS_CHAIN 5    // profiles that take their keys of one another

struct credentials_set {
	char key_id[128], secret[256], token[CREDENTIALS_TOKEN];
	int64_t expires_s; // 0: never
};

struct credentials {
	char *profile, *region, *role_arn, *role_session, *external_id, *ca_file, *proxy;
	bool profile_given;
	struct credentials_set now;
	bool have, refused;
	int64_t due_s, tried_s;  // when to fetch anew; when that was tried last
	int64_t clock_s, skew_s; // now; how much later it is for STS
	unsigned failures, seed;
	char why[512], source[160], region_found[64];
};

// Each source: 0, -ENOENT where it is not set up (the next one is asked), else -errno with why said.
int credentials_fail(struct credentials *c, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
static inline const char *credentials_env(const char *name)
{
	const char *v = getenv(name);
	return v && *v ? v : NULL;
}

// credentials_file.c: a value of a profile in the shared files. false: there is none.
bool credentials_file_value(const char *profile, const char *key, char *out, size_t size);
bool credentials_file_profile(const char *profile); // is there one?

// credentials.c: whatever the profile
int credentials_environment(struct credentials *c, struct credentials_set *out);

// credentials_profile.c: keys and roles of profiles.
int credentials_profile_role(struct credentials *c, struct credentials_set *out);
int credentials_profile_keys(struct credentials *c, struct credentials_set *out);

// credentials_host.c: from the machine or container it runs on.
int credentials_container(struct credentials *c, struct credentials_set *out);
int credentials_instance(struct credentials *c, struct credentials_set *out);

// A file's text without the end of its line. 0 or -errno, said.
int credentials_read(struct credentials *c, const char *path, char *out, size_t size);

// credentials_sts.c: roles.
struct credentials_role {
	const char *arn, *session, *external_id, *duration, *region;
	const char *token_file; // web identity: instead of keys
};
int credentials_assume(struct credentials *c, const struct credentials_role *r, const struct credentials_set *with,
		       struct credentials_set *out);
int credentials_web_identity(struct credentials *c, struct credentials_set *out);

// "2026-11-22T08:00:00Z", also with a fraction or an offset. 0: it is none.
int64_t credentials_time(const char *text);
