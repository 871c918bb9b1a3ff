// SPDX-License-Identifier: BSD-3-Clause
//
// Which properties the configuration may give to librdkafka, and which Sluice gives. All of librdkafka's are open, by
// its own names and with its own words for what is wrong, but for the rows below: what would break a promise is refused
// with the reason, what is only a better default gives way. Names are looked for in librdkafka's own table
// (rd_kafka_conf_properties_show), so that no list here grows old.
#include "remote/kafka_keys.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"

#define R(role) (1u << KAFKA_##role)
#define PRODUCERS (R(LOGS) | R(DECISIONS) | R(PUBLISH))
#define READERS (R(RULES) | R(REQUESTS))
#define EVERY (PRODUCERS | READERS | R(LOOK))

// In this order: platform.md's column, ours, refused.
const struct kafka_key kafka_keys[] = {
	// better defaults
	{"client.id", NULL, EVERY, "sluice", NULL}, // kafka_open: with the node's name behind it
	{"reconnect.backoff.max.ms", NULL, EVERY, "2000", NULL},
	{"socket.keepalive.enable", NULL, EVERY, "true", NULL},
	{"socket.connection.setup.timeout.ms", NULL, EVERY, "10000", NULL},
	{"compression.codec", "compression.type", R(LOGS), "zstd", NULL},
	{"batch.num.messages", NULL, R(LOGS), "50000", NULL},
	{"queue.buffering.max.messages", NULL, R(LOGS), "200000", NULL},
	{"queue.buffering.max.kbytes", NULL, R(LOGS), "65536", NULL},
	{"queue.buffering.max.kbytes", NULL, R(DECISIONS), "16384", NULL},
	{"message.timeout.ms", "delivery.timeout.ms", R(LOGS), "0",
	 NULL}, // never: sent again by Sluice it had a new number
	{"message.timeout.ms", "delivery.timeout.ms", R(DECISIONS), "5000", NULL},
	{"partitioner", NULL, R(LOGS) | R(DECISIONS), "murmur2_random", NULL}, // as Java's
	{"group.id", NULL, R(REQUESTS), "sluice", NULL},
	// ours
	{"linger.ms", "queue.buffering.max.ms", R(LOGS), "50",
	 "it is the sink's: sinks.N.linger_ms; decisions never wait"},
	{"linger.ms", "queue.buffering.max.ms", R(DECISIONS) | R(PUBLISH), "0", "decisions never wait"},
	{"acks", "request.required.acks", PRODUCERS, "-1", "it is the sink's: sinks.N.acks; of all else, all"},
	{"enable.idempotence", NULL, PRODUCERS, "true", "what is sent again must not stand twice"},
	{"enable.auto.commit", "auto.commit.enable", READERS, "false",
	 "a message is done when it is answered, not when it is read"},
	{"enable.auto.offset.store", NULL, READERS, "false",
	 "a message is done when it is answered, not when it is read"},
	{"enable.partition.eof", NULL, R(RULES), "true",
	 "the appliance is ready once it has read the rules to their end"},
	{"auto.offset.reset", NULL, R(RULES), "earliest", "rules are read from their beginning, requests from now on"},
	{"auto.offset.reset", NULL, R(REQUESTS), "latest", "rules are read from their beginning, requests from now on"},
	{"isolation.level", NULL, READERS, "read_committed", "a version of the rules is one transaction"},
	{"allow.auto.create.topics", NULL, EVERY, "false",
	 "a topic comes by its owner's hand, or by sinks.N.create_topics"},
	{"statistics.interval.ms", NULL, EVERY, "2000", "metrics and `show kafka` are made of them"},
	{"log_level", NULL, EVERY, "7", "`log level kafka` says how much is said"},
	// refused
	{"transactional.id", NULL, 0, NULL, "all publishers share one, so that of two at once one is told"},
	{"log.queue", NULL, 0, NULL, "its log lines go to Sluice's own"},
	{"enabled_events", NULL, 0, NULL, "Sluice has callbacks"},
	{"delivery.report.only.error", NULL, 0, NULL, "a cursor moves by what was delivered"},
	{"enable.gapless.guarantee", NULL, 0, NULL, "what was not delivered is sent again from the spool"},
	{"queuing.strategy", NULL, 0, NULL, "records of a worker stay in order"},
	{"plugin.library.paths", NULL, 0, NULL, "other programs' code has no place in the appliance"},
	{"internal.termination.signal", NULL, 0, NULL, "signals are Sluice's"},
};
const unsigned kafka_key_count = sizeof(kafka_keys) / sizeof(*kafka_keys);

