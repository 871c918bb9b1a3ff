// SPDX-License-Identifier: BSD-3-Clause
//
// The two faces of where a verdict was found: the packet and its way out, its flow, each judgement of that flow with
// the frame it was made at, what waited for it, the record. Lists are bounded.
#include "explain_trace.h"

#include <arpa/inet.h>
#include <string.h>

#include "policy/action.h"
#include "policy/field.h"
#include "replay_summary.h"
#include "verdict.h"

#define LABEL 15
#define SHOWN 8 // judgements, held frames

static const char *const cause_names[JUDGE_CAUSES] = {"first packet",  "transaction", "no protocol that is read",
						      "SOCKS target",  "bytes found", "outer layer",
						      "another policy"};

static const struct heard *heard_at(const struct packet *p, uint32_t i)
{
	return i == HEARD_NONE ? NULL : &p->heard.list[i];
}

static const struct policy *policy_of(const struct explain_trace *t, unsigned version)
{
	return version && version <= t->npolicies ? t->policies[version - 1] : NULL;
}

static const char *id_of(const struct explain_trace *t, unsigned version, uint32_t rule)
{
	const struct policy *p = policy_of(t, version);
	const char *id = p ? explain_rule_id(p, rule) : NULL;
	return id ? id : "nothing";
}

static const struct heard *chosen(const struct explain_trace *t)
{
	return heard_at(t->packet, t->packet->chosen);
}

// What it is a record of: the transaction, else the flow.
static const struct record *recorded(const struct explain_trace *t)
{
	const struct packet *p = t->packet;
	const struct record *r = p->tx ? p->tx : p->flow;
	return r && (r->judged & RECORD_JUDGED) ? r : NULL;
}

// ---- what can be said of it --------------------------------------------------------------------------------------

static bool one_by_one(const struct heard *h)
{
	return h->proto == 17 && h->record == RECORD_DNS;
}

