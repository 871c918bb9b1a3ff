// SPDX-License-Identifier: BSD-3-Clause
//
// The face for security lakes: one event a line by the classes of OCSF 1.8.0. Schema: docs/ocsf.schema.json; which
// record becomes what: docs/records.md.
//
// What stays the same from event to event (class and activity with their names, the product) is made once, at open,
// into text that is copied. What OCSF has no place for stands in `unmapped`, by the names of the eve face. A hello is
// the opening of a connection (4001) with its tls object: OCSF has no class of its own for it.
//
// Observables have type_id 99 and their type by name: the schema that is published for 1.8.0 knows 0 and 99 alone.
#include "ship/ocsf.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ship/judged.h"
#include "ruleset.h"
#include "verdict.h"

#define ACTIVITIES 11 // 0 to 9, and 99
#define HEAD_MAX 320

struct class
{
	const char *name, *category;
	uint16_t uid, category_uid;
	const char *activities[ACTIVITIES];
};

#define CONNECTION                                                                                                     \
	{                                                                                                              \
		"Unknown", "Open", "Close", "Reset", "Fail", "Refuse", "Traffic", "Listen", NULL, NULL, "Other"        \
	}

static const struct class classes[] = {
	{"Base Event", "Uncategorized", OCSF_BASE, 0, {[0] = "Unknown", [10] = "Other"}},
	{"Detection Finding", "Findings", OCSF_FINDING, 2, {"Unknown", "Create", "Update", "Close", [10] = "Other"}},
	{"Network Activity", "Network Activity", OCSF_NETWORK, 4, CONNECTION},
	{"HTTP Activity",
	 "Network Activity",
	 OCSF_HTTP,
	 4,
	 {"Unknown", "Connect", "Delete", "Get", "Head", "Options", "Post", "Put", "Trace", "Patch", "Other"}},
	{"DNS Activity",
	 "Network Activity",
	 OCSF_DNS,
	 4,
	 {"Unknown", "Query", "Response", [6] = "Traffic", [10] = "Other"}},
	{"SSH Activity", "Network Activity", OCSF_SSH, 4, CONNECTION},
};
#define CLASSES (sizeof(classes) / sizeof(classes[0]))

enum activity { UNKNOWN, OPEN, CLOSE, RESET, FAIL, REFUSE, TRAFFIC };

struct ocsf {
	struct ocsf_head {
		uint16_t len;
		char text[HEAD_MAX];
	} head[CLASSES][ACTIVITIES];   // from '{' to the type
	char product[256], cloud[512]; // of metadata; a member of the event
	char uid[160];
	size_t product_len, cloud_len, uid_node; // uid: its beginning, "node-boot-"
	const char *node; // of which product and uid are: a spool may have been begun by an earlier start
	uint64_t boot;
};

static const char *const log_names[RECORD_KIND_COUNT] = {
#define X(symbol, name) [RECORD_##symbol] = name,
	RECORD_KINDS(X)
#undef X
};

// ---- made once -----------------------------------------------------------------------------------------------------

static void make_head(struct ocsf_head *h, const struct class *c, unsigned activity)
{
	struct jsonl j = {.at = h->text, .end = h->text + sizeof(h->text)};
	unsigned id = activity == ACTIVITIES - 1 ? OCSF_OTHER : activity;
	const char *name = c->activities[activity];
	if (!name)
		return;
	jsonl_open(&j, '{');
	jsonl_member_num(&j, "class_uid", c->uid);
	jsonl_member_text(&j, "class_name", c->name);
	jsonl_member_num(&j, "category_uid", c->category_uid);
	jsonl_member_text(&j, "category_name", c->category);
	jsonl_member_num(&j, "activity_id", id);
	jsonl_member_text(&j, "activity_name", name);
	jsonl_member_num(&j, "type_uid", c->uid * 100u + id);
	jsonl_member(&j, "type_name");
	jsonl_string_open(&j);
	jsonl_string_bytes(&j, c->name, strlen(c->name), false);
	jsonl_string_bytes(&j, ": ", 2, false);
	jsonl_string_bytes(&j, name, strlen(name), false);
	jsonl_string_close(&j);
	h->len = j.full ? 0 : (uint16_t)(j.at - h->text);
}

