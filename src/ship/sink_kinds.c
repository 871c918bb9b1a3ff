// SPDX-License-Identifier: BSD-3-Clause
//
// The kinds of sinks that this build has, by enum sink_type.
#include "ship/sink.h"

extern const struct sink_kind sink_file, sink_s3, sink_kafka, sink_syslog;

const struct sink_kind *const sink_kinds[SINK_TYPE_COUNT] = {
	[SINK_FILE] = &sink_file,
	[SINK_SYSLOG] = &sink_syslog,
#ifdef HAVE_KAFKA
	[SINK_KAFKA] = &sink_kafka,
#endif
#ifdef HAVE_S3
	[SINK_S3] = &sink_s3,
#endif
};