static size_t list_rules(const struct explain_trace *t, const struct explain *e, enum explain_role role, char *out,
			 size_t size)
{
	size_t n = 0;
	unsigned k = 0, version = heard_at(t->packet, e == t->before ? t->packet->first : t->packet->chosen)->version;
	for (uint32_t i = 0; i < e->nrules; i++) {
		if (e->rule[i].role != role)
			continue;
		const char *id = id_of(t, version, e->rule[i].rule);
		if (++k <= 4 && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", k > 1 ? ", " : "", id);
	}
	if (k > 4 && n < size)
		n += (size_t)snprintf(out + n, size - n, " and %u more", k - 4);
	return n;
}

// A rule that is true and has to do with every packet of the flow; NULL: none.
static const char *acting_rule(const struct explain_trace *t)
{
	for (uint32_t i = 0; i < t->after->nrules; i++) {
		const struct explain_rule *r = &t->after->rule[i];
		enum action action = t->policy->rules[r->rule].action;
		if (r->role == EXPLAIN_FIRED && (action == ACTION_LIMIT || action == ACTION_MIRROR))
			return explain_rule_id(t->policy, r->rule);
	}
	return NULL;
}

bool explain_settled(const struct explain_trace *t, char *why, size_t size)
{
	const struct heard *h = chosen(t);
	char rules[256];
	if (!h || !t->after) {
		snprintf(why, size, "nothing of it was judged");
		return false;
	}
	const char *other = h->record == RECORD_DNS ? "DNS message" : "request";
	bool denied = h->verdict.action == ACTION_DENY && (!h->verdict.open || h->overflow),
	     first = h->cause == JUDGE_FIRST;
	bool open = t->before && t->before->verdict.open;
	if (denied && !one_by_one(h)) {
		snprintf(why, size, "denied, nothing more of it is judged");
		return true;
	}
	if (h->verdict.open) {
		list_rules(t, t->after, EXPLAIN_WAITED, rules, sizeof(rules));
		snprintf(why, size, "what its client says decides, by %s", rules);
		return false;
	}
	if (list_rules(t, t->after, EXPLAIN_PASSED_BY, rules, sizeof(rules))) {
		snprintf(why, size, "%s may still become true, and takes over then", rules);
		return false;
	}
	if (open && !first && (h->record == RECORD_HTTP || h->record == RECORD_DNS)) {
		list_rules(t, t->before, EXPLAIN_WAITED, rules, sizeof(rules));
		snprintf(why, size, "each further %s is judged by itself, by %s", other, rules);
		return false;
	}
	const char *acts = acting_rule(t);
	if (acts) {
		snprintf(why, size, "%s looks at each of its packets", acts);
		return false;
	}
	snprintf(why, size, open ? "nothing more of it is judged" : "its addresses and ports decide");
	return true;
}

static const struct heard *later(const struct explain_trace *t, const struct record *r)
{
	const struct packet *p = t->packet;
	const struct heard *found = NULL;
	for (uint32_t i = 0; i < p->heard.n; i++) {
		const struct heard *h = &p->heard.list[i];
		bool same = r == p->flow || (h->record && h->tx_id == r->tx_id);
		if (h->kind == HEARD_JUDGED && h->stands && same && heard_says(h, r))
			found = h;
	}
	return found;
}

const char *explain_differs(const struct explain_trace *t, char room[256])
{
	const struct record *r = recorded(t);
	const struct heard *h = chosen(t), *other;
	if (!h || !t->after)
		return NULL;
	if (t->after->verdict.rule != h->verdict.rule || t->after->verdict.open != h->verdict.open) {
		snprintf(room, 256, "this is a bug: the judge said %s, and asked again the rules say %s",
			 explain_rule_id(t->policy, h->verdict.rule),
			 explain_rule_id(t->policy, t->after->verdict.rule));
		return room;
	}
	if (!r || heard_says(h, r))
		return NULL;
	if (!(other = later(t, r)))
		snprintf(room, 256,
			 r->judged & RECORD_MARKED ? "the hold was exceeded: it went on before it was judged"
			 : r->rule == RULE_REJUDGE
				 ? "another policy came, and would have to know more: rejudge_unknown is drop"
				 : "this is a bug: nobody heard the judge say that");
	else if (other->version != h->version)
		snprintf(room, 256, "another policy came into force: %s judged it at frame %lu",
			 t->files[other->version - 1], other->order);
	else if (r == t->packet->flow)
		snprintf(room, 256, "of a flow the worst of its verdicts is recorded, here that of frame %lu",
			 other->order);
	else
		snprintf(room, 256, "what came later decided otherwise, at frame %lu", other->order);
	return room;
}

// ---- words -------------------------------------------------------------------------------------------------------

struct said {
	FILE *out;
	const char *dim, *bold, *plain;
};

static struct said said_to(FILE *out, bool colour)
{
	return (struct said){out, colour ? "\033[2m" : "", colour ? "\033[1m" : "", colour ? "\033[0m" : ""};
}

static void label(const struct said *s, const char *word)
{
	fprintf(s->out, "%s%-*s%s", s->dim, LABEL, word, s->plain);
}

static const char *proto_name(uint8_t proto, char room[8])
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {{1, "icmp"}, {6, "tcp"}, {17, "udp"}, {58, "icmpv6"}, {132, "sctp"}};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == proto)
			return names[i].name;
	snprintf(room, 8, "%u", proto);
	return room;
}

static void addresses(const struct record *r, char src[INET6_ADDRSTRLEN], char dst[INET6_ADDRSTRLEN])
{
	int family = r->ip_version == 4 ? AF_INET : AF_INET6;
	inet_ntop(family, r->src, src, INET6_ADDRSTRLEN);
	inet_ntop(family, r->dst, dst, INET6_ADDRSTRLEN);
}

static void rule_words(const struct said *s, const struct explain_trace *t, unsigned version, uint32_t rule)
{
	const struct policy *p = policy_of(t, version);
	fprintf(s->out, "%s%s%s", s->bold, id_of(t, version, rule), s->plain);
	if (p && rule < p->nrules && p->rules[rule].place.line)
		fprintf(s->out, " %s(%s:%u:%u)%s", s->dim, p->rules[rule].place.file, p->rules[rule].place.line,
			p->rules[rule].place.col, s->plain);
}

// Which of several policies.
static void version_words(const struct said *s, const struct explain_trace *t, unsigned version)
{
	if (t->npolicies > 1 && policy_of(t, version))
		fprintf(s->out, " of %s", t->files[version - 1]);
}

// No rule dropped it, but a setting: of segments without data, of the server's words, of what leads to a name.
static void say_undecided(const struct said *s, const struct explain_trace *t)
{
	const char *words[] = {"possible (no rule that can still be true allows)", "pass", "drop", "hold"};
	const struct policy *p = policy_of(t, t->packet->end.policy);
	uint32_t rule = t->packet->end.rule;
	enum undecided is = rule == RULE_HANDSHAKE      ? p->handshake
			    : rule == RULE_SERVER_FIRST ? p->server_first
							: p->prelude;
	label(s, "undecided");
	fprintf(s->out, "%s: %s\n", strchr(explain_rule_id(p, rule), '.') + 1, words[is]);
}