static void make_product(struct ocsf *o, const struct ship_config *c)
{
	if (o->product_len && o->node == c->node && o->boot == c->boot)
		return;
	o->node = c->node;
	o->boot = c->boot;
	struct jsonl j = {.at = o->product, .end = o->product + sizeof(o->product)};
	const char *node = c->node ? c->node : "replay";
	jsonl_member_text(&j, "version", "1.8.0");
	jsonl_member_open(&j, "product", '{');
	jsonl_member_text(&j, "name", "Sluice");
	jsonl_member_text(&j, "vendor_name", "Sluice");
	jsonl_member_text(&j, "version", SLUICE_VERSION);
	jsonl_close(&j, '}');
	jsonl_member_open(&j, "reporter", '{');
	jsonl_member_string(&j, "name", node);
	jsonl_close(&j, '}');
	o->product_len = j.full ? 0 : (size_t)(j.at - o->product);
	j = (struct jsonl){.at = o->uid, .end = o->uid + sizeof(o->uid) - 64};
	jsonl_string_bytes(&j, node, strnlen(node, 64), false);
	jsonl_string_bytes(&j, "-", 1, false);
	jsonl_string_num(&j, c->boot);
	jsonl_string_bytes(&j, "-", 1, false);
	o->uid_node = (size_t)(j.at - o->uid);
}

// provider/region/account; what is empty or missing is not said.
static void make_cloud(struct ocsf *o, const char *p)
{
	struct jsonl j = {.at = o->cloud, .end = o->cloud + sizeof(o->cloud)};
	size_t provider = p ? strcspn(p, "/") : 0;
	if (provider == 0)
		return;
	const char *region = p + provider + (p[provider] == '/'), *account = region + strcspn(region, "/");
	jsonl_open(&j, '{');
	jsonl_member_bytes(&j, "provider", p, provider);
	if (account > region)
		jsonl_member_bytes(&j, "region", region, (size_t)(account - region));
	if (account[0] && account[1]) {
		jsonl_member_open(&j, "account", '{');
		jsonl_member_string(&j, "uid", account + 1);
		jsonl_close(&j, '}');
	}
	jsonl_close(&j, '}');
	o->cloud_len = j.full ? 0 : (size_t)(j.at - o->cloud);
}

static int ocsf_open(struct render *r)
{
	struct ocsf *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	for (unsigned c = 0; c < CLASSES; c++)
		for (unsigned a = 0; a < ACTIVITIES; a++)
			make_head(&o->head[c][a], &classes[c], a);
	make_cloud(o, r->sink->cloud);
	r->state = o;
	return 0;
}

static void ocsf_close(struct render *r)
{
	free(r->state);
}

// ---- which class, which activity -----------------------------------------------------------------------------------

// A judged transaction of which nothing was written down but that.
static bool is_bare(const struct record *rec)
{
	if (!(rec->judged & RECORD_JUDGED))
		return false;
	RECORD_EACH(f, rec)
		if (f->field != FACT_RULE && f->field != FACT_TAG && f->field != FACT_REDACTED &&
		    f->field != FACT_HOST_OUTER)
			return false;
	return true;
}

// http_activity needs a request or a response.
static bool is_http(const struct record *rec)
{
	RECORD_EACH(f, rec)
		if (f->field == FACT_HTTP_METHOD || f->field == FACT_HTTP_URI || f->field == FACT_HTTP_STATUS)
			return true;
	return false;
}

enum ocsf_class ocsf_class(const struct record *rec)
{
	switch (rec->kind) {
	case RECORD_ANOMALY:
	case RECORD_ALERT:
		return OCSF_FINDING;
	case RECORD_FLOW:
	case RECORD_FLOOD:
		return OCSF_NETWORK;
	case RECORD_HTTP:
		return is_bare(rec) ? OCSF_FINDING : is_http(rec) ? OCSF_HTTP : OCSF_NETWORK;
	case RECORD_TLS:
	case RECORD_QUIC:
		return is_bare(rec) ? OCSF_FINDING : OCSF_NETWORK;
	case RECORD_DNS:
		return is_bare(rec) ? OCSF_FINDING : OCSF_DNS;
	case RECORD_SSH:
		return is_bare(rec) ? OCSF_FINDING : OCSF_SSH;
	default:
		return OCSF_BASE;
	}
}