bool kafka_secret(const char *name)
{
	static const char *const parts[] = {"password", "secret", "ssl.key.pem", "sasl.oauthbearer.config"};
	for (unsigned i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (strstr(name, parts[i]))
			return true;
	}
	return false;
}

// "probe" is no file: librdkafka looks where distributions keep theirs.
bool kafka_beside(const char *name, const char *value)
{
	static const char end[] = ".location";
	size_t len = strlen(name);
	return (len >= sizeof(end) && !strcmp(name + len + 1 - sizeof(end), end) && strcmp(value, "probe")) ||
	       !strcmp(name, "sasl.kerberos.keytab");
}

bool kafka_topic(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	return n && n <= 249 && !name[n] && strcmp(name, ".") && strcmp(name, "..");
}

void kafka_keys_doc(FILE *out)
{
	fputs(" Objects in it are dots in the names: `\"ssl\": {\"ca.location\": \"ca.pem\"}`. A relative file is "
	      "meant from the folder of the configuration. What Sluice sets itself:\n\n"
	      "| property | for | value | may be set otherwise |\n|---|---|---|---|\n",
	      out);
	for (unsigned i = 0; i < kafka_key_count; i++) {
		static const char *const roles[KAFKA_ROLES] = {"logs",  "decisions", "publish",
							       "rules", "requests",  "look"};
		const struct kafka_key *k = &kafka_keys[i];
		fprintf(out, "| `%s` | ", k->name);
		for (unsigned r = 0, n = 0; k->roles != EVERY && r < KAFKA_ROLES; r++)
			fprintf(out, "%s%s", k->roles >> r & 1 && n++ ? ", " : "", k->roles >> r & 1 ? roles[r] : "");
		fprintf(out, "%s | %s%s%s | %s%s |\n", k->roles == EVERY ? "all" : "", k->value ? "`" : "",
			k->value ? k->value : "", k->value ? "`" : "", k->why ? "no: " : "yes", k->why ? k->why : "");
	}
	putc('\n', out);
}

#ifdef HAVE_KAFKA
#include <librdkafka/rdkafka.h>

#include "remote/credentials.h"
#include "remote/kafka_token.h"

#define PROPERTIES 256

static bool called(const struct kafka_key *k, const char *name)
{
	return !strcmp(k->name, name) || (k->also && !strcmp(k->also, name));
}

// librdkafka's own table, read once.
static struct {
	char *text, *end;
	const char *names[PROPERTIES];
	char who[PROPERTIES];   // C, P, *
	bool whole[PROPERTIES]; // a whole number
	unsigned n;
} table;

// "name   |  P  | 0 .. 100   |   default | ..." of a line.
static void row(char *line)
{
	char *bar = strchr(line, '|'), *who = bar ? bar + 1 : NULL, *range = who ? strchr(who, '|') : NULL;
	if (!range || !islower((unsigned char)*line) || table.n == PROPERTIES)
		return;
	char *end = strchr(range + 1, '|'), *dots = strstr(range, " .. ");
	who += strspn(who, " ");
	line[strcspn(line, " |")] = 0;
	table.names[table.n] = line;
	table.who[table.n] = *who;
	table.whole[table.n++] = end && dots && dots < end;
}

static void read_table(void)
{
	size_t len;
	FILE *f = open_memstream(&table.text, &len);
	if (!f)
		abort();
	rd_kafka_conf_properties_show(f);
	fclose(f);
	for (char *line = table.text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		row(line);
	}
}

static unsigned property(const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, read_table);
	return word_find(table.names, table.n, name, strlen(name));
}

// Those that librdkafka's table does not show are for tests.
bool kafka_of_role(const char *name, enum kafka_role role)
{
	unsigned i = property(name);
	return i == table.n || table.who[i] == '*' || table.who[i] == (READERS >> role & 1 ? 'C' : 'P');
}