void explain_trace_top(const struct explain_trace *t, FILE *out, bool colour)
{
	const struct exits_end *e = &t->packet->end;
	struct said s = said_to(out, colour);
	char name[512];
	if (t->query->by != PACKET_NUMBER)
		return;
	label(&s, "packet");
	fprintf(out, "%lu of %s: %s%s", t->query->frame, summary_printable(t->capture, name, sizeof(name)),
		e->door == DOOR_TX     ? "passed"
		: e->door == DOOR_DROP ? "dropped by "
				       : door_names[e->door],
		e->reason ? reason_names[e->reason] : "");
	if (e->rule != RULE_NONE && e->reason && e->reason != REASON_POLICY_UNDECIDED) {
		fprintf(out, ", rule ");
		rule_words(&s, t, e->policy, e->rule);
	}
	fputc('\n', out);
	if (e->reason) {
		label(&s, "");
		fprintf(out, "%s\n", reason_help[e->reason]);
	}
	if (e->reason == REASON_POLICY_UNDECIDED)
		say_undecided(&s, t);
}

static void say_flow(const struct said *s, const struct record *r)
{
	char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN] = "", room[8];
	addresses(r, src, dst);
	label(s, "flow");
	fprintf(s->out, "%lx: %s %s %u -> %s %u", r->flow_id, proto_name(r->proto, room), src, r->sport, dst, r->dport);
	if (r->app)
		fprintf(s->out, ", %s", app_names[r->app]);
	if (r->kind == RECORD_FLOW)
		fprintf(s->out, ", %lu + %lu packets from frame %lu on", r->pkts[0], r->pkts[1], r->flow_id >> 3);
	fputc('\n', s->out);
}

static void say_tx(const struct said *s, const struct packet *p)
{
	label(s, "transaction");
	fprintf(s->out, "%lx.%u: %s, begun by frame %lu", p->tx->flow_id, p->tx->tx_id, record_kind_names[p->tx->kind],
		p->tx->packet);
	if (p->matching > 1)
		fprintf(s->out, "; %u fit, --record FLOW.NUMBER names another", p->matching);
	fputc('\n', s->out);
}

static void say_judged(const struct said *s, const struct explain_trace *t)
{
	const struct packet *p = t->packet;
	uint32_t all = 0, n = 0, here = 0;
	for (uint32_t i = 0; i < p->heard.n; i++) {
		here = i == p->chosen ? all : here;
		all += p->heard.list[i].kind == HEARD_JUDGED;
	}
	for (uint32_t i = 0; i < p->heard.n; i++) {
		const struct heard *h = &p->heard.list[i];
		if (h->kind != HEARD_JUDGED)
			continue;
		bool shown = all <= SHOWN || n < 2 || (n + 3 >= here && n <= here + 1);
		label(s, n == 0 ? "judged" : "");
		n++;
		if (!shown) {
			uint32_t left = here > n + 2 ? here - n - 2 : all - n + 1;
			fprintf(s->out, "... %u more\n", left);
			for (uint32_t skip = 1; skip < left && i + 1 < p->heard.n;)
				if (p->heard.list[++i].kind == HEARD_JUDGED) {
					skip++;
					n++;
				}
			continue;
		}
		char what[64];
		if (h->record)
			snprintf(what, sizeof(what), "%s %lx.%u%s", record_kind_names[h->record], h->flow_id, h->tx_id,
				 h->cause == JUDGE_PAYLOAD ? ", bytes found"
				 : h->again                ? ", answered"
							   : "");
		else
			snprintf(what, sizeof(what), "%s", cause_names[h->cause]);
		fprintf(s->out, "frame %-6lu %-26s ", h->order, what);
		if (h->verdict.open && !h->overflow)
			fprintf(s->out, "open");
		else
			fprintf(s->out, "%s by %s", action_names[h->verdict.action],
				id_of(t, h->version, h->verdict.rule));
		version_words(s, t, h->version);
		fprintf(s->out, "%s%s\n", h->stands ? "" : " (changes nothing)",
			i == p->chosen && all > 1 ? "  <- this" : "");
	}
}

