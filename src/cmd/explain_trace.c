// SPDX-License-Identifier: BSD-3-Clause
//
// The two faces of where a verdict was found; and the bytes that it rests on, read from the capture itself.
#include "explain_trace.h"

#include <arpa/inet.h>
#include <string.h>

#include <pcap/pcap.h>

#include "base/capture_file.h"
#include "policy/action.h"
#include "policy/field.h"
#include "replay_summary.h"
#include "verdict.h"

#define SHOWN_BYTES 64

bool explain_settled(const struct explain_trace *t)
{
	const struct record *tx = t->packet->tx, *flow = t->packet->flow;
	bool one_by_one = tx && (tx->kind == RECORD_HTTP || tx->kind == RECORD_DNS);
	if (!t->before->verdict.open || (flow && (flow->judged & RECORD_DENIED)))
		return true;
	return tx && !one_by_one;
}

// ---- words -------------------------------------------------------------------------------------------------------

#define LABEL 15

struct said {
	FILE *out;
	const char *dim, *plain;
};

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

static void say_packet(const struct said *s, const struct explain_trace *t)
{
	const struct exits_end *e = &t->packet->end;
	char name[512];
	label(s, "packet");
	fprintf(s->out, "%lu of %s: %s%s%s\n", t->query->frame, summary_printable(t->capture, name, sizeof(name)),
		e->door == DOOR_TX ? "passed" : door_names[e->door], e->reason ? " by " : "",
		e->reason ? reason_names[e->reason] : "");
	if (e->reason) {
		label(s, "");
		fprintf(s->out, "%s\n", reason_help[e->reason]);
	}
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

static const struct {
	uint8_t bit;
	const char *word;
} judged_words[] = {{RECORD_OPEN, "before all was known"},
		    {RECORD_EARLY, "early"},
		    {RECORD_REVISED, "revised by what came later"},
		    {RECORD_HELD, "its client's bytes were held for it"},
		    {RECORD_MARKED, "hold exceeded: went on before"}};

static void say_recorded(const struct said *s, const struct explain_trace *t, const struct record *r)
{
	label(s, "recorded");
	if (!(r->judged & RECORD_JUDGED)) {
		fprintf(s->out, "not judged\n");
		return;
	}
	fprintf(s->out, "%s by %s", action_names[r->action], explain_rule_id(t->policy, r->rule));
	for (unsigned i = 0; i < sizeof(judged_words) / sizeof(judged_words[0]); i++)
		if (r->judged & judged_words[i].bit)
			fprintf(s->out, "; %s", judged_words[i].word);
	fputc('\n', s->out);
	if (t->after->verdict.rule != r->rule) {
		label(s, "");
		fprintf(s->out, "what follows is judged by what the record kept: not TTL, TCP flags, payload\n");
	}
}

static void say_settled(const struct said *s, const struct explain_trace *t)
{
	const struct explain *e = t->before;
	const struct record *tx = t->packet->tx;
	label(s, "settled");
	if (explain_settled(t)) {
		fprintf(s->out, e->verdict.open ? "yes: nothing more of it is judged\n"
						: "yes: its addresses and ports decide\n");
		return;
	}
	fprintf(s->out, "no:");
	unsigned n = 0;
	for (uint32_t i = 0; i < e->nrules; i++)
		if (e->rule[i].role == EXPLAIN_WAITED && n++ < EXPLAIN_LISTED)
			fprintf(s->out, " %s", explain_rule_id(t->policy, e->rule[i].rule));
	fprintf(s->out, "%s %s at each %s\n", n > EXPLAIN_LISTED ? " ..." : "", n == 1 ? "looks" : "look",
		!tx                      ? "hello, request or query"
		: tx->kind == RECORD_DNS ? "DNS message"
					 : "HTTP request");
}

void explain_trace_words(const struct explain_trace *t, FILE *out, bool colour)
{
	const struct packet *p = t->packet;
	struct said s = {out, colour ? "\033[2m" : "", colour ? "\033[0m" : ""};
	if (t->query->by == PACKET_NUMBER)
		say_packet(&s, t);
	if (!p->tx && !p->flow) {
		label(&s, "flow");
		fprintf(out, "none: it was not judged\n");
		return;
	}
	say_flow(&s, p->flow ? p->flow : p->tx);
	if (p->tx) {
		label(&s, "transaction");
		fprintf(out, "%lx.%u: %s, begun by frame %lu", p->tx->flow_id, p->tx->tx_id,
			record_kind_names[p->tx->kind], p->tx->packet);
		if (p->matching > 1)
			fprintf(out, "; %u fit, --record FLOW.NUMBER names another", p->matching);
		fputc('\n', out);
	}
	say_recorded(&s, t, p->tx ? p->tx : p->flow);
	say_settled(&s, t);
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
		json_object_set_new(o, "rule", json_string(explain_rule_id(t->policy, r->rule)));
	}
	return o;
}

void explain_trace_json(const struct explain_trace *t, json_t *o)
{
	const struct packet *p = t->packet;
	const struct exits_end *e = &p->end;
	json_object_set_new(o, "capture", json_string(t->capture));
	if (t->query->by == PACKET_NUMBER)
		json_object_set_new(o, "packet",
				    json_pack("{s:I,s:s,s:o}", "frame", (json_int_t)t->query->frame, "door",
					      door_names[e->door], "reason",
					      e->reason ? json_string(reason_names[e->reason]) : json_null()));
	json_object_set_new(o, "flow", p->flow ? record_json(t, p->flow) : json_null());
	json_object_set_new(o, "transaction", p->tx ? record_json(t, p->tx) : json_null());
	if (p->flow || p->tx)
		json_object_set_new(o, "settled", json_boolean(explain_settled(t)));
}

// ---- bytes -------------------------------------------------------------------------------------------------------

static uint64_t last_wanted(struct explain_origin *const *origins, uint32_t n)
{
	uint64_t last = 0;
	for (uint32_t i = 0; i < n; i++)
		last = origins[i]->frame > last && origins[i]->len ? origins[i]->frame : last;
	return last;
}

static void take(struct explain_origin *o, const uint8_t *frame, uint32_t caplen, struct arena *a)
{
	if (!o->len || o->off >= caplen)
		return;
	o->nbytes = caplen - o->off < o->len ? caplen - o->off : o->len;
	o->nbytes = o->nbytes < SHOWN_BYTES ? o->nbytes : SHOWN_BYTES;
	o->bytes = memcpy(arena_bytes(a, o->nbytes), frame + o->off, o->nbytes);
}

void explain_bytes(const char *capture, struct explain_origin *const *origins, uint32_t n, struct arena *a)
{
	char err[256], pcap_err[PCAP_ERRBUF_SIZE];
	uint64_t last = last_wanted(origins, n);
	struct capture_file *f = last ? capture_file_open(capture, err, sizeof(err)) : NULL;
	FILE *stream = f ? capture_file_stream(f, 65536) : NULL;
	pcap_t *p = stream ? pcap_fopen_offline(stream, pcap_err) : NULL;
	struct pcap_pkthdr *h;
	const u_char *data;
	for (uint64_t frame = 1; p && frame <= last && pcap_next_ex(p, &h, &data) == 1; frame++)
		for (uint32_t i = 0; i < n; i++)
			if (origins[i]->frame == frame)
				take(origins[i], data, h->caplen, a);
	if (p)
		pcap_close(p); // and the stream, and the file under it
	else if (stream)
		fclose(stream);
	else
		capture_file_close(f);
}
