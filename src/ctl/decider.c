// SPDX-License-Identifier: BSD-3-Clause
//
// The decider (src/decide) in the appliance: in come the configuration's words, out go `show decisions` and metrics.
// Control thread. A program that was built without Kafka has none, and says so.
#include "ctl/decider.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/appliance.h"
#include "ctl/command.h"
#include "ctl/privilege.h"
#include "live/standing.h"

unsigned decider_workers(const struct appliance *a)
{
	return a->config->decide.enabled;
}

#ifdef HAVE_KAFKA
#include "decide/requests.h"

int decider_open(struct appliance *a)
{
	const struct config_decide *d = &a->config->decide;
	char why[512];
	if (!d->enabled)
		return 0;
	const struct requests_config config = {.kafka = &a->config->kafka.pairs,
					       .requests = d->requests,
					       .decisions = d->decisions,
					       .errors = d->errors,
					       .node = a->config->node,
					       .dedupe_ids = d->dedupe_ids,
					       .dedupe_ns = d->dedupe_s * 1000000000ull,
					       .path = &a->path,
					       .worker = a->nworkers,
					       .publish = standing_publish(a->standing),
					       .names = standing_names(a->standing)};
	a->decider = requests_open(&config, why);
	if (!a->decider)
		log_say(LOG_ERROR, "decide", "%s", why);
	return a->decider ? 0 : -EINVAL;
}

struct record_out *decider_records(const struct appliance *a)
{
	return a->decider ? requests_records(a->decider) : NULL;
}

int decider_start(struct appliance *a)
{
	int rc = a->decider ? requests_start(a->decider, privilege_reader) : 0;
	if (rc < 0)
		log_say(LOG_ERROR, "decide", "cannot start: %s", strerror(-rc));
	else if (a->decider)
		log_say(LOG_NOTICE, "decide", "answers requests of %s in %s", a->config->decide.requests,
			a->config->decide.decisions);
	return rc;
}

bool decider_stop(struct appliance *a, unsigned within_ms)
{
	bool left = requests_stop(a->decider, within_ms);
	if (!left)
		log_say(LOG_WARNING, "decide",
			"no broker says that the group was left: who takes over what is not answered, and requests of "
			"the "
			"last second, marks its answers (again)");
	return left;
}

void decider_free(struct appliance *a)
{
	requests_free(a->decider);
	a->decider = NULL;
}

// The time that so many of a hundred took at most, by the buckets; 0: there was none.
static json_int_t percentile(const struct requests_look *l, unsigned of_100)
{
	uint64_t all = 0, n = 0;
	for (unsigned i = 0; i <= REQUESTS_BUCKETS; i++)
		all += l->took[i];
	for (unsigned i = 0; i <= REQUESTS_BUCKETS && all; i++) {
		n += l->took[i];
		if (n * 100 >= all * of_100)
			return (json_int_t)(16000ll << i);
	}
	return 0;
}

json_t *decider_show(struct appliance *a, struct call *c)
{
	struct requests_look l;
	if (!a->decider)
		return call_fail(c, CALL_FINDINGS, "this appliance answers no requests; decide.enabled makes it");
	requests_look(a->decider, &l);
	json_t *counts = json_object();
	for (unsigned i = 0; i < REQUESTS_COUNTED; i++)
		json_object_set_new(counts, requests_count_names[i], json_integer((json_int_t)l.counts[i]));
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "state",
			 !l.since_ns   ? "connecting"
			 : l.topicless ? "no topic"
			 : l.up        ? "up"
				       : "down",
			 "requests", l.topics[0], "decisions", l.topics[1], "errors", l.topics[2], "last_error",
			 l.error, "partitions", (json_int_t)l.partitions, "open", (json_int_t)l.open, "remembered",
			 (json_int_t)l.remembered, "half_within_ns", percentile(&l, 50), "p99_within_ns",
			 percentile(&l, 99), "for_s",
			 (json_int_t)(l.since_ns ? (clock_ns(CLOCK_REALTIME) - l.since_ns) / 1000000000 : 0), "counts",
			 counts);
}

static void family(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# TYPE sluice_%s %s\n# HELP sluice_%s %s\n", name, type, name, help);
}

void decider_metrics(const struct appliance *a, FILE *f)
{
	struct requests_look l;
	uint64_t n = 0;
	if (!a->decider)
		return;
	requests_look(a->decider, &l);
	family(f, "requests", "counter", "Requests over Kafka, by what became of them (docs/decisions.md).");
	for (unsigned i = 0; i < REQUESTS_COUNTED; i++)
		fprintf(f, "sluice_requests_total{what=\"%s\"} %lu\n", requests_count_names[i], l.counts[i]);
	family(f, "requests_up", "gauge", "1: brokers are there, to take requests and decisions.");
	fprintf(f, "sluice_requests_up %d\n", l.up);
	family(f, "requests_partitions", "gauge", "Partitions of the requests that are this instance's.");
	fprintf(f, "sluice_requests_partitions %u\n", l.partitions);
	family(f, "requests_open", "gauge", "Requests whose decision the broker does not have yet.");
	fprintf(f, "sluice_requests_open %u\n", l.open);
	family(f, "requests_remembered", "gauge", "Requests that are remembered, should they be asked again.");
	fprintf(f, "sluice_requests_remembered %u\n", l.remembered);
	fputs("# TYPE sluice_decision_seconds histogram\n# UNIT sluice_decision_seconds seconds\n"
	      "# HELP sluice_decision_seconds From a request's coming to the broker's word that it has the decision.\n",
	      f);
	for (unsigned i = 0; i < REQUESTS_BUCKETS; i++) {
		n += l.took[i];
		fprintf(f, "sluice_decision_seconds_bucket{le=\"%.6f\"} %lu\n", (double)(16ull << i) / 1e6, n);
	}
	n += l.took[REQUESTS_BUCKETS];
	fprintf(f,
		"sluice_decision_seconds_bucket{le=\"+Inf\"} %lu\nsluice_decision_seconds_count %lu\n"
		"sluice_decision_seconds_sum %.6f\n",
		n, n, (double)l.took_us / 1e6);
}

#else

int decider_open(struct appliance *a)
{
	return 0; // the config was checked
}

struct record_out *decider_records(const struct appliance *a)
{
	return NULL;
}

int decider_start(struct appliance *a)
{
	return 0;
}

bool decider_stop(struct appliance *a, unsigned within_ms)
{
	return true;
}

void decider_free(struct appliance *a) {}
void decider_metrics(const struct appliance *a, FILE *f) {}

json_t *decider_show(struct appliance *a, struct call *c)
{
	return call_fail(c, CALL_FINDINGS, "this program was built without Kafka");
}
#endif