static void say_wait(const struct said *s, const struct packet *p, const struct heard *h)
{
	const struct heard *released = NULL;
	for (uint32_t i = 0; i < p->heard.n && !released; i++)
		if (p->heard.list[i].kind == HEARD_LEFT && p->heard.list[i].frame == h->frame &&
		    p->heard.list[i].order >= h->order)
			released = &p->heard.list[i];
	fprintf(s->out, "frame %lu ", h->frame);
	if (!released) {
		fprintf(s->out, "to the end\n");
		return;
	}
	fprintf(s->out, "for %.3f ms, then %s%s ", (double)(released->time_ns - h->since_ns) / 1e6,
		released->reason ? "dropped by " : "let go", released->reason ? reason_names[released->reason] : "");
	if (released->by_packet)
		fprintf(s->out, released->order == h->order ? "at once, by itself\n" : "by frame %lu\n",
			released->order);
	else
		fprintf(s->out, "as its time, or the flow, was over\n");
}

// Of a packet its own wait, of a flow that of each.
static void say_held(const struct said *s, const struct explain_trace *t)
{
	const struct packet *p = t->packet;
	unsigned n = 0, all = 0;
	bool own = t->query->by == PACKET_NUMBER;
	for (uint32_t i = 0; i < p->heard.n; i++) {
		const struct heard *h = &p->heard.list[i];
		if (h->kind != HEARD_HELD || (own && i != p->held))
			continue;
		if (all++ >= SHOWN)
			continue;
		label(s, n++ ? "" : "held");
		say_wait(s, p, h);
	}
	if (own && !all && p->end.left > t->query->frame) {
		label(s, "held");
		fprintf(s->out, "until its datagram was whole, with frame %lu\n", p->end.left);
	}
	if (all > n) {
		label(s, "");
		fprintf(s->out, "and %u more\n", all - n);
	}
}

static const struct {
	uint8_t bit;
	const char *word;
} judged_words[] = {{RECORD_OPEN, "before all was known"},
		    {RECORD_EARLY, "early"},
		    {RECORD_LENIENT, "by what a lenient server reads of its names or path"},
		    {RECORD_REVISED, "revised by what came later"},
		    {RECORD_HELD, "its client's bytes were held for it"},
		    {RECORD_MARKED, "hold exceeded: went on before"}};

static const char *would_rule(const struct explain_trace *t, const struct record *r)
{
	const struct policy *p = t->shadow ? t->shadow : policy_of(t, r->policy);
	const char *id = p ? explain_rule_id(p, r->would) : NULL;
	return id ? id : "unknown";
}

static const char *would_action(const struct record *r)
{
	return r->would_action < ACTION_COUNT ? action_names[r->would_action] : "unknown";
}

static void say_recorded(const struct said *s, const struct explain_trace *t)
{
	const struct record *r = recorded(t);
	char room[256];
	const char *differs = explain_differs(t, room);
	label(s, "recorded");
	if (!r) {
		fprintf(s->out, "nothing: it was not judged\n");
		return;
	}
	fprintf(s->out, "%s by %s", action_names[r->action], id_of(t, r->policy, r->rule));
	version_words(s, t, r->policy);
	for (unsigned i = 0; i < sizeof(judged_words) / sizeof(judged_words[0]); i++)
		if (r->judged & judged_words[i].bit)
			fprintf(s->out, "; %s", judged_words[i].word);
	if (r->judged & RECORD_WOULD)
		fprintf(s->out, "; would: %s by %s", would_action(r), would_rule(t, r));
	fputc('\n', s->out);
	if (differs) {
		label(s, "");
		fprintf(s->out, "%s\n", differs);
	}
	if (t->names_gone) {
		label(s, "");
		fprintf(s->out, "rules above that ask for names were false when the transaction was judged\n");
	}
}

void explain_trace_words(const struct explain_trace *t, FILE *out, bool colour)
{
	const struct packet *p = t->packet;
	struct said s = said_to(out, colour);
	char why[512];
	if (!p->flow && p->chosen == HEARD_NONE) {
		label(&s, "flow");
		fprintf(out, "none: it was not judged\n");
		return;
	}
	if (p->flow || p->tx)
		say_flow(&s, p->flow ? p->flow : p->tx);
	if (p->tx)
		say_tx(&s, p);
	say_judged(&s, t);
	say_held(&s, t);
	say_recorded(&s, t);
	label(&s, "settled");
	bool yes = explain_settled(t, why, sizeof(why));
	fprintf(out, "%s: %s\n", yes ? "yes" : "no", why);
}

