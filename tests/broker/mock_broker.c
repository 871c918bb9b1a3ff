// SPDX-License-Identifier: BSD-3-Clause
//
// librdkafka's mock cluster as a program, for faults that no real broker makes on demand. Standard input: a command a
// line; standard output: the brokers' addresses, then "ok" for each. Ends with its input.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
// after the one before
#include <librdkafka/rdkafka_mock.h>

#define PRODUCE 0 // Kafka's protocol: ApiKey

// After so many requests that go well.
static void produce_fails(rd_kafka_mock_cluster_t *m, int after, int err)
{
	while (after-- > 0)
		rd_kafka_mock_push_request_errors(m, PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR);
	rd_kafka_mock_push_request_errors(m, PRODUCE, 1, (rd_kafka_resp_err_t)err);
}

// usage: mock_broker [BROKERS]
int main(int argc, char **argv)
{
	char line[256], topic[128], why[256];
	int a, b, brokers = argc > 1 ? atoi(argv[1]) : 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	rd_kafka_conf_t *c = rd_kafka_conf_new();
	rd_kafka_conf_set(c, "log_level", "0", NULL, 0);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, c, why, sizeof(why));
	rd_kafka_mock_cluster_t *m = rk ? rd_kafka_mock_cluster_new(rk, brokers) : NULL;
	if (!m)
		return 1;
	puts(rd_kafka_mock_cluster_bootstraps(m));
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "topic %127s %d", topic, &a) == 2)
			rd_kafka_mock_topic_create(m, topic, a, 1);
		else if (sscanf(line, "leader %127s %d %d", topic, &a, &b) == 3)
			rd_kafka_mock_partition_set_leader(m, topic, a, b);
		else if (sscanf(line, "coordinator %127s %d", topic, &a) == 2) // of a group
			rd_kafka_mock_coordinator_set(m, "group", topic, a);
		else if (sscanf(line, "slow %d %d", &a, &b) == 2) // answers of a broker, by milliseconds
			rd_kafka_mock_broker_set_rtt(m, a, b);
		else if (sscanf(line, "refuse %127s %d", topic, &a) == 2)
			rd_kafka_mock_topic_set_error(m, topic, (rd_kafka_resp_err_t)a);
		else if (sscanf(line, "produce %d %d", &a, &b) == 2)
			produce_fails(m, a, b);
		else
			return 2;
		puts("ok");
	}
	rd_kafka_mock_cluster_destroy(m);
	rd_kafka_destroy(rk);
	return 0;
}
