// SPDX-License-Identifier: BSD-3-Clause
//
// What there is to count of a client of Kafka.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct kafka_client;

extern const struct show_kafka_number {
	const char *name, *metric, *type, *unit, *help; // unit of the metric: NULL, it is a count
	size_t at;                                      // in struct kafka_client
} show_kafka_numbers[];
extern const unsigned show_nkafka_numbers;
uint64_t show_kafka_number(const struct kafka_client *k, unsigned i);