// ---- JSON --------------------------------------------------------------------------------------------------------

static json_t *record_json(const struct explain_trace *t, const struct record *r)
{
	char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN] = "", id[40], room[8];
	bool flow = r->kind == RECORD_FLOW;
	addresses(r, src, dst);
	snprintf(id, sizeof(id), flow ? "%lx" : "%lx.%u", r->flow_id, r->tx_id);
	json_t *flags = json_array();
	for (unsigned i = 0; i < sizeof(judged_words) / sizeof(judged_words[0]); i++)
		if (r->judged & judged_words[i].bit)
			json_array_append_new(flags, json_string(judged_words[i].word));
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:i,s:I,s:o}", "id", id, "kind", record_kind_names[r->kind],
			      "proto", proto_name(r->proto, room), "src", src, "sport", r->sport, "dst", dst, "dport",
			      r->dport, "frame", (json_int_t)(flow ? r->flow_id >> 3 : r->packet), "notes", flags);
	if (o && (r->judged & RECORD_JUDGED)) {
		json_object_set_new(o, "action", json_string(action_names[r->action]));
		json_object_set_new(o, "rule", json_string(id_of(t, r->policy, r->rule)));
		json_object_set_new(o, "version", json_integer(r->policy));
	}
	if (o && (r->judged & RECORD_WOULD))
		json_object_set_new(o, "would",
				    json_pack("{s:s,s:s}", "action", would_action(r), "rule", would_rule(t, r)));
	return o;
}

static json_t *judged_json(const struct explain_trace *t)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < t->packet->heard.n; i++) {
		const struct heard *h = &t->packet->heard.list[i];
		if (h->kind != HEARD_JUDGED)
			continue;
		json_t *o = json_pack("{s:I,s:s,s:b,s:s,s:s,s:i,s:b,s:b}", "frame", (json_int_t)h->order, "by",
				      cause_names[h->cause], "open", h->verdict.open && !h->overflow, "action",
				      action_names[h->verdict.action], "rule", id_of(t, h->version, h->verdict.rule),
				      "version", h->version, "stands", h->stands, "explained", i == t->packet->chosen);
		if (o && h->record)
			json_object_set_new(o, "transaction", json_integer(h->tx_id));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *held_json(const struct packet *p)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < p->heard.n; i++) {
		const struct heard *h = &p->heard.list[i];
		if (h->kind != HEARD_LEFT)
			continue;
		json_array_append_new(list, json_pack("{s:I,s:f,s:o,s:o}", "frame", (json_int_t)h->frame, "ms",
						      (double)(h->time_ns - h->since_ns) / 1e6, "by_frame",
						      h->by_packet ? json_integer((json_int_t)h->order) : json_null(),
						      "reason",
						      h->reason ? json_string(reason_names[h->reason]) : json_null()));
	}
	return list;
}

void explain_trace_json(const struct explain_trace *t, json_t *o)
{
	const struct packet *p = t->packet;
	const struct exits_end *e = &p->end;
	char why[512], room[256];
	json_object_set_new(o, "capture", json_string(t->capture));
	if (t->query->by == PACKET_NUMBER)
		json_object_set_new(o, "packet",
				    json_pack("{s:I,s:s,s:o,s:o,s:b}", "frame", (json_int_t)t->query->frame, "door",
					      door_names[e->door], "reason",
					      e->reason ? json_string(reason_names[e->reason]) : json_null(), "rule",
					      e->reason && e->rule != RULE_NONE
						      ? json_string(id_of(t, e->policy, e->rule))
						      : json_null(),
					      "held", p->held != HEARD_NONE));
	json_object_set_new(o, "flow", p->flow ? record_json(t, p->flow) : json_null());
	json_object_set_new(o, "transaction", p->tx ? record_json(t, p->tx) : json_null());
	if (!p->flow && p->chosen == HEARD_NONE)
		return;
	const char *differs = explain_differs(t, room);
	json_object_set_new(o, "judged", judged_json(t));
	json_object_set_new(o, "held", held_json(p));
	json_object_set_new(o, "differs", differs ? json_string(differs) : json_null());
	json_object_set_new(o, "settled", json_boolean(explain_settled(t, why, sizeof(why))));
	json_object_set_new(o, "settled_why", json_string(why));
}
