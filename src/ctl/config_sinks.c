// SPDX-License-Identifier: BSD-3-Clause
//
// What a sink can have wrong that no single value shows: what its type needs, what two of them would write over, words
// that other tables know, files that are not here. In: a configuration whose values are each right by themselves; out:
// complaints (config_check.c), and a name for each sink that has none.
//
// What starting it would refuse, and what could never work, is said here, before a record waits for it.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/config_spot.h"
#include "remote/kafka_keys.h"
#include "ship/filter.h"
#include "ship/redact.h"
#include "ship/ship.h"
#include "ship/sink.h"
#include "ship/wire.h"
#ifdef HAVE_KAFKA
#include "remote/kafka.h"
#endif
#ifdef HAVE_S3
#include "remote/credentials.h"
#include "remote/s3.h"
#endif

// Where the configuration is for this machine, the file has to be here.
static void readable(const struct checking *k, unsigned i, const char *key, const char *file)
{
	if (*file && access(file, R_OK) < 0)
		config_complain(k, !k->here, config_spot("sinks", i, key), "%s cannot be read: %s", file,
				strerror(errno));
}

static void certificates(const struct checking *k, unsigned i)
{
	const struct sink_config *s = &k->c->sinks[i];
	readable(k, i, "ca_file", s->ca_file);
	readable(k, i, "cert_file", s->cert_file);
	readable(k, i, "key_file", s->key_file);
}

// As the disk has it, or as it stands, where there is no such folder yet.
static void folder_of(const char *path, bool file, char out[PATH_MAX])
{
	const char *slash = file ? strrchr(path, '/') : path + strlen(path);
	char name[PATH_MAX];
	snprintf(name, sizeof(name), "%.*s", slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".");
	if (!realpath(name, out))
		snprintf(out, PATH_MAX, "%s", name);
	for (size_t n = strlen(out); n > 1 && out[n - 1] == '/';)
		out[--n] = 0;
}

// What stands in the spool's folder is the spool's: its lock, its segments and cursors.
static void beside_spool(const struct checking *k, unsigned i)
{
	char spool[PATH_MAX], folder[PATH_MAX];
	const char *path = k->c->sinks[i].path;
	if (!*path || !strcmp(path, "-") || !*k->c->spool.path)
		return;
	folder_of(k->c->spool.path, false, spool);
	folder_of(path, true, folder);
	size_t n = strlen(spool);
	if (!strncmp(folder, spool, n) && (!folder[n] || folder[n] == '/'))
		WRONG(k, config_spot("sinks", i, "path"), "in the spool's folder, %s: it needs a folder of its own",
		      k->c->spool.path);
}

// What a sink writes to, in a word of its own.
static const char *place_of(const struct sink_config *s)
{
	const char *name = strrchr(s->path, '/');
	switch (s->type) {
	case SINK_SYSLOG:
		return s->server;
	case SINK_FILE:
	case SINK_PCAPNG:
		return !strcmp(s->path, "-") ? "stdout" : name ? name + 1 : s->path;
	case SINK_S3:
		return s->bucket;
	case SINK_KAFKA:
		return s->topic;
	default:
		return "";
	}
}

// The cursor in the spool has this name: it has to be the same after a restart, wherever in the list the sink stands.
// That of frames is a rule's, and stays.
static void name_sink(const struct checking *k, unsigned i)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	struct sink_config *s = &k->c->sinks[i];
	if (*s->name && !sink_of_frames(s) && (*s->name == '.' || s->name[strspn(s->name, plain)]))
		WRONG(k, config_spot("sinks", i, "name"),
		      "letters, digits, '_', '-' and '.', which is not the first, are expected");
	if (!*s->name)
		snprintf(s->name, sizeof(s->name), "%s-%s", sink_type_names[s->type], place_of(s));
	for (char *c = s->name; *(c += strspn(c, plain)) && !sink_of_frames(s);)
		*c = '_';
}

