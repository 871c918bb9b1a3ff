// SPDX-License-Identifier: BSD-3-Clause
//
// Roles: AssumeRole (signed with keys) and AssumeRoleWithWebIdentity (with a token that the platform keeps in a file,
// as EKS does). In: a role's name. Out: temporary credentials out of STS's XML. Waits for STS, some seconds at most.
//
// The region's own STS is asked, never the global one: it is nearer, and its tokens hold in every region. The token's
// file is read each time, for it is replaced while we run.
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "remote/credentials_in.h"
#include "remote/http.h"
#include "remote/xml.h"

#define REPLY (32 * 1024)
#define FORM (24 * 1024)
#define TIMEOUT_MS 5000
#define TRIES 3
#define SKEW_S 240 // AWS takes 5 minutes, 15 in S3

// key=value of a form, percent-encoded; the first without '&'. false: it is full.
static bool form_add(char *form, const char *key, const char *value)
{
	struct sigv4_pair pair = {key, value};
	struct sigv4_request q = {.origin = "", .path = "", .query = &pair, .nquery = 1};
	size_t n = strlen(form);

	if (sigv4_url(&q, form + n, FORM - n)) // "?key=value"
		return false;
	form[n] = '&';
	return true;
}

static void endpoint(const struct credentials *c, const char *region, char *out, size_t size)
{
	const char *at = credentials_env("AWS_ENDPOINT_URL_STS");

	at = at ? at : credentials_env("AWS_ENDPOINT_URL");
	if (at)
		snprintf(out, size, "%s", at);
	else
		snprintf(out, size, "https://sts.%s.amazonaws.com%s", region, strncmp(region, "cn-", 3) ? "" : ".cn");
	size_t n = strlen(out);
	if (n && out[n - 1] == '/')
		out[n - 1] = '\0';
}

static int read_xml(struct credentials *c, const char *xml, struct credentials_set *out)
{
	char when[40];
	const char *end, *in = xml_element(xml, "Credentials", &end);

	memset(out, 0, sizeof(*out));
	if (!in || !xml_text(in, "AccessKeyId", out->key_id, sizeof(out->key_id)) ||
	    !xml_text(in, "SecretAccessKey", out->secret, sizeof(out->secret)) ||
	    !xml_text(in, "SessionToken", out->token, sizeof(out->token)) ||
	    !xml_text(in, "Expiration", when, sizeof(when)) || !*out->key_id || !*out->secret ||
	    strlen(out->token) + 1 == sizeof(out->token))
		return credentials_fail(c, -EBADMSG, "STS answers without credentials");
	out->expires_s = credentials_time(when);
	return out->expires_s ? 0 : credentials_fail(c, -EBADMSG, "STS: no time of expiry in \"%s\"", when);
}

// The request as it stands, up to TRIES times where STS is away or busy. 200 is 0.
static int send_form(struct credentials *c, struct http_call *call)
{
	struct http_config config = {.ca_file = c->ca_file, .proxy = c->proxy, .connect_ms = TIMEOUT_MS, .stall_s = 5};
	struct http *h = http_new(&config);
	char code[64], message[256];
	int rc = h ? -EIO : -ENOMEM;

	call->timeout_ms = TIMEOUT_MS;
	for (unsigned i = 0; h && i < TRIES && (rc || call->status >= 500); i++)
		rc = http_do(h, call);
	http_free(h);
	if (rc)
		return credentials_fail(c, rc, "STS: %s", call->why);
	if (call->status == 200)
		return 0;
	xml_text(call->reply, "Code", code, sizeof(code));
	xml_text(call->reply, "Message", message, sizeof(message));
	return credentials_fail(c, -EACCES, "STS answers %d %s: %s", call->status, code, message);
}

