// SPDX-License-Identifier: BSD-3-Clause
//
// Configurations: what is read into the struct, what is said of those that are wrong, and where values came from.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/config.h"
#include "policy/policy.h"

static struct config config;
static char said[65536];

// The text as a file named t.json in the working folder, and sets over it.
static int load(const char *text, const char *const *sets, unsigned nsets)
{
	FILE *f = text ? fopen("t.json", "w") : NULL;
	if (f) {
		fputs(text, f);
		fclose(f);
	}
	FILE *out = fmemopen(said, sizeof(said), "w");
	struct complaints wrong = {0};
	int rc = config_read(&config, text ? "t.json" : NULL, sets, nsets, false, &wrong);
	complaints_print(&wrong, out);
	complaints_clear(&wrong);
	fclose(out);
	return rc;
}

static void good(const char *text)
{
	int rc = load(text, NULL, 0);
	if (rc)
		print_error("%s", said);
	assert_int_equal(rc, 0);
}

#define PORTS "\"ports\": {\"a\": {\"type\": \"null\"}, \"b\": {\"type\": \"null\"}}"
#define BRIDGE "\"paths\": [{\"mode\": \"bridge\", \"ports\": [\"a\", \"b\"]}]"

static int load_kafka(const char *text)
{
	load(text, NULL, 0);
	FILE *out = fmemopen(said, sizeof(said), "w");
	int rc = config_load_kafka(&config, "t.json", NULL, 0, out);
	fclose(out);
	return rc;
}

// Who publishes needs not be the machine that the rest is for.
static void kafka_alone_is_read(void **state)
{
#ifndef HAVE_KAFKA
	skip(); // a build without it knows none of its keys
#endif
	assert_int_equal(
		load_kafka("{\"user\": \"nobody-of-that-name\", \"control\": {\"group\": \"nor-that\"}, \"paths\": 7, "
			   "\"kafka\": {\"bootstrap.servers\": \"127.0.0.1:9092\"}}"),
		0);
	assert_int_equal(config.kafka.pairs.n, 1);
	assert_int_equal(load_kafka("{\"kafka\": {\"bootstrap.server\": \"127.0.0.1:9092\"}}"), -EINVAL);
	assert_non_null(strstr(said, "t.json:1:"));
	assert_int_equal(load_kafka("{\"kafka\": "), -EINVAL);
}

static void values_are_read(void **state)
{
	good("{\"fail\": {\"no_policy\": \"closed\"}, \"node\": \"n1\", \"workers\": {\"cores\": [0, 1]}," PORTS
	     "," BRIDGE
	     ", \"_\": \"a comment\", \"policy\": {\"_why\": [\"one\", \"two\"], \"guard\": [\"192.0.2.1\"]}}");
	assert_true(config.fail.no_policy_closed);
	assert_false(config.fail.memory_open);
	assert_false(config.stalled_closed);
	assert_string_equal(config.node, "n1");
	assert_int_equal(config.workers.ncores, 2);
	assert_int_equal(config.workers.cores[1], 1);
	assert_int_equal(config.nports, 2);
	assert_string_equal(config.ports[1].port.name, "b");
	assert_int_equal(config.ports[1].port.type, PORT_NULL);
	assert_int_equal(config.ports[1].port.mtu, 0);
	assert_int_equal(config.npaths, 1);
	assert_int_equal(config.paths[0].nports, 2);
	assert_int_equal(config.paths[0].ports[1], 1);
	assert_true(config.paths[0].other_l2);
	assert_string_equal(config.policy.guard[0], "192.0.2.1");
	assert_string_equal(config.control.socket, "/run/sluice/ctl.sock");
	assert_int_equal(config.memory.flows, 262144);
}

static void sets_are_laid_over_it(void **state)
{
	const char *sets[] = {"ports.a.mtu=9000", "paths.0.ports=b,a", "ports.c.type=tap", "ports.c.device=t0",
			      "node=x",           "workers.cores=1",   "ports.b.mtu=9000"};
	assert_int_equal(load("{" PORTS "," BRIDGE "}", sets, 7), 0);
	assert_int_equal(config.ports[0].port.mtu, 9000);
	assert_int_equal(config.paths[0].ports[0], 1);
	assert_int_equal(config.nports, 3);
	assert_string_equal(config.ports[2].port.device, "t0");
	assert_string_equal(config.node, "x");
	assert_int_equal(config.workers.ncores, 1);
}

static void one_origin(void *arg, const char *key, const char *json, const char *origin)
{
	char line[512];
	snprintf(line, sizeof(line), "%s=%s %s\n", key, json, origin);
	strncat(arg, line, sizeof(said) - strlen(arg) - 1);
}

static void values_know_where_they_came_from(void **state)
{
	const char *sets[] = {"ports.a.mtu=9000", "ports.b.devargs=a=1,secret=pss,b=2", "ports.b.mtu=9000"};
	assert_int_equal(load("{" PORTS ",\n " BRIDGE "}", sets, 3), 0);
	said[0] = 0;
	config_each(&config, one_origin, said);
	assert_non_null(strstr(said, "fail.no_policy=\"open\" default\n"));
	assert_non_null(strstr(said, "ports.a.type=\"null\" t.json:1\n"));
	assert_non_null(strstr(said, "ports.a.mtu=9000 --set\n"));
	assert_non_null(strstr(said, "paths.0.ports=[\"a\", \"b\"] t.json:2\n"));
	assert_non_null(strstr(said, "ports.b.devargs=\"a=1,secret=***,b=2\" --set\n"));
	assert_null(strstr(said, "pss"));
}

