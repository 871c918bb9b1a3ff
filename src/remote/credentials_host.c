// SPDX-License-Identifier: BSD-3-Clause
//
// Credentials of the machine: the container's (ECS, EKS Pod Identity) and the instance's (IMDSv2). In: addresses that
// AWS gives, or the environment names. Out: credentials out of their JSON. Waits for the server, briefly.
//
// A token goes only where AWS says that it may: to TLS, to loopback, or to the addresses of ECS and EKS.
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "remote/credentials_in.h"
#include "remote/http.h"

#define REPLY (16 * 1024)
#define TIMEOUT_MS 1000 // botocore's metadata_service_timeout; once more where there was no answer
#define TRIES 2

// One request to the machine's own service. 0: it answered 200.
static int ask(struct credentials *c, const char *what, struct http_call *call)
{
	struct http_config config = {.ca_file = c->ca_file, .connect_ms = TIMEOUT_MS, .stall_s = 2};
	struct http *h = http_new(&config); // no proxy: it would be asked for its own credentials
	int rc = h ? -EIO : -ENOMEM;

	call->timeout_ms = 2 * TIMEOUT_MS;
	for (unsigned i = 0; h && i < TRIES && rc; i++) {
		rc = http_do(h, call);
		if (!rc && call->status < 500)
			break;
		rc = rc ? rc : -EIO;
	}
	http_free(h);
	if (rc && !call->status)
		return credentials_fail(c, rc, "%s: %s", what, call->why);
	if (call->status != 200)
		return credentials_fail(c, -EACCES, "%s answers %d", what, call->status);
	return 0;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));
	return v ? v : "";
}

// {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} of both services; "Code" of the instance's.
static int read_json(struct credentials *c, const char *what, const struct http_call *call, struct credentials_set *out)
{
	json_t *o = json_loadb(call->reply, call->reply_len, 0, NULL);
	const char *id = text_of(o, "AccessKeyId"), *secret = text_of(o, "SecretAccessKey"),
		   *token = text_of(o, "Token");
	const char *code = text_of(o, "Code");
	int rc = 0;

	out->expires_s = credentials_time(text_of(o, "Expiration"));
	if (!o)
		rc = credentials_fail(c, -EBADMSG, "%s answers with what is not JSON", what);
	else if (*code && strcmp(code, "Success") != 0)
		rc = credentials_fail(c, -EACCES, "%s: %.100s: %.200s", what, code, text_of(o, "Message"));
	else if (!*id || !*secret || strlen(id) >= sizeof(out->key_id) || strlen(secret) >= sizeof(out->secret) ||
		 strlen(token) >= sizeof(out->token))
		rc = credentials_fail(c, -EBADMSG, "%s answers without credentials", what);
	if (!rc) {
		strcpy(out->key_id, id);
		strcpy(out->secret, secret);
		strcpy(out->token, token);
	}
	json_decref(o);
	return rc;
}

static bool trusted(const char *url)
{
	char host[64];
	const char *p = url + 7;
	bool six = *p == '[';
	struct in_addr a;

	if (!strncmp(url, "https://", 8))
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	p += six;
	size_t n = strcspn(p, six ? "]" : ":/?#");
	if (n >= sizeof(host) || memchr(p, '@', n))
		return false;
	memcpy(host, p, n);
	host[n] = '\0';
	if (six)
		return !strcmp(host, "::1") || !strcmp(host, "fd00:ec2::23");
	if (!strcmp(host, "localhost") || !strcmp(host, "169.254.170.2") || !strcmp(host, "169.254.170.23"))
		return true;
	return inet_pton(AF_INET, host, &a) == 1 && (ntohl(a.s_addr) >> 24) == 127;
}