static void kms(const struct checking *k, unsigned i)
{
	const struct sink_config *s = &k->c->sinks[i];
	for (unsigned t = 0; t < s->nkms_tenants; t++) {
		const char *text = s->kms_tenants[t];
		size_t digits = strspn(text, "0123456789");
		if (!digits || text[digits] != '=' || !text[digits + 1])
			WRONG(k, config_spot("sinks", i, "kms_tenants"), "%s: tenant=key is expected", text);
		for (unsigned o = 0; digits && o < t; o++)
			if (strtoull(text, NULL, 10) == strtoull(s->kms_tenants[o], NULL, 10))
				WRONG(k, config_spot("sinks", i, "kms_tenants"), "tenant %.*s has a key already: %s",
				      (int)digits, text, s->kms_tenants[o]);
	}
}

// What an S3 sink alone can have wrong; where two of a name would overwrite each other.
static void objects(const struct checking *k, const struct sink_config *all, unsigned i)
{
	const struct sink_config *s = &all[i];
	size_t n = strlen(s->prefix);
	if (!*s->bucket)
		WRONG(k, config_spot("sinks", i, "type"), "an s3 sink needs \"bucket\"");
	if (n && (s->prefix[0] == '/' || s->prefix[n - 1] == '/'))
		WRONG(k, config_spot("sinks", i, "prefix"), "no '/' at its ends");
	if (s->format == SHIP_TABLE)
		WRONG(k, config_spot("sinks", i, "format"), "a table is for eyes: objects hold lines of JSON");
#ifdef HAVE_S3
	if (*s->bucket && !s3_takes_bucket(s->bucket))
		WRONG(k, config_spot("sinks", i, "bucket"),
		      "no name that S3 gives: 3 to 63 small letters, digits, '-' and '.', a letter or digit at both "
		      "ends");
	if (!s3_takes_endpoint(s->endpoint))
		WRONG(k, config_spot("sinks", i, "endpoint"), S3_ENDPOINT_EXPECTED);
	if (*s->region && !credentials_takes_region(s->region))
		WRONG(k, config_spot("sinks", i, "region"), CREDENTIALS_REGION_EXPECTED);
#endif
	kms(k, i);
	for (unsigned j = 0; j < i; j++)
		if (all[j].type == SINK_S3 && !strcmp(all[j].bucket, s->bucket) && !strcmp(all[j].prefix, s->prefix) &&
		    !strcmp(all[j].endpoint, s->endpoint))
			WRONG(k, config_spot("sinks", i, "prefix"),
			      "sinks/%u writes there already: each needs a prefix of its own", j);
}

// A list of words that some judge takes or does not.
static void words(const struct checking *k, unsigned sink, const char *key, const char *list, size_t stride, unsigned n,
		  int (*judge)(const char *word, const char **near))
{
	for (unsigned i = 0; i < n; i++) {
		const char *near = NULL;
		int rc = judge(list + i * stride, &near);
		if (rc == -EDOM)
			WRONG(k, config_spot("sinks", sink, key), "%s: a number is expected", list + i * stride);
		else if (rc < 0)
			WRONG(k, config_spot("sinks", sink, key), "unknown word \"%s\"%s%s%s", list + i * stride,
			      near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	}
}

static int judge_kind(const char *word, const char **near)
{
	struct filter f = {0};
	return filter_kind(&f, word, near);
}

static int judge_tenant(const char *word, const char **near)
{
	errno = 0;
	strtoull(word, NULL, 10);
	return *word && strspn(word, "0123456789") == strlen(word) && !errno ? 0 : -EDOM;
}

// The key of redaction: too little of one would be guessed.
static void secret(const struct checking *k, unsigned i)
{
	const char *file = k->c->sinks[i].redact_key;
	struct stat st;
	if (stat(file, &st) == 0 && (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size < REDACT_KEY_MIN)))
		WRONG(k, config_spot("sinks", i, "redact_key"), "%s: a file of at least %u bytes is expected", file,
		      REDACT_KEY_MIN);
	else
		readable(k, i, "redact_key", file);
}

