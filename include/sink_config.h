// SPDX-License-Identifier: BSD-3-Clause
//
// A place where records go, or copies of frames, as the configuration has it and as its thread takes it: one struct, so
// that nobody has to carry values over. Rows of src/ctl/config_keys.c fill it; kinds of sinks (src/ship/sink_*.c, and
// src/live/mirror_file.c, which is pcapng's) read it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SINK_NAME 64
#define SINK_TEXT 256
#define SINK_LIST 16
#define SINK_KMS 176 // an ARN of a key, or of an alias that is not too long; with its tenant

// X(symbol, name)
#define SINK_TYPES(X)                                                                                                  \
	X(FILE, "file")                                                                                                \
	X(KAFKA, "kafka")                                                                                              \
	X(S3, "s3")                                                                                                    \
	X(SYSLOG, "syslog")                                                                                            \
	X(PCAPNG, "pcapng")

enum sink_type {
#define X(symbol, name) SINK_##symbol,
	SINK_TYPES(X)
#undef X
		SINK_TYPE_COUNT
};
extern const char *const sink_type_names[SINK_TYPE_COUNT];

struct sink_config {
	uint8_t type;         // enum sink_type
	uint8_t format;       // enum ship_format
	char name[SINK_NAME]; // its cursor's in the spool, of pcapng rules' `sink`; "": made of type and place
	// what it gets to see, as words: of ship/filter.h, ship/redact.h
	char kinds[SINK_LIST][24], tenants[SINK_LIST][24], redact[SINK_LIST * 2][64];
	uint8_t nkinds, ntenants, nredact; // 0: all; all; nothing
	char redact_key[256];              // file; "": what is redacted goes
	char cloud[160];                   // of ocsf: provider/region/account; "": not said
	// file, pcapng
	char path[512];               // "-": standard output
	uint32_t rotate_mb, rotate_s; // 0: never
	uint32_t keep;                // earlier files that stay; 0: all
	bool others;                  // pcapng: copies that no other sink has the name of
	// s3: texts may be empty
	char bucket[64], prefix[256], endpoint[200], region[40];
	uint8_t addressing, compression; // enum s3_addressing, pack_kind
	uint8_t checksum;
	uint32_t object_mb, object_s, memory_mb;
	char kms_key[SINK_KMS], kms_tenants[SINK_LIST][SINK_KMS]; // "tenant=key"
	uint8_t nkms_tenants;
	char profile[64], role_arn[160], external_id[128];
	char ca_file[256], proxy[200];
	// kafka
	char topic[250], errors_topic[250]; // as long as Kafka has them
	uint8_t acks;                       // enum sink_acks
	bool create_topics;
	uint32_t linger_ms;
	uint32_t pack_kb; // 0: a record a message
	// syslog
	char server[256];                   // "host:port"
	uint8_t tls, facility;              // RFC 5424 6.2.1
	char cert_file[256], key_file[256]; // "": none; in cert_file. ca_file is as above
	char server_name[256];              // that its certificate has to have; "": server's host
	uint32_t message_bytes;             // more of a line is cut
	uint32_t settle_ms;                 // the far kernel has had it for so long: arrived
};

// It takes copies of frames, which come by rings; others take records, which come by the spool.
static inline bool sink_of_frames(const struct sink_config *s)
{
	return s->type == SINK_PCAPNG;
}

enum sink_acks { SINK_ACKS_ALL, SINK_ACKS_LEADER, SINK_ACKS_NONE };
