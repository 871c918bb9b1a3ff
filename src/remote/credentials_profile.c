// SPDX-License-Identifier: BSD-3-Clause
//
// Keys and roles of a profile: static keys; or role_arn with source_profile, credential_source or
// web_identity_token_file. In: names of the shared files' profiles. Out: credentials; a role asks STS.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "remote/credentials_in.h"

static bool value(const char *profile, const char *key, char *out, size_t size)
{
	return credentials_file_value(profile, key, out, size);
}

static int keys_of(struct credentials *c, const char *profile, struct credentials_set *out)
{
	if (!value(profile, "aws_access_key_id", out->key_id, sizeof(out->key_id)))
		return -ENOENT;
	if (!value(profile, "aws_secret_access_key", out->secret, sizeof(out->secret)))
		return credentials_fail(c, -EINVAL, "profile %s has aws_access_key_id and no aws_secret_access_key",
					profile);
	value(profile, "aws_session_token", out->token, sizeof(out->token));
	return 0;
}

// credential_source: the keys of the environment, the container or the instance.
static int keys_named(struct credentials *c, const char *profile, const char *name, struct credentials_set *out)
{
	int rc = -ENOENT;

	if (!strcmp(name, "Environment"))
		rc = credentials_environment(c, out);
	else if (!strcmp(name, "EcsContainer"))
		rc = credentials_container(c, out);
	else if (!strcmp(name, "Ec2InstanceMetadata"))
		rc = credentials_instance(c, out);
	if (rc == -ENOENT)
		return credentials_fail(c, -EINVAL, "profile %s: credential_source %s has none", profile, name);
	return rc;
}

// A profile without keys that has what is not done here. 0: it has none of that.
static int refused(struct credentials *c, const char *profile)
{
	static const char *const keys[] = {"credential_process", "sso_session", "sso_start_url", "sso_account_id",
					   "login_session"};
	char text[8];

	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (value(profile, keys[i], text, sizeof(text)))
			return credentials_fail(c, -ENOTSUP,
						"profile %s: %s is not supported: give it aws_access_key_id and "
						"aws_secret_access_key, or role_arn with source_profile, "
						"credential_source or web_identity_token_file; or take the keys of the "
						"environment, the container or the instance",
						profile, keys[i]);
	return 0;
}

static int role_of(struct credentials *c, const char *profile, unsigned depth, struct credentials_set *out);

// What a role is taken on with.
static int source_of(struct credentials *c, const char *profile, unsigned depth, struct credentials_set *out)
{
	char source[128];

	if (value(profile, "credential_source", source, sizeof(source)))
		return keys_named(c, profile, source, out);
	if (!value(profile, "source_profile", source, sizeof(source)))
		return credentials_fail(c, -EINVAL, "profile %s has role_arn and no source_profile", profile);
	if (depth == CREDENTIALS_CHAIN)
		return credentials_fail(c, -ELOOP, "profile %s: more than %u profiles in a row", profile,
					CREDENTIALS_CHAIN);
	// a profile may be its own source: then its keys are meant
	int rc = strcmp(source, profile) != 0 ? role_of(c, source, depth + 1, out) : -ENOENT;
	if (rc == -ENOENT)
		rc = keys_of(c, source, out);
	if (rc != -ENOENT)
		return rc;
	rc = refused(c, source);
	return rc ? rc : credentials_fail(c, -EINVAL, "profile %s: its source_profile %s has no keys", profile, source);
}

static int role_of(struct credentials *c, const char *profile, unsigned depth, struct credentials_set *out)
{
	char arn[256], session[128], external[1232], duration[16], region[64], file[512];
	struct credentials_role r = {.arn = arn, .session = c->role_session};
	int rc = 0;

	if (!value(profile, "role_arn", arn, sizeof(arn)))
		return -ENOENT;
	if (value(profile, "mfa_serial", external, sizeof(external)))
		return credentials_fail(c, -ENOTSUP, "profile %s: mfa_serial needs a person", profile);
	if (value(profile, "role_session_name", session, sizeof(session)))
		r.session = session;
	if (value(profile, "external_id", external, sizeof(external)))
		r.external_id = external;
	if (value(profile, "duration_seconds", duration, sizeof(duration)))
		r.duration = duration;
	if (value(profile, "region", region, sizeof(region)))
		r.region = region;
	if (value(profile, "web_identity_token_file", file, sizeof(file)))
		r.token_file = file;
	else
		rc = source_of(c, profile, depth, out);
	return rc ? rc : credentials_assume(c, &r, out, out);
}

int credentials_profile_role(struct credentials *c, struct credentials_set *out)
{
	return role_of(c, c->profile, 1, out);
}

int credentials_profile_keys(struct credentials *c, struct credentials_set *out)
{
	int rc = keys_of(c, c->profile, out);

	if (rc != -ENOENT || (rc = refused(c, c->profile)) != 0)
		return rc;
	if (c->profile_given && !credentials_file_profile(c->profile))
		return credentials_fail(c, -EINVAL, "no profile %s in the shared files", c->profile);
	return -ENOENT;
}
