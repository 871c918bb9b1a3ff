// SPDX-License-Identifier: BSD-3-Clause
//
// Requests to one bucket of S3 or of what speaks it: signed, several at a time on one thread, tried again until the
// server has said yes or no. What is corrected here nobody else hears of: the clock, the region, expired credentials.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "remote/http.h"

struct s3;
struct credentials;

// Each text may be NULL or "".
struct s3_config {
	const char *bucket;
	const char *endpoint; // "https://host:port"; none: AWS's, of the region
	const char *region;   // none: of the environment or the profile, else us-east-1
	enum s3_addressing {
		S3_AUTO,
		S3_PATH,
		S3_VIRTUAL
	} addressing;  // AUTO: PATH with an endpoint or dots in the name
	bool checksum; // x-amz-checksum-sha256 stands with each object
	const char *profile, *role_arn, *external_id;
	const char *ca_file, *proxy;
};

// Is it a name that S3 gives to buckets? Is it an endpoint, or none at all?
bool s3_takes_bucket(const char *name);
bool s3_takes_endpoint(const char *endpoint);
#define S3_ENDPOINT_EXPECTED "https://host or http://host:port is expected"

// NULL, and why (256 bytes): the endpoint is none, or there is no memory. Nobody is asked yet.
struct s3 *s3_new(const struct s3_config *config, char *why);
void s3_free(struct s3 *s); // no call is under way any more

enum s3_outcome {
	S3_OK,
	S3_GONE,    // the multipart upload is not there any more: its parts have to be sent again
	S3_REFUSED, // for what it is: code and message of the call say why
};

#define S3_QUERY 6
#define S3_HEADERS 8
#define S3_REPLY 16384
#define S3_CODE 64
#define S3_WHY 256

// Stays, with all it points to, until done().
struct s3_call {
	const char *method, *key; // key: not encoded, without the first '/'; "": the bucket itself
	struct sigv4_pair query[S3_QUERY], headers[S3_HEADERS];
	unsigned nquery, nheaders;
	const void *body;
	size_t body_len;
	char *reply; // room of the caller's, for long answers; NULL: `small`
	size_t reply_room;
	bool may_fail; // what needs an operator's help is not waited for, but refused
	// The outermost element of what S3 answers with; NULL: nothing, and to a PUT an ETag. Another answer is not
	// S3's
	const char *answer;
	bool kms;      // a PUT of what SSE-KMS was asked for: an answer that does not say aws:kms is as bad
	bool only_new; // what is there already is not overwritten: REFUSED, and status is 412. Where the server can
	void (*done)(struct s3_call *, enum s3_outcome);
	void *arg;

	bool active, conditional;
	int status;
	char code[S3_CODE], message[S3_WHY]; // what S3 called the error
	char sha256[SIGV4_SHA256],
		checksum[48]; // of the body: hex; and base64, as the header and <ChecksumSHA256> have it
	struct s3 *s3;
	struct s3_call *next;
	struct http_call http;
	struct sigv4_pair sent[S3_HEADERS + 5];
	uint64_t again_ns;
	unsigned attempts, corrected;
	char url[4096], date[SIGV4_DATE], authorization[SIGV4_AUTHORIZATION];
	char small[S3_REPLY];
};

// Begins; done() comes out of s3_run, or s3_cancel was called and it never comes.
void s3_begin(struct s3 *s, struct s3_call *c);
void s3_cancel(struct s3_call *c);
// Carries on; waits up to wait_ms where something is under way, or for its next try.
void s3_run(struct s3 *s, unsigned wait_ms);
// Of a call that is done: what S3 said of it, "NoSuchBucket: it is not there (404)", or what there is of that.
void s3_why(const struct s3_call *c, char *out, size_t size);
// What keeps requests from success now; NULL: nothing.
const char *s3_down(const struct s3 *s);
bool s3_encrypts(const struct s3 *s); // it has said aws:kms once
// Server's clock, our own corrected. Seconds since 1970.
int64_t s3_clock(const struct s3 *s);
const char *s3_region(const struct s3 *s);
const struct credentials *s3_credentials(const struct s3 *s);