// One form, signed with what is given, at the time that STS has.
static int ask(struct credentials *c, const char *region, const struct credentials_set *with, const char *form,
	       struct credentials_set *out, bool again)
{
	char origin[256], url[300], date[SIGV4_DATE], hash[SIGV4_SHA256], authorization[SIGV4_AUTHORIZATION];
	struct sigv4_pair headers[] = {{"Content-Type", "application/x-www-form-urlencoded"},
				       {"X-Amz-Date", date},
				       {"Authorization", authorization},
				       {"X-Amz-Security-Token", with ? with->token : NULL}};
	struct sigv4_request q = {.method = "POST",
				  .origin = origin,
				  .path = "/",
				  .headers = headers,
				  .nheaders = 1,
				  .content_sha256 = hash,
				  .region = region,
				  .service = "sts",
				  .now_s = c->clock_s + c->skew_s};
	struct http_call call = {.method = "POST",
				 .url = url,
				 .headers = headers,
				 .body = form,
				 .body_len = strlen(form),
				 .nheaders = with ? *with->token ? 4 : 3 : 1,
				 .reply_room = REPLY};
	int rc;

	if (!credentials_takes_region(region))
		return credentials_fail(c, -EINVAL, "STS: region %.60s: " CREDENTIALS_REGION_EXPECTED, region);
	endpoint(c, region, origin, sizeof(origin));
	sigv4_sha256(form, strlen(form), hash);
	if (sigv4_url(&q, url, sizeof(url)))
		return credentials_fail(c, -EINVAL, "STS: the address is too long");
	if (with) {
		struct sigv4_identity id = {with->key_id, with->secret, with->token};
		if (sigv4_sign(&id, &q, date, authorization))
			return credentials_fail(c, -EINVAL, "STS: the request cannot be signed");
	}
	call.reply = malloc(REPLY);
	if (!call.reply)
		return credentials_fail(c, -ENOMEM, "no memory");
	rc = send_form(c, &call);
	int64_t skew = call.date_s - c->clock_s;
	if (rc && with && call.date_s && llabs(skew - c->skew_s) > SKEW_S && !again) {
		c->skew_s = skew;
		free(call.reply);
		return ask(c, region, with, form, out, true);
	}
	if (!rc)
		rc = read_xml(c, call.reply, out);
	OPENSSL_cleanse(call.reply, REPLY);
	free(call.reply);
	return rc;
}

int credentials_assume(struct credentials *c, const struct credentials_role *r, const struct credentials_set *with,
		       struct credentials_set *out)
{
	const char *region = r->region          ? r->region
			     : c->region        ? c->region
			     : *c->region_found ? c->region_found
						: "us-east-1";
	char *form = malloc(FORM), *token = malloc(CREDENTIALS_TOKEN);
	int rc = form && token ? 0 : credentials_fail(c, -ENOMEM, "no memory");
	bool fits = true;

	if (!rc && r->token_file)
		rc = credentials_read(c, r->token_file, token, CREDENTIALS_TOKEN);
	if (!rc) {
		*form = '\0';
		fits &= form_add(form, "Action", r->token_file ? "AssumeRoleWithWebIdentity" : "AssumeRole");
		fits &= form_add(form, "Version", "2011-06-15");
		fits &= form_add(form, "RoleArn", r->arn) && form_add(form, "RoleSessionName", r->session);
		if (r->duration)
			fits &= form_add(form, "DurationSeconds", r->duration);
		if (r->external_id)
			fits &= form_add(form, "ExternalId", r->external_id);
		if (r->token_file)
			fits &= form_add(form, "WebIdentityToken", token);
		rc = fits ? ask(c, region, r->token_file ? NULL : with, form + 1, out, false)
			  : credentials_fail(c, -E2BIG, "STS: the request is too long");
	}
	if (token)
		OPENSSL_cleanse(token, CREDENTIALS_TOKEN);
	free(token);
	free(form);
	return rc;
}

int credentials_web_identity(struct credentials *c, struct credentials_set *out)
{
	struct credentials_role r = {.token_file = credentials_env("AWS_WEB_IDENTITY_TOKEN_FILE"),
				     .arn = credentials_env("AWS_ROLE_ARN"),
				     .session = c->role_session};

	if (!r.token_file || c->profile_given)
		return -ENOENT;
	if (!r.arn)
		return credentials_fail(c, -EINVAL, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
	return credentials_assume(c, &r, NULL, out);
}
