// SPDX-License-Identifier: BSD-3-Clause
//
// AWS Signature Version 4: headers for S3 and STS, presigned queries, and the token that MSK takes for OAUTHBEARER.
// A pure function of (identity, request, time): it neither sends nor asks for the time. Source: AWS Signature Version
// 4, "Create a signed request"; S3's two exceptions ("the path is encoded once, and never normalised") as there.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sigv4_identity {
	const char *key_id, *secret;
	const char *token; // of temporary credentials; NULL or "": they are not
};

struct sigv4_pair {
	const char *name, *value; // bytes as meant: encoding is done here
};

#define SIGV4_PAIRS 32 // headers or query pairs of a request, at most
#define SIGV4_SEGMENTS 64
#define SIGV4_DATE 17   // 20261122T074100Z
#define SIGV4_SHA256 65 // as hex
#define SIGV4_AUTHORIZATION 2048
#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct sigv4_request {
	const char *method;
	const char *origin; // "https://" and what Host says
	const char *path;   // from its first '/', not encoded
	const struct sigv4_pair *query, *headers;
	unsigned nquery, nheaders;
	const char *content_sha256; // of the body, hex, or SIGV4_UNSIGNED; NULL: there is none
	const char *region, *service;
	int64_t now_s; // seconds since 1970, as the server sees it
};

// Signs the headers given, Host, X-Amz-Date, with a token X-Amz-Security-Token, and of service "s3"
// X-Amz-Content-Sha256: the caller sends these with the values signed. 0; -E2BIG: more than there is room for.
int sigv4_sign(const struct sigv4_identity *id, const struct sigv4_request *q, char date[SIGV4_DATE],
	       char authorization[SIGV4_AUTHORIZATION]);

// The URL as it has to be sent: origin, encoded path, encoded query in the order given.
int sigv4_url(const struct sigv4_request *q, char *out, size_t size);

// The URL with its signature in the query, good for expires_s. Only Host and the headers given are signed.
int sigv4_presign(const struct sigv4_identity *id, const struct sigv4_request *q, unsigned expires_s, char *out,
		  size_t size);

#define SIGV4_MSK_S 900 // for how long such a token is good, from now_s
// The token that an MSK broker takes as OAUTHBEARER: a presigned kafka-cluster:Connect in base64url.
int sigv4_presign_msk(const struct sigv4_identity *id, const char *region, int64_t now_s, const char *user_agent,
		      char *out, size_t size);

void sigv4_sha256(const void *p, size_t n, char out[SIGV4_SHA256]);