// Bytes of a client's name: librdkafka 2.0.2 writes longer ones over what is not its own (2.5.0, #4689).
#define CLIENT_ID 100

static bool whole(const char *p)
{
	p += *p == '-';
	return *p && p[strspn(p, "0123456789")] == 0;
}

// librdkafka passes over an empty list and another program's URL, and takes port 99999 for 34463.
static bool brokers(const char *list)
{
	char copy[4096], *rest = copy;
	unsigned n = 0;
	snprintf(copy, sizeof(copy), "%s", list);
	for (char *at; (at = strsep(&rest, ", "));) {
		char *scheme = strstr(at, "://"), *host = scheme ? scheme + 3 : at, *colon = strrchr(host, ':');
		bool port = colon && !strchr(colon, ']');
		if (scheme && strncasecmp(at, "plaintext:", 10) && strncasecmp(at, "ssl:", 4) &&
		    strncasecmp(at, "sasl_", 5))
			return false;
		if (port && (colon == host || !whole(colon + 1) || atol(colon + 1) < 1 || atol(colon + 1) > UINT16_MAX))
			return false;
		n += *host != 0;
	}
	return n > 0;
}

static int own_rule(const char *name, const char *value, char *why, size_t size)
{
	if (!strcmp(name, "client.id") && strlen(value) > CLIENT_ID)
		return snprintf(why, size, "longer than %u bytes", CLIENT_ID), -EINVAL;
	if ((!strcmp(name, "bootstrap.servers") || !strcmp(name, "metadata.broker.list")) && !brokers(value))
		return snprintf(why, size, "\"host:9092\" is expected, of more than one with commas"), -EINVAL;
	for (unsigned i = 0; i < kafka_key_count; i++) {
		if (kafka_keys[i].why && called(&kafka_keys[i], name))
			return snprintf(why, size, "\"%s\" is not to be set: %s", name, kafka_keys[i].why), -ENOENT;
	}
	return 0;
}

static int unknown(const char *name, char *why, size_t size)
{
	const char *near = word_near(table.names, table.n, name, strlen(name));
	snprintf(why, size, "unknown key of kafka \"%.80s\"%s%s%s: librdkafka %s has no such property", name,
		 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "", rd_kafka_version_str());
	return -ENOENT;
}

static int of_msk(const char *name, const char *value, char *why, size_t size)
{
	static const char *const all[] = {
#define X(field) KAFKA_TOKEN #field,
		KAFKA_TOKEN_KEYS(X)
#undef X
	};
	const unsigned n = sizeof(all) / sizeof(*all);
	if (word_find(all, n, name, strlen(name)) == n)
		return snprintf(why, size, "unknown key of kafka \"%.80s\"", name), -ENOENT;
	if (!strcmp(name, all[0]) && !credentials_takes_region(value))
		return snprintf(why, size, CREDENTIALS_REGION_EXPECTED), -EINVAL;
	return 0;
}

int kafka_takes(const char *name, const char *value, char *why, size_t size)
{
	unsigned i = property(name);
	int rc = own_rule(name, value, why, size);
	if (rc < 0)
		return rc;
	if (!strncmp(name, KAFKA_TOKEN, strlen(KAFKA_TOKEN)))
		return of_msk(name, value, why, size);
	if (i < table.n && table.whole[i] && !whole(value)) // librdkafka takes 1.5 for 1
		return snprintf(why, size, "a whole number is expected"), -EINVAL;
	rd_kafka_conf_t *c = rd_kafka_conf_new();
	rd_kafka_conf_res_t set = rd_kafka_conf_set(c, name, value, why, size);
	rd_kafka_conf_destroy(c);
	why[strcspn(why, "\r\n")] = 0;
	if (set == RD_KAFKA_CONF_UNKNOWN)
		return unknown(name, why, size);
	return set == RD_KAFKA_CONF_OK ? 0 : -EINVAL;
}

#else

bool kafka_of_role(const char *name, enum kafka_role role)
{
	return true;
}

int kafka_takes(const char *name, const char *value, char *why, size_t size)
{
	snprintf(why, size, "this program was built without Kafka");
	return -ENOENT;
}
#endif