static bool denied(const struct record *rec)
{
	return (rec->judged & RECORD_JUDGED) && rec->action == ACTION_DENY;
}

// RST of the responder on a SYN, or no answer at all: it failed.
static unsigned flow_activity(const struct record *rec)
{
	bool answered = rec->pkts[1] > 0;
	if (denied(rec))
		return REFUSE;
	switch (rec->flow_end) {
	case FLOW_END_CLOSED:
	case FLOW_END_REUSED:
		return CLOSE;
	case FLOW_END_RESET:
		return RESET;
	case FLOW_END_TIMEOUT:
		return rec->proto == IPPROTO_TCP ? (answered ? CLOSE : FAIL) : TRAFFIC;
	default:
		return TRAFFIC;
	}
}

static unsigned http_activity(const struct fact *method)
{
	static const char *const names[] = {"",        "CONNECT", "DELETE", "GET",   "HEAD",
					    "OPTIONS", "POST",    "PUT",    "TRACE", "PATCH"};
	if (!method)
		return UNKNOWN;
	for (unsigned i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == method->len && !memcmp(names[i], method->value, method->len))
			return i;
	return ACTIVITIES - 1;
}

static unsigned activity(const struct ocsf_event *e, enum ocsf_class class)
{
	const struct record *rec = e->rec;
	switch (class) {
	case OCSF_FINDING:
		return 1; // Create
	case OCSF_HTTP:
		return http_activity(ocsf_fact(e, FACT_HTTP_METHOD));
	case OCSF_DNS:
		return rec->tx_kind ? 2 : 1;
	case OCSF_NETWORK:
		if (rec->kind == RECORD_FLOW)
			return flow_activity(rec);
		if (rec->kind == RECORD_FLOOD)
			return FAIL;
		return denied(rec) ? REFUSE : rec->kind == RECORD_HTTP ? TRAFFIC : OPEN;
	case OCSF_SSH:
		return denied(rec) ? REFUSE : OPEN;
	default:
		return ACTIVITIES - 1;
	}
}

// ---- members of every event ----------------------------------------------------------------------------------------

uint64_t ocsf_ms(uint64_t time_ns)
{
	return time_ns / 1000000;
}

void ocsf_text(struct jsonl *j, const struct ocsf_event *e, enum fact_field f, const char *name)
{
	const struct fact *fact = ocsf_fact(e, f);
	if (fact)
		jsonl_member_bytes(j, name, fact->value, fact->len);
}

// node-boot-worker-seq: no other event has it, and one that is sent again has the same.
static size_t uid(struct ocsf *o, const struct record *rec, bool renumber, uint64_t seq)
{
	char *at = text_u64(o->uid + o->uid_node, renumber ? 0 : rec->worker);
	*at++ = '-';
	at = text_u64(at, seq);
	return (size_t)(at - o->uid);
}

static void profiles(struct jsonl *j, const struct ocsf *o, const struct ocsf_event *e, enum ocsf_class class)
{
	bool control = ocsf_is_controlled(e), proxy = class >= OCSF_NETWORK && ocsf_fact(e, FACT_HOST_OUTER);
	if (!o->cloud_len && !control && !proxy && class != OCSF_BASE)
		return;
	jsonl_member_open(j, "profiles", '[');
	if (o->cloud_len)
		jsonl_text(j, "cloud");
	if (control)
		jsonl_text(j, "security_control");
	if (proxy)
		jsonl_text(j, "network_proxy");
	if (class == OCSF_BASE)
		jsonl_text(j, "host");
	jsonl_close(j, ']');
}

static bool is_cut(const struct record *rec)
{
	RECORD_EACH(f, rec)
		if (f->flags & FACT_CUT)
			return true;
	return false;
}

