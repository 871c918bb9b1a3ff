// SPDX-License-Identifier: BSD-3-Clause
//
// Buckets, as the doctor sees them: by the request that a sink begins with (what uploads are left under its prefix),
// which needs a server that answers, credentials that it takes, a clock and a region that it agrees with. Whether
// objects may be put is only known by putting one: that is said, not tried.
#include "doctor.h"

#ifdef HAVE_S3
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "remote/credentials.h"
#include "ship/s3_object.h"

#define CHECK "s3"
#define ANSWER_MS 5000
#define SKEW_S 60

struct asked {
	struct s3_call call;
	char prefix[sizeof(((struct sink_config *)0)->prefix) + 1];
	enum s3_outcome outcome;
};

static void answered(struct s3_call *c, enum s3_outcome outcome)
{
	((struct asked *)c->arg)->outcome = outcome;
}

// False: no answer within ANSWER_MS, or nothing to ask with.
static bool ask(struct s3 *s, struct asked *a, const struct sink_config *k)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + ANSWER_MS * 1000000ull;
	snprintf(a->prefix, sizeof(a->prefix), "%s%s", k->prefix, *k->prefix ? "/" : "");
	a->call = (struct s3_call){.method = "GET",
				   .key = "",
				   .query = {{"uploads", ""}, {"max-uploads", "1"}, {"prefix", a->prefix}},
				   .nquery = 3,
				   .may_fail = true,
				   .answer = "ListMultipartUploadsResult",
				   .done = answered,
				   .arg = a};
	s3_begin(s, &a->call);
	while (a->call.active && clock_ns(CLOCK_MONOTONIC) < end)
		s3_run(s, 100);
	bool done = !a->call.active;
	s3_cancel(&a->call);
	return done;
}

static void keys(struct doctor *d, const struct sink_config *k, const struct credentials *c)
{
	char until[40] = "";
	time_t t = (time_t)credentials_expire(c);
	struct tm tm;
	if (t)
		strftime(until, sizeof(until), ", until %Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	bool bad = *credentials_why(c) != '\0', shell = !strcmp(credentials_source(c), "environment");
	doctor_say(d, bad ? DOCTOR_BAD : DOCTOR_OK, CHECK, false, "", "%s: credentials: %.200s%s%s", k->name,
		   bad ? credentials_why(c) : credentials_source(c), bad ? "" : until,
		   !bad && shell ? " (of this shell: the service has its unit's)" : "");
}

static void bucket(struct doctor *d, const struct sink_config *k, unsigned sink, const struct s3 *s,
		   const struct asked *a, bool answer)
{
	const struct s3_call *c = &a->call;
	const char *code = c->code;
	char fix[192] = "", why[S3_WHY];
	s3_why(c, why, sizeof(why));
	bool there = answer && a->outcome == S3_OK, barred = answer && !strcmp(code, "AccessDenied");
	if (!answer)
		return doctor_say(d, DOCTOR_BAD, CHECK, false, "", "%s: bucket %s: no answer within %u s: %.150s",
				  k->name, k->bucket, ANSWER_MS / 1000, s3_down(s) ? s3_down(s) : "it is waited for");
	if (barred)
		return doctor_say(d, DOCTOR_WARN, CHECK, false, "",
				  "%s: bucket %s: s3:ListBucketMultipartUploads is not allowed: uploads that a crash "
				  "leaves stay; whether objects may be put is seen at the first",
				  k->name, k->bucket);
	if (!strcmp(code, "NoSuchBucket"))
		snprintf(fix, sizeof(fix), "aws s3api create-bucket --bucket %s", k->bucket);
	if (!there)
		return doctor_say(d, DOCTOR_BAD, CHECK, false, fix, "%s: bucket %s: %.200s", k->name, k->bucket, why);
	bool moved = *k->region && strcmp(k->region, s3_region(s)) != 0;
	if (moved)
		snprintf(fix, sizeof(fix), "sluice run ... --set sinks.%u.region=%s", sink, s3_region(s));
	doctor_say(d, moved ? DOCTOR_WARN : DOCTOR_OK, CHECK, false, fix,
		   "%s: bucket %s answers in %s%s; whether objects may be put%s is seen at the first", k->name,
		   k->bucket, s3_region(s), moved ? ", and not where the configuration says" : "",
		   *k->kms_key || k->nkms_tenants ? ", and are encrypted by KMS," : "");
}

static void clock_of(struct doctor *d, const struct sink_config *k, int64_t server_s)
{
	long long skew = server_s - time(NULL);
	bool far = server_s && llabs(skew) > SKEW_S;
	if (!server_s)
		doctor_say(d, DOCTOR_WARN, CHECK, false, "", "%s: clock: not looked at", k->name);
	else
		doctor_say(d, far ? DOCTOR_WARN : DOCTOR_OK, CHECK, false, far ? "apt install chrony" : "",
			   "%s: clock: the server's differs by %lld s%s", k->name, skew,
			   far ? "; requests are signed by the server's" : "");
}

static void one(struct doctor *d, unsigned sink)
{
	const struct sink_config *k = &d->config.sinks[sink];
	char why[S3_WHY];
	const struct s3_config config = s3_config_of(k);
	struct s3 *s = s3_new(&config, why);
	struct asked *a = calloc(1, sizeof(*a));
	if (s && a) {
		bool answer = ask(s, a, k);
		keys(d, k, s3_credentials(s));
		bucket(d, k, sink, s, a, answer);
		clock_of(d, k, a->call.http.date_s);
	} else {
		doctor_say(d, DOCTOR_BAD, CHECK, false, "", "%s: %s", k->name, why);
	}
	s3_free(s);
	free(a);
}

void doctor_s3(struct doctor *d)
{
	for (unsigned i = 0; i < d->config.nsinks; i++)
		if (d->config.sinks[i].type == SINK_S3)
			one(d, i);
}
#else
void doctor_s3(struct doctor *d) {}
#endif
