// SPDX-License-Identifier: BSD-3-Clause
//
// Where credentials come from, and when anew. In: environment, shared files, servers of the machine and STS. Out: the
// identity to sign with. One thread owns a struct credentials, and may wait in it for a server that does not answer.
//
// What works is kept: new ones are fetched five minutes before the old ones expire (and up to a minute earlier, so that
// a fleet started together does not ask together); a fetch that fails changes nothing while the old ones are good, and
// is tried again soon. Not read: SSO and credential_process, which need a person and a program of somebody's; a profile
// that has them is refused with that word. Secrets are never in a message.
#include "remote/credentials.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/word.h"
#include "remote/credentials_in.h"

#define EARLY_S 300 // "refreshed about 5 minutes before they expire", as AWS's SDKs do
#define JITTER_S 60 // and up to this much sooner
#define RETRY_S 15  // after a failure, at first; doubled up to
#define RETRY_MAX_S 300
#define EXTENDED_S 900
#define REFUSED_S 5 // between two fetches for the sake of a server that refuses what it gets

int credentials_fail(struct credentials *c, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->why, sizeof(c->why), format, args);
	va_end(args);
	word_plain(c->why);
	return error;
}

int64_t credentials_time(const char *text)
{
	struct tm tm = {0};
	int sign = 1, hours = 0, minutes = 0;
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!p)
		return 0;
	if (*p == '.')
		p += 1 + strspn(p + 1, "0123456789");
	if (*p == '+' || *p == '-') {
		sign = *p == '-' ? -1 : 1;
		if (sscanf(p + 1, "%2d:%2d", &hours, &minutes) != 2)
			return 0;
	} else if (*p != 'Z') {
		return 0;
	}
	return timegm(&tm) - sign * (hours * 3600 + minutes * 60);
}