static void labels(struct jsonl *j, const struct ocsf_event *e)
{
	if (ocsf_fact(e, FACT_TAG))
		eve_list(j, &e->x, FACT_TAG, "labels");
}

static void metadata(struct jsonl *j, struct ocsf *o, const struct ocsf_event *e, enum ocsf_class class, uint64_t seq)
{
	const struct record *rec = e->rec;
	char event[REASON_EVENT_MAX];
	size_t n = uid(o, rec, e->render->config->renumber, seq);
	jsonl_member_open(j, "metadata", '{');
	jsonl_raw(j, o->product, o->product_len);
	jsonl_member_text(j, "log_name", log_names[rec->kind]);
	jsonl_member(j, "uid");
	jsonl_string_open(j);
	jsonl_raw_part(j, o->uid, n);
	jsonl_string_close(j);
	jsonl_member_num(j, "sequence", seq);
	if (rec->tenant)
		jsonl_member_digits(j, "tenant_uid", rec->tenant);
	if (rec->kind == RECORD_ANOMALY)
		jsonl_member_text(j, "event_code",
				  rec->reason ? reason_event(rec->reason, event) : anomaly_names[rec->anomaly]);
	if (is_cut(rec))
		jsonl_member_bool(j, "is_truncated", true);
	ocsf_incident(j, e);
	labels(j, e);
	profiles(j, o, e, class);
	jsonl_close(j, '}');
}

static void severity(struct jsonl *j, unsigned id)
{
	static const char *const names[] = {"Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal"};
	jsonl_member_num(j, "severity_id", id);
	jsonl_member_text(j, "severity", names[id]);
}

static void status(struct jsonl *j, bool good, const char *detail)
{
	jsonl_member_num(j, "status_id", good ? 1 : 2);
	jsonl_member_text(j, "status", good ? "Success" : "Failure");
	if (detail)
		jsonl_member_text(j, "status_detail", detail);
}

// ---- flows, and what is no traffic ---------------------------------------------------------------------------------

static void traffic(struct jsonl *j, const struct record *rec, unsigned activity)
{
	jsonl_member_open(j, "traffic", '{');
	jsonl_member_num(j, "bytes", rec->bytes[0] + rec->bytes[1]);
	jsonl_member_num(j, "bytes_in", rec->bytes[1]);
	jsonl_member_num(j, "bytes_out", rec->bytes[0]);
	jsonl_member_num(j, "packets", rec->pkts[0] + rec->pkts[1]);
	jsonl_member_num(j, "packets_in", rec->pkts[1]);
	jsonl_member_num(j, "packets_out", rec->pkts[0]);
	jsonl_close(j, '}');
	jsonl_member_num(j, "start_time", ocsf_ms(rec->start_ns));
	jsonl_member_num(j, "end_time", ocsf_ms(rec->end_ns));
	jsonl_member_num(j, "duration", rec->end_ns > rec->start_ns ? ocsf_ms(rec->end_ns - rec->start_ns) : 0);
	if (rec->kind == RECORD_FLOOD)
		jsonl_member_num(j, "count", rec->tx_count);
	status(j, activity != FAIL && activity != REFUSE, eve_flow_reason(rec));
	if (rec->proto == IPPROTO_TCP) // else the first that was seen is taken to have begun it
		jsonl_member_bool(j, "is_src_dst_assignment_known", (rec->tcp_flags[0] | rec->tcp_flags[1]) & 2);
}

static void base(struct jsonl *j, const struct ocsf_event *e)
{
	const struct ship_config *c = e->render->config;
	jsonl_member_text(j, "message", e->rec->kind == RECORD_GAP ? "records are missing" : "state of the appliance");
	jsonl_member_open(j, "device", '{');
	jsonl_member_num(j, "type_id", 9);
	jsonl_member_text(j, "type", "Firewall");
	jsonl_member_string(j, "name", c->node ? c->node : "replay");
	jsonl_member_digits(j, "boot_uid", c->boot);
	jsonl_close(j, '}');
	if (e->rec->kind == RECORD_GAP)
		jsonl_member_num(j, "count", e->rec->pkts[0]);
}