int credentials_read(struct credentials *c, const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(out, 1, size, f) : 0;

	if (f)
		fclose(f);
	if (!n || n >= size)
		return credentials_fail(c, -EINVAL, "%s: %s", path, !f ? strerror(errno) : n ? "too long" : "empty");
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

int credentials_container(struct credentials *c, struct credentials_set *out)
{
	const char *relative = credentials_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = credentials_env("AWS_CONTAINER_CREDENTIALS_FULL_URI"), *token, *file;
	char url[1024], text[CREDENTIALS_TOKEN], reply[REPLY];
	struct sigv4_pair authorization = {"Authorization", text};
	struct http_call call = {.method = "GET", .url = url, .reply = reply, .reply_room = sizeof(reply)};

	if (!relative && !full)
		return -ENOENT;
	snprintf(url, sizeof(url), "%s%s", relative ? "http://169.254.170.2" : "", relative ? relative : full);
	if (!trusted(url))
		return credentials_fail(c, -EINVAL,
					"AWS_CONTAINER_CREDENTIALS_FULL_URI: neither https nor an address of this "
					"machine");
	file = credentials_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	token = credentials_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	if (file && credentials_read(c, file, text, sizeof(text)))
		return -EINVAL;
	if (!file && token)
		snprintf(text, sizeof(text), "%s", token);
	if (file || token) {
		call.headers = &authorization;
		call.nheaders = 1;
	}
	int rc = ask(c, "the container's credentials", &call);
	return rc ? rc : read_json(c, "the container's credentials", &call, out);
}

// Where the instance's metadata is: IPv4 unless the environment or the profile says otherwise.
static void metadata(const struct credentials *c, char *out, size_t size)
{
	const char *at = credentials_env("AWS_EC2_METADATA_SERVICE_ENDPOINT"), *mode;
	char value[256];

	if (!at && credentials_file_value(c->profile, "ec2_metadata_service_endpoint", value, sizeof(value)))
		at = value;
	if (at) {
		snprintf(out, size, "%s", at);
	} else {
		mode = credentials_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
		if (!mode &&
		    credentials_file_value(c->profile, "ec2_metadata_service_endpoint_mode", value, sizeof(value)))
			mode = value;
		snprintf(out, size, "%s",
			 mode && !strcasecmp(mode, "IPv6") ? "http://[fd00:ec2::254]" : "http://169.254.169.254");
	}
	size_t n = strlen(out);
	if (n && out[n - 1] == '/')
		out[n - 1] = '\0';
}

// Version 2: a token first, then the role's name, then its credentials. Version 1 is never spoken: it is what request
// forgery reaches.
int credentials_instance(struct credentials *c, struct credentials_set *out)
{
	static const struct sigv4_pair ttl = {"X-aws-ec2-metadata-token-ttl-seconds", "21600"};
	static const char what[] = "the instance's metadata", path[] = "/latest/meta-data/iam/security-credentials/";
	const char *off = credentials_env("AWS_EC2_METADATA_DISABLED");
	char base[256], url[640], token[1024], role[128], reply[REPLY];
	struct sigv4_pair carried = {"X-aws-ec2-metadata-token", token};
	struct http_call call = {.method = "PUT",
				 .url = url,
				 .headers = &ttl,
				 .nheaders = 1,
				 .reply = reply,
				 .reply_room = sizeof(reply)};

	if (off && !strcasecmp(off, "true"))
		return -ENOENT;
	metadata(c, base, sizeof(base));
	snprintf(url, sizeof(url), "%s/latest/api/token", base);
	int rc = ask(c, what, &call);
	if (rc)
		return rc;
	if (call.reply_len >= sizeof(token))
		return credentials_fail(c, -EBADMSG, "%s: the token is too long", what);
	memcpy(token, reply, call.reply_len + 1);
	call.method = "GET";
	call.headers = &carried;
	snprintf(url, sizeof(url), "%s%s", base, path);
	if ((rc = ask(c, what, &call)) != 0)
		return rc;
	size_t n = strcspn(reply, "\r\n");
	reply[n] = '\0';
	if (!n || n >= sizeof(role) || strpbrk(reply, "/?# \t<>"))
		return credentials_fail(c, -EBADMSG, "%s names no role", what);
	memcpy(role, reply, n + 1);
	snprintf(url, sizeof(url), "%s%s%s", base, path, role);
	rc = ask(c, what, &call);
	return rc ? rc : read_json(c, what, &call, out);
}
