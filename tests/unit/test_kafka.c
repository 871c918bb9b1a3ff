// SPDX-License-Identifier: BSD-3-Clause
//
// Clients of Kafka: which properties the configuration may set, what each role gets, what a client says of itself.
// The broker here is librdkafka's own mock, for faults and for lack of another: tests/broker has the real one.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/kafka.h"

static struct pairs pairs_of(const char *const (*list)[2])
{
	struct pairs p = {0};
	for (; (*list)[0]; list++)
		assert_true(pairs_set(&p, (*list)[0], (*list)[1]) >= 0);
	return p;
}

static void properties_are_judged(void **state)
{
	static const struct {
		const char *name, *value;
		int rc;
		const char *says;
	} all[] = {
		{"socket.timeout.ms", "5000", 0, ""},
		{"socket.timeout.ms", "5000.5", -EINVAL, "whole number"},
		{"socket.timeout.ms", "5", -EINVAL, "outside allowed range"},
		{"sockt.timeout.ms", "5", -ENOENT, "did you mean \"socket.timeout.ms\"?"},
		{"security.protocol", "tls", -EINVAL, "Invalid value \"tls\""},
		{"enable.idempotence", "true", -ENOENT, "must not stand twice"},
		{"queue.buffering.max.ms", "3", -ENOENT, "sinks.N.linger_ms"},
		{"plugin.library.paths", "x.so", -ENOENT, "other programs' code"},
		{"log_cb", "x", -EINVAL, "dedicated"},
		{"msk_iam.region", "eu-central-1", 0, ""},
		{"msk_iam.region", "https://x", -EINVAL, "region"},
		{"client.id",
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		 "x",
		 -EINVAL, "100 bytes"},
	};
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		char why[KAFKA_WHY] = "";
		assert_int_equal(kafka_takes(all[i].name, all[i].value, why, sizeof(why)), all[i].rc);
		assert_non_null(strstr(why, all[i].says));
	}
	assert_true(kafka_secret("sasl.password") && kafka_secret("ssl.key.pem") && !kafka_secret("sasl.username"));
	assert_true(kafka_beside("ssl.ca.location", "ca.pem") && !kafka_beside("ssl.ca.location", "probe"));
}

// Every row of the table is a property that librdkafka takes, of a client of that kind.
static void roles_start(void **state)
{
	char why[KAFKA_WHY] = "", lacks[KAFKA_WHY] = "";
	struct pairs p = pairs_of((const char *const[][2]){{"bootstrap.servers", "127.0.0.1:1"}, {NULL}});
	for (unsigned i = 0; i < kafka_key_count; i++) {
		for (unsigned r = 0; r < KAFKA_ROLES; r++) {
			if (kafka_keys[i].roles >> r & 1)
				assert_true(kafka_of_role(kafka_keys[i].name, (enum kafka_role)r));
		}
	}
	for (unsigned r = 0; r < KAFKA_ROLES; r++) {
		const char *const own[][2] = {{r == KAFKA_PUBLISH ? "transactional.id" : NULL, "t"}, {NULL}};
		struct kafka_client k;
		assert_int_equal(kafka_open(&k, &(struct kafka_wish){.config = &p, .role = r, .set = own}, why), 0);
		kafka_close(&k);
	}
	assert_int_equal(kafka_try(&p, why, lacks), 0);
	assert_string_equal(lacks, "");
	pairs_set(&p, "ssl.ca.location", "/nowhere/ca.pem");
	assert_int_equal(kafka_try(&p, why, lacks), 0);
	assert_non_null(strstr(lacks, "/nowhere/ca.pem"));
	pairs_set(&p, "msk_iam.region", "eu-west-1");
	assert_int_equal(kafka_try(&p, why, lacks), 0);
	pairs_set(&p, "security.protocol", "plaintext");
	assert_int_equal(kafka_try(&p, why, lacks), -EINVAL);
	assert_non_null(strstr(why, "asks for security.protocol=sasl_ssl, not plaintext"));
}

struct seen {
	bool up;
	unsigned n;
	uint64_t sent;
};

static void see(void *arg, const struct kafka_client *k)
{
	struct seen *s = arg;
	s->n++;
	s->up |= k->up;
	s->sent += k->tx_messages;
}

static unsigned delivered;

static void dr(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	delivered += m->err == 0 && ((struct kafka_client *)opaque)->owner == &delivered;
}

static void with_dr(rd_kafka_conf_t *c)
{
	rd_kafka_conf_set_dr_msg_cb(c, dr);
}

static void clients_live(void **state)
{
	char why[KAFKA_WHY] = "";
	struct kafka_client mock, k;
	struct pairs none = pairs_of((const char *const[][2]){{NULL}}),
		     p = pairs_of((const char *const[][2]){
			     {"bootstrap.servers", "127.0.0.1:1"}, {"test.mock.num.brokers", "1"}, {NULL}});
	const char *const fast[][2] = {{"statistics.interval.ms", "50"}, {NULL}};
	assert_int_equal(kafka_open(&mock, &(struct kafka_wish){.config = &none}, why), -EINVAL);
	assert_non_null(strstr(why, "bootstrap.servers is missing"));
	assert_int_equal(kafka_open(&k,
				    &(struct kafka_wish){.config = &p,
							 .role = KAFKA_LOGS,
							 .node = "n1",
							 .set = fast,
							 .callbacks = with_dr,
							 .owner = &delivered},
				    why),
			 0);
	assert_int_equal(
		rd_kafka_producev(k.rk, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_VALUE((void *)"x", 1), RD_KAFKA_V_END), 0);
	struct seen s = {0};
	for (unsigned i = 0; i < 600 && (!delivered || !s.up || !s.sent); i++) {
		rd_kafka_poll(k.rk, 100);
		s = (struct seen){0};
		kafka_each(see, &s);
	}
	assert_int_equal(delivered, 1);
	assert_true(s.up && s.sent && s.n == 1);
	kafka_close(&k);
	kafka_close(&k);
	s = (struct seen){0};
	kafka_each(see, &s);
	assert_int_equal(s.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(properties_are_judged), cmocka_unit_test(roles_start),
					   cmocka_unit_test(clients_live)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