static void body(struct jsonl *j, const struct ocsf_event *e, enum ocsf_class class, unsigned activity)
{
	const struct record *rec = e->rec;
	switch (class) {
	case OCSF_NETWORK:
		if (rec->kind == RECORD_FLOW || rec->kind == RECORD_FLOOD)
			traffic(j, rec, activity);
		else
			ocsf_tls(j, e);
		break;
	case OCSF_HTTP: {
		const struct fact *code = ocsf_fact(e, FACT_HTTP_STATUS);
		ocsf_http(j, e);
		if (code || denied(rec))
			status(j, code && fact_number(code) < 400 && !denied(rec), NULL);
		break;
	}
	case OCSF_DNS:
		ocsf_dns(j, e);
		break;
	case OCSF_SSH:
		ocsf_text(j, e, FACT_SSH_PROTO, "protocol_ver");
		break;
	case OCSF_BASE:
		base(j, e);
		break;
	case OCSF_FINDING: // ocsf_finding
		break;
	}
}

static void unmapped(struct jsonl *j, struct render *r, const struct ocsf_event *e)
{
	const struct record *rec = e->rec;
	bool flow = rec->kind == RECORD_FLOW, packet = eve_is_packet(rec);
	const struct render_path *path = render_path(r, flow ? rec->flow_id >> 3 : rec->packet);
	jsonl_member_open(j, "unmapped", '{');
	jsonl_member_num(j, "boot", r->config->boot);
	jsonl_member_num(j, "worker", r->config->renumber ? 0 : rec->worker);
	if (path->json_len > 2) {
		jsonl_member(j, "pcap_filename");
		jsonl_raw(j, path->json, path->json_len);
	}
	if (packet)
		jsonl_member_num(j, "pcap_cnt", frame_own(rec->packet));
	if (packet && rec->flow_id)
		jsonl_member_text(j, "direction", rec->dir ? "to_client" : "to_server");
	eve_tags(j, rec);
	eve_own(j, &e->x);
	ocsf_app_unmapped(j, e);
	judged_member(r, j, rec);
	if (ocsf_fact(e, FACT_REDACTED))
		eve_list(j, &e->x, FACT_REDACTED, "redacted");
	jsonl_close(j, '}');
}

static void ocsf_record(struct render *r, const struct record *rec)
{
	struct ocsf *o = r->state;
	if (rec->kind == RECORD_FLOW_START)
		return;
	struct ocsf_event e = {.render = r, .rec = rec};
	make_product(o, r->config);
	e.kind = rec->kind == RECORD_ALERT ? rec->anomaly : rec->kind;
	eve_index(&e.x, rec);
	enum ocsf_class class = e.class = ocsf_class(rec);
	uint64_t seq = r->config->renumber ? r->seq++ : rec->seq;
	unsigned k = 0, act = activity(&e, class);
	while (classes[k].uid != class)
		k++;
	struct jsonl j = outlet_line(&r->out);
	jsonl_raw(&j, o->head[k][act].text, o->head[k][act].len);
	severity(&j, ocsf_severity(&e));
	jsonl_member_num(&j, "time", ocsf_ms(rec->time_ns));
	metadata(&j, o, &e, class, seq);
	if (o->cloud_len) {
		jsonl_member(&j, "cloud");
		jsonl_raw(&j, o->cloud, o->cloud_len);
	}
	ocsf_control(&j, &e);
	if (rec->kind != RECORD_GAP && rec->kind != RECORD_FLOOD && judged_weight(r, rec) > 1)
		jsonl_member_num(&j, "count", judged_weight(r, rec));
	if (class == OCSF_FINDING)
		ocsf_finding(&j, &e, o->uid, uid(o, rec, r->config->renumber, seq));
	else if (class != OCSF_BASE)
		ocsf_where(&j, &e);
	body(&j, &e, class, act);
	if (class != OCSF_BASE)
		ocsf_observables(&j, &e);
	unmapped(&j, r, &e);
	jsonl_close(&j, '}');
	jsonl_end(&j);
	outlet_put(&r->out, &j);
}

const struct face ocsf_face = {ocsf_open, NULL, ocsf_record, ocsf_close};