// What is said, exactly, in the order of the file.
static void slips_are_said_in_one_run(void **state)
{
	const char *sets[] = {"ports.a.mut=1", "paths.5.mode=mirror", "fail.stalled=opne"};
	int rc = load("{\"fail\": {\"no_policy\": \"opne\",\n \"no_policy\": \"open\"},\n" PORTS
		      ",\n\"paths\": [{\"mode\": "
		      "\"bridge\", \"ports\": [\"a\", \"bb\"]}], \"memory\": {\"flows\": 1}}",
		      sets, 3);
	assert_int_equal(rc, -EINVAL);
	assert_string_equal(said, "t.json:1:24: /fail/no_policy: unknown value \"opne\" (did you mean \"open\"?)\n"
				  "t.json:2:2: /fail: duplicate key \"no_policy\" (first at t.json:1:11)\n"
				  "t.json:4:45: /paths/0/ports/1: unknown port \"bb\": a or b is expected\n"
				  "t.json:4:74: /memory/flows: a number from 8 to 67108864 is expected\n"
				  "--set ports.a.mut: unknown key of a port \"mut\" (did you mean \"mtu\"?)\n"
				  "--set paths.5.mode: \"5\" is no number of a path: 0 to 1 is expected\n"
				  "--set fail.stalled: unknown value \"opne\" (did you mean \"open\"?)\n");
}

static void what_cannot_be_read_is_no_configuration(void **state)
{
	struct complaints wrong = {0};
	assert_int_equal(config_read(&config, "nowhere.json", NULL, 0, false, &wrong), -ENOENT);
	assert_int_equal(wrong.n, 1);
	assert_true(wrong.unreadable);
	complaints_clear(&wrong);
	assert_int_equal(load("{\"ports\": ", NULL, 0), -EINVAL);
	assert_int_equal(load("[]", NULL, 0), -EINVAL);
	assert_int_equal(load("", NULL, 0), -EINVAL);
}

static void here_wants_what_elsewhere_can_lack(void **state)
{
	const char *sets[] = {"workers.cores=1023"};
	FILE *out = fmemopen(said, sizeof(said), "w");
	assert_int_equal(config_load(&config, NULL, sets, 1, out), -EINVAL);
	fclose(out);
	assert_non_null(strstr(said, "--set workers.cores: there is no core 1023 here"));
	assert_int_equal(load(NULL, sets, 1), 0);
	assert_non_null(strstr(said, "--set workers.cores: warning: there is no core 1023 here"));
}

static void gwlb_has_its_own_transport(void **state)
{
	good("{\"ports\": {\"a\": {\"type\": \"null\", \"mtu\": 8568}}, \"paths\": [{\"mode\": \"gwlb\", \"ports\": "
	     "[\"a\"]}]}");
	assert_int_equal(config.paths[0].transport, CONFIG_TRANSPORT_GWLB);
	assert_true(config.ports[0].port.large_headers);
}

// Types are read by number: the words stand in the order of enum port_type.
static void types_are_those_of_ports(void **state)
{
	for (unsigned i = 0; i < PORT_TYPES; i++)
		assert_string_equal(config_port_types[i], port_type_name(i));
}

static void configurations_are_told_from_policies(void **state)
{
	static const char *const yes[] = {"{\"ports\": {}}", "{\"_\": \"x\", \"rules\": [{\"id\": 1}], \"node\"  : 1}",
					  "{\"fail\":"};
	static const char *const no[] = {"",
					 "{}",
					 "[\"ports\"]",
					 "{\"rules\": [{\"ports\": 1}]}",
					 "{\"ports",
					 "{\"sets\": \"ports\"}",
					 "\"ports\":",
					 "{\"ports\"",
					 "{\"",
					 "{\"\\"};
	for (unsigned i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		assert_true(config_is_one(yes[i], strlen(yes[i])));
	for (unsigned i = 0; i < sizeof(no) / sizeof(*no); i++)
		assert_false(config_is_one(no[i], strlen(no[i])));
}

static void a_stalled_worker_is_what_its_ports_are(void **state)
{
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	const char *sets[] = {"ports.x.type=af_xdp", "ports.x.device=x0", "ports.y.type=af_xdp", "ports.y.device=y0",
			      "paths.1.mode=bridge", "paths.1.ports=x,y", "fail.stalled=closed"};
	assert_int_equal(load("{" PORTS "," BRIDGE "}", sets, 7), 0);
	config_stalled(&config, out);
	fclose(out);
	assert_string_equal(
		text,
		"paths/0 (bridge): a worker that stalls: the health probe fails and the process starts itself again\n"
		"paths/1 (bridge): a worker that stalls: XDP drops within a second\n");
}

int main(void)
{
	char folder[] = "/tmp/config_XXXXXX";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(kafka_alone_is_read),
		cmocka_unit_test(sets_are_laid_over_it),
		cmocka_unit_test(values_know_where_they_came_from),
		cmocka_unit_test(slips_are_said_in_one_run),
		cmocka_unit_test(what_cannot_be_read_is_no_configuration),
		cmocka_unit_test(here_wants_what_elsewhere_can_lack),
		cmocka_unit_test(gwlb_has_its_own_transport),
		cmocka_unit_test(types_are_those_of_ports),
		cmocka_unit_test(configurations_are_told_from_policies),
		cmocka_unit_test(a_stalled_worker_is_what_its_ports_are),
	};
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink("t.json");
	rmdir(folder);
	return failed;
}