int credentials_environment(struct credentials *c, struct credentials_set *out)
{
	const char *id = credentials_env("AWS_ACCESS_KEY_ID"), *secret = credentials_env("AWS_SECRET_ACCESS_KEY");
	const char *token = credentials_env("AWS_SESSION_TOKEN");

	if (!id)
		return -ENOENT;
	if (!secret)
		return credentials_fail(c, -EINVAL, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
	snprintf(out->key_id, sizeof(out->key_id), "%s", id);
	snprintf(out->secret, sizeof(out->secret), "%s", secret);
	snprintf(out->token, sizeof(out->token), "%s", token ? token : "");
	return 0;
}

static int from_environment(struct credentials *c, struct credentials_set *out)
{
	return c->profile_given ? -ENOENT : credentials_environment(c, out);
}

// In the order of AWS's SDKs. The first that is set up is the one, whether it works or not.
static const struct {
	const char *name;
	int (*load)(struct credentials *, struct credentials_set *);
} sources[] = {
	{"environment", from_environment},          {"role of profile", credentials_profile_role},
	{"web identity", credentials_web_identity}, {"profile", credentials_profile_keys},
	{"container", credentials_container},       {"instance", credentials_instance},
};
#define SOURCES (sizeof(sources) / sizeof(*sources))

static int load(struct credentials *c, struct credentials_set *out)
{
	char last[sizeof(c->why)];
	int rc = -ENOENT;
	unsigned i = 0;
	for (; i < SOURCES && rc == -ENOENT; i++) {
		memset(out, 0, sizeof(*out));
		rc = sources[i].load(c, out);
	}
	const char *name = sources[i - 1].name, *of = strstr(name, "profile") ? c->profile : "";
	snprintf(c->source, sizeof(c->source), "%s%s%s", name, *of ? " " : "", of);
	if (!rc || i < SOURCES)
		return rc;
	snprintf(last, sizeof(last), "%s", rc == -ENOENT ? "the instance is not asked" : c->why);
	return credentials_fail(c, rc, "no credentials in %sprofile %.60s, %scontainer; %.300s",
				c->profile_given ? "" : "the environment, ", c->profile,
				c->profile_given ? "" : "web identity, ", last);
}

static int load_role(struct credentials *c, struct credentials_set *out)
{
	struct credentials_role role = {.arn = c->role_arn, .session = c->role_session, .external_id = c->external_id};
	int rc = load(c, out);

	return rc || !c->role_arn ? rc : credentials_assume(c, &role, out, out);
}

static unsigned jitter(struct credentials *c, unsigned most)
{
	return (unsigned)rand_r(&c->seed) % (most + 1);
}

// When they are to be fetched anew. What lives shortly has half of its life.
static void settle(struct credentials *c, int64_t now_s)
{
	int64_t life = c->now.expires_s - now_s, early = EARLY_S + jitter(c, JITTER_S);

	c->have = true;
	c->failures = 0;
	c->why[0] = '\0';
	c->due_s = !c->now.expires_s ? INT64_MAX : life > 2 * early ? c->now.expires_s - early : now_s + life / 2;
}

static bool good(const struct credentials *c, int64_t now_s)
{
	return c->have && !c->refused && (!c->now.expires_s || now_s < c->now.expires_s);
}

static bool may_try(const struct credentials *c, int64_t now_s)
{
	if (now_s < c->tried_s) // the clock was set back
		return true;
	int64_t wait = c->refused ? REFUSED_S : 0;
	if (c->failures) {
		wait = RETRY_S << (c->failures < 6 ? c->failures - 1 : 5);
		wait = (wait < RETRY_MAX_S ? wait : RETRY_MAX_S) / 2;
		wait += (int64_t)(c->seed % (unsigned)(wait + 1));
		// with nothing to go on with there is nothing to lose: a server that has just come up is found at once
		wait = good(c, now_s) || wait < REFUSED_S ? wait : REFUSED_S;
	}
	return !c->tried_s || now_s - c->tried_s >= wait;
}

// They go into headers, where a line's end would begin another one.
static bool plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static int fetch(struct credentials *c, int64_t now_s)
{
	struct credentials_set *got = malloc(sizeof(*got));
	int rc = got ? load_role(c, got) : -ENOMEM;

	c->tried_s = now_s;
	bool expired = !rc && got->expires_s && got->expires_s <= now_s;
	// an instance's service that cannot renew them gives the old ones, and asks to go on with them
	if (expired && !strcmp(c->source, "instance"))
		got->expires_s = now_s + EXTENDED_S;
	else if (expired)
		rc = credentials_fail(c, -EKEYEXPIRED, "%s gives credentials that have expired", c->source);
	if (!rc && !(plain(got->key_id) && plain(got->secret) && plain(got->token)))
		rc = credentials_fail(c, -EBADMSG, "%s gives credentials with bytes that no header can carry",
				      c->source);
	if (!rc) {
		if (!c->have || c->now.expires_s)
			log_say(c->have ? LOG_DEBUG : LOG_INFO, "remote", "credentials source=\"%s\" key=%s", c->source,
				got->key_id);
		c->now = *got;
		c->refused = false;
		settle(c, now_s);
	} else {
		c->failures++;
		jitter(c, 1);
	}
	if (got)
		OPENSSL_cleanse(got, sizeof(*got));
	free(got);
	return rc;
}

int credentials_get(struct credentials *c, int64_t now_s, struct sigv4_identity *out)
{
	int rc = 0;

	c->clock_s = now_s;
	if ((!good(c, now_s) || now_s >= c->due_s) && may_try(c, now_s))
		rc = fetch(c, now_s);
	if (!good(c, now_s) && !(c->have && c->refused))
		return rc ? rc : -EAGAIN;
	if (c->refused && rc)
		return rc;
	*out = (struct sigv4_identity){c->now.key_id, c->now.secret, c->now.token};
	return 0;
}

void credentials_refused(struct credentials *c)
{
	c->refused = true;
}

static char *given(const char *value, const char *name, const char *other)
{
	if (!value || !*value)
		value = name ? credentials_env(name) : NULL;
	return value ? strdup(value) : other ? strdup(other) : NULL;
}

struct credentials *credentials_new(const struct credentials_config *config)
{
	struct credentials *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->profile_given = config->profile && *config->profile;
	c->profile = given(config->profile, "AWS_PROFILE", "default");
	c->region = given(config->region, NULL, NULL);
	c->role_arn = given(config->role_arn, NULL, NULL);
	c->role_session = given(config->role_session, "AWS_ROLE_SESSION_NAME", "sluice");
	c->external_id = given(config->external_id, NULL, NULL);
	c->ca_file = given(config->ca_file, NULL, NULL);
	c->proxy = given(config->proxy, NULL, NULL);
	c->seed = (unsigned)getpid() ^ (unsigned)time(NULL);
	const char *region = credentials_env("AWS_REGION");
	region = region ? region : credentials_env("AWS_DEFAULT_REGION");
	if (region)
		snprintf(c->region_found, sizeof(c->region_found), "%s", region);
	else if (c->profile)
		credentials_file_value(c->profile, "region", c->region_found, sizeof(c->region_found));
	if (c->profile && c->role_session)
		return c;
	credentials_free(c);
	return NULL;
}

void credentials_free(struct credentials *c)
{
	if (!c)
		return;
	char *const texts[] = {c->profile,     c->region,  c->role_arn, c->role_session,
			       c->external_id, c->ca_file, c->proxy};
	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]);
	OPENSSL_cleanse(&c->now, sizeof(c->now));
	free(c);
}

const char *credentials_why(const struct credentials *c)
{
	return c->why;
}

const char *credentials_source(const struct credentials *c)
{
	return c->source;
}

int64_t credentials_expire(const struct credentials *c)
{
	return c->now.expires_s;
}

const char *credentials_region(const struct credentials *c)
{
	return c->region_found;
}

bool credentials_takes_region(const char *text)
{
	static const char label[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
	size_t n = strspn(text, label);
	return n && n < 64 && !text[n];
}