static void sight(const struct checking *k, unsigned i)
{
	const struct sink_config *s = &k->c->sinks[i];
	words(k, i, "kinds", s->kinds[0], sizeof(s->kinds[0]), s->nkinds, judge_kind);
	words(k, i, "tenants", s->tenants[0], sizeof(s->tenants[0]), s->ntenants, judge_tenant);
	words(k, i, "redact", s->redact[0], sizeof(s->redact[0]), s->nredact, redact_word);
	if (*s->redact_key && s->nredact)
		secret(k, i);
	else if (*s->redact_key)
		WARN(k, config_spot("sinks", i, "redact_key"),
		     "nothing is redacted: which fields? \"redact\" is missing");
}

static void syslog(const struct checking *k, unsigned i)
{
	const struct sink_config *s = &k->c->sinks[i];
	if (!wire_server(s->server))
		WRONG(k, config_spot("sinks", i, *s->server ? "server" : "type"),
		      "a syslog sink needs \"server\": \"host:port\"");
	if (s->format == SHIP_FACTS)
		WRONG(k, config_spot("sinks", i, "format"), "facts are several lines a record; a message is one");
	if (!s->tls && (*s->ca_file || *s->cert_file || *s->key_file || *s->server_name))
		WRONG(k, config_spot("sinks", i, "tls"), "certificates without TLS");
	if (*s->key_file && !*s->cert_file)
		WRONG(k, config_spot("sinks", i, "key_file"), "a key without \"cert_file\"");
	if (!s->tls)
		WARN(k, config_spot("sinks", i, "tls"), "records go in the clear, to whoever answers there");
}

static void topics(const struct checking *k, unsigned i)
{
	const struct sink_config *s = &k->c->sinks[i];
	if (!kafka_topic(s->topic))
		WRONG(k, config_spot("sinks", i, "topic"), KAFKA_TOPIC_EXPECTED);
	if (*s->errors_topic && !kafka_topic(s->errors_topic))
		WRONG(k, config_spot("sinks", i, "errors_topic"), KAFKA_TOPIC_EXPECTED);
	if (*s->topic && !strcmp(s->topic, s->errors_topic))
		WRONG(k, config_spot("sinks", i, "errors_topic"),
		      "\"topic\" is this topic already: what is refused there is refused here, too");
}

// A rule's copies go to one place.
static void frames(const struct checking *k, const struct sink_config *all, unsigned i)
{
	if (!*all[i].name && !all[i].others)
		WRONG(k, config_spot("sinks", i, "type"),
		      "a pcapng sink needs \"name\", which rules mirror to, or \"others\"");
	for (unsigned j = 0; j < i; j++)
		if (all[i].others && all[j].others)
			WRONG(k, config_spot("sinks", i, "others"), "sinks/%u takes these already", j);
}

void config_sinks(const struct checking *k)
{
	struct sink_config *s = k->c->sinks;
	for (unsigned i = 0; i < k->c->nsinks; i++) {
		if ((s[i].type == SINK_FILE || s[i].type == SINK_PCAPNG) && !*s[i].path)
			WRONG(k, config_spot("sinks", i, "type"), "a %s sink needs \"path\"",
			      sink_type_names[s[i].type]);
		if (s[i].type == SINK_S3)
			objects(k, s, i);
		if (sink_of_frames(&s[i]))
			frames(k, s, i);
		else if (!sink_kinds[s[i].type])
			WRONG(k, config_spot("sinks", i, "type"), "this program was built without sinks of type \"%s\"",
			      sink_type_names[s[i].type]);
#ifdef HAVE_KAFKA
		if (s[i].type == SINK_KAFKA && !kafka_brokers(&k->c->kafka.pairs))
			WRONG(k, config_spot("sinks", i, "type"), "a kafka sink needs kafka.bootstrap.servers");
#endif
		if (s[i].type == SINK_KAFKA)
			topics(k, i);
		if (s[i].type == SINK_SYSLOG)
			syslog(k, i);
		name_sink(k, i);
		beside_spool(k, i);
		certificates(k, i);
		sight(k, i);
		for (unsigned j = 0; j < i; j++) {
			if (*s[i].path && !strcmp(s[i].path, s[j].path))
				WRONG(k, config_spot("sinks", i, "path"), "sinks/%u writes there already", j);
			else if (!strcmp(s[i].name, s[j].name))
				WRONG(k, config_spot("sinks", i, "name"),
				      "sinks/%u is called %s already: name one of them", j, s[i].name);
		}
	}
}
