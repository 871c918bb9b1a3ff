// SPDX-License-Identifier: BSD-3-Clause
//
// An object of S3 in the making: lines in, parts out while it grows, and an end that says whether it has arrived.
#pragma once

#include "remote/s3.h"
#include "ship/pack.h"
#include "sink_config.h"

#define S3_PART_MIN (5u << 20) // "Multipart upload: 5 MiB; the last part may be smaller"
#define S3_PARTS 96            // that an object of ours has at most
#define S3_NAME 64

// What an object is of: equal ones gather in one.
struct s3_of {
	char class[33], node[S3_NAME];
	uint64_t tenant, boot;
	int64_t hour; // since 1970
};

enum s3_object_state { S3_MAKING, S3_ARRIVED, S3_LOST, S3_SPOILT };

struct s3_object {
	struct s3_object *next;
	struct s3_of of;
	uint64_t hash, first, end, planned; // frames; planned: where an earlier cut ends it, 0: none
	uint64_t born_ns, raw;              // raw: bytes of lines
	enum s3_object_state state;
	bool sealed, recorded; // nothing more comes; its cut is durable
	bool refused;          // it goes to error/
	char why[S3_WHY];      // of the refusal

	const struct s3_target *to;
	struct pack pack;
	struct pack_bytes filling, sending;
	uint64_t packed; // bytes sent, or about to be
	char key[1024], upload[512];
	char number[12]; // of the part that is on its way
	unsigned parts;
	struct {
		char etag[80], checksum[48];
	} part[S3_PARTS];
	struct s3_call call;
};

static inline struct s3_config s3_config_of(const struct sink_config *c)
{
	return (struct s3_config){.bucket = c->bucket,
				  .endpoint = c->endpoint,
				  .region = c->region,
				  .addressing = c->addressing,
				  .checksum = c->checksum,
				  .profile = c->profile,
				  .role_arn = c->role_arn,
				  .external_id = c->external_id,
				  .ca_file = c->ca_file,
				  .proxy = c->proxy};
}

// What all objects of a sink have in common.
struct s3_target {
	struct s3 *s3;
	const char *prefix;
	enum pack_kind kind;
	bool checksum;
	size_t part_bytes;
	const char *(*kms)(const void *arg, uint64_t tenant, bool refused); // the key's id; "": as the bucket has it
	const void *arg;
};

// NULL: no memory. first: the position of its first frame, from which it has its name.
struct s3_object *s3_object_new(const struct s3_target *to, const struct s3_of *of, uint64_t first);
void s3_object_free(struct s3_object *o);                            // ends what is under way
bool s3_object_add(struct s3_object *o, const char *line, size_t n); // false: no memory
bool s3_object_seal(struct s3_object *o);
// Begins what can be begun: a part, and once it is sealed and recorded the end.
void s3_object_go(struct s3_object *o);
// Of a SPOILT one: on under error/. False: its bytes are not here any more, or it is there already.
bool s3_object_refuse(struct s3_object *o);
size_t s3_object_memory(const struct s3_object *o);
