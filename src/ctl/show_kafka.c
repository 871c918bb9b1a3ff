// SPDX-License-Identifier: BSD-3-Clause
//
// Clients of Kafka: one row each, out of what librdkafka counts every 2 s. The numbers are a table, which /metrics
// uses, too.
#include "ctl/show.h"

#include <stddef.h>

#include "ctl/show_kafka.h"

#ifdef HAVE_KAFKA
#include "base/clock.h"
#include "remote/kafka.h"

#define ROW(field, metric, type, unit, help)                                                                           \
	{                                                                                                              \
#field, metric, type, unit, help, offsetof(struct kafka_client, field)                                 \
	}
const struct show_kafka_number show_kafka_numbers[] = {
	ROW(brokers_up, "kafka_brokers_up", "gauge", NULL, "Brokers that a client is connected to."),
	ROW(queued, "kafka_queued", "gauge", NULL, "Messages that a client has and no broker has acknowledged."),
	ROW(queued_bytes, "kafka_queued_bytes", "gauge", "bytes", "Their bytes."),
	ROW(tx_messages, "kafka_tx_messages", "counter", NULL, "Messages sent to brokers."),
	ROW(tx_bytes, "kafka_tx_bytes", "counter", "bytes", "Bytes sent to brokers, as compressed."),
	ROW(rx_messages, "kafka_rx_messages", "counter", NULL, "Messages read."),
	ROW(rx_bytes, "kafka_rx_bytes", "counter", "bytes", "Bytes that came from brokers."),
	ROW(lag, "kafka_lag", "gauge", NULL, "Messages that are in the topic and not read yet."),
	ROW(rtt_us, "kafka_rtt_us", "gauge", NULL,
	    "Microseconds from a request to its answer, mean of the last 2 s, of the slowest broker."),
	ROW(errors, "kafka_errors", "counter", NULL, "Errors that librdkafka told of."),
};
const unsigned show_nkafka_numbers = sizeof(show_kafka_numbers) / sizeof(show_kafka_numbers[0]);

uint64_t show_kafka_number(const struct kafka_client *k, unsigned i)
{
	return atomic_load((const _Atomic uint64_t *)(const void *)((const char *)k + show_kafka_numbers[i].at));
}

static void row(void *arg, const struct kafka_client *k)
{
	json_t *o = json_pack("{s:s,s:s,s:I}", "client", k->name, "state",
			      !k->since_ns ? "connecting"
			      : k->up      ? "up"
					   : "down",
			      "for_s",
			      (json_int_t)(k->since_ns ? (clock_ns(CLOCK_REALTIME) - k->since_ns) / 1000000000 : 0));
	for (unsigned i = 0; i < show_nkafka_numbers; i++)
		json_object_set_new(o, show_kafka_numbers[i].name, json_integer((json_int_t)show_kafka_number(k, i)));
	json_object_set_new(o, "last_error", json_string(k->error));
	json_array_append_new(arg, o);
}

json_t *show_kafka(struct appliance *a, struct call *c)
{
	json_t *list = json_array();
	kafka_each(row, list);
	return json_pack("{s:o,s:s}", "clients", list, "librdkafka", rd_kafka_version_str());
}

#else

const struct show_kafka_number show_kafka_numbers[] = {{0}};
const unsigned show_nkafka_numbers;

json_t *show_kafka(struct appliance *a, struct call *c)
{
	return json_pack("{s:[],s:s}", "clients", "librdkafka", "not built in");
}
#endif
