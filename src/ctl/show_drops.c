// SPDX-License-Identifier: BSD-3-Clause
//
// "Am I losing packets?" on one screen. All that came to a port is 100 %: what workers were given, and what was there
// and never reached them. Each frame of it left by one door of the ledger (corridor.md 6) or is still inside.
// Four kinds of frames do not leave: refused by the policy, refused because they cannot be (malformed), answered
// (their sender was told why), and lost: there was no room, no time, or no way. Only the last is what the question
// means; the first line then says by which door most were lost, and what mends it.
//
// Not of the hundred, and shown beside them: what ports did not get rid of, what the kernel dropped beneath, and what
// the cloud held back or dropped before (its counters do not tell which).
#include "ctl/show.h"

#include <stdio.h>
#include <string.h>

#include "ctl/appliance.h"
#include "ctl/fastpath.h"
#include "ctl/shortcut.h"

enum kind { KIND_PASSED, KIND_REFUSED, KIND_ANSWERED, KIND_MALFORMED, KIND_LOST, KIND_INSIDE, KINDS };
static const char *const kinds[KINDS] = {"passed", "refused", "answered", "malformed", "lost", "inside"};

// Lost, and what mends it.
static const char *const mends[REASON_COUNT] = {
	[REASON_RX_PIECES] = "a port's mtu that is what comes in by it",
	[REASON_RX_TAG] = "a restart; show port xstats all",
	[REASON_STEER_FULL] = "more workers.cores",
	[REASON_SHED_NEW] = "more workers.cores",
	[REASON_DEFRAG_FULL] = "memory.fragments",
	[REASON_DEFRAG_REWRITE] = "memory.frames",
	[REASON_FLOW_TABLE_FULL] = "memory.flows",
	[REASON_STREAM_NO_COPY] = "memory.chunks",
	[REASON_POLICY_MEMORY] = "memory.handshakes, memory.facts_bytes",
	[REASON_EGRESS_DOWN] = "the cable, or `ip link set DEVICE up`; show port info all",
	[REASON_EGRESS_FULL] = "a faster port, or more workers.cores",
	[REASON_EGRESS_NO_SENDER] = "its sender: what came in GENEVE is no sound IP",
	[REASON_EGRESS_NO_ROUTE] = "ports.NAME.next_hop, or an address of that network",
	[REASON_EGRESS_NO_NEIGHBOUR] = "ports.NAME.next_hop and addresses: nobody answers there; ip neigh"};

static enum kind kind_of(enum reason r)
{
	if (mends[r])
		return KIND_LOST;
	if (r == REASON_EGRESS_TTL || r == REASON_EGRESS_TOO_BIG)
		return KIND_ANSWERED;
	return !strncmp(reason_names[r], "POLICY_", 7) || r == REASON_LIMIT_EXCEEDED ? KIND_REFUSED : KIND_MALFORMED;
}

struct drops {
	json_t *rows, *beside;
	uint64_t sum[KINDS], came;
	struct {
		uint64_t frames;
		char door[64], mend[192];
	} most; // lost
};

static void lost(struct drops *d, const char *where, const char *mend, uint64_t frames)
{
	if (frames <= d->most.frames)
		return;
	d->most.frames = frames;
	snprintf(d->most.door, sizeof(d->most.door), "%s", where);
	snprintf(d->most.mend, sizeof(d->most.mend), "%s", mend);
}

static void add(struct drops *d, enum kind kind, const char *where, const char *help, uint64_t frames)
{
	d->sum[kind] += frames;
	if (!frames)
		return;
	double percent = d->came ? 100.0 * (double)frames / (double)d->came : 0;
	json_array_append_new(d->rows, json_pack("{s:s,s:s,s:I,s:f,s:s}", "kind", kinds[kind], "door", where, "frames",
						 (json_int_t)frames, "percent", percent, "help", help));
}

static void add_beside(struct drops *d, const char *port, const char *what, const char *help, uint64_t frames)
{
	if (frames)
		json_array_append_new(d->beside, json_pack("{s:s,s:s,s:I,s:s}", "port", port, "counter", what, "frames",
							   (json_int_t)frames, "help", help));
}

// What ports had and workers never saw. `say`: rows, too.
static uint64_t at_ports(struct appliance *a, struct drops *d, bool say)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < a->nports; i++) {
		struct port_counters c;
		char where[64], offloads[160];
		port_counters(&a->ports[i], &c);
		const char *port = a->ports[i].config.name;
		snprintf(offloads, sizeof(offloads),
			 "ethtool -K %.15s gro off lro off; where they are sent: tso off gso off",
			 a->ports[i].config.device);
		const struct {
			const char *name, *help, *mend; // mend: they are lost
			uint64_t n;
		} rows[] = {
			{"missed", "came faster than workers fetched them", "more workers.cores", c.missed},
			{"no_mbuf", "no buffer was free", "memory.frames", c.no_mbuf},
			{"too_long", "longer than the port's MTU: GRO or TSO is on beneath it", offloads, c.too_long},
			{"rx_errors", "damaged on the wire", NULL, c.rx_errors}};
		for (unsigned k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
			sum += rows[k].n;
			snprintf(where, sizeof(where), "%s.%s", port, rows[k].name);
			if (!say)
				continue;
			add(d, rows[k].mend ? KIND_LOST : KIND_MALFORMED, where, rows[k].help, rows[k].n);
			if (rows[k].mend)
				lost(d, where, rows[k].mend, rows[k].n);
		}
		if (!say)
			continue;
		add_beside(d, port, "tx_errors", "taken by the port and not sent", c.tx_errors);
		add_beside(d, port, "kernel_rx_dropped", "dropped by the kernel beneath the port", c.kernel_rx_dropped);
		add_beside(d, port, "kernel_tx_dropped", "the same, on the way out", c.kernel_tx_dropped);
		add_beside(d, port, "cloud",
			   "beyond an allowance of the instance: held back or dropped before the port", c.cloud);
	}
	return sum;
}

// EGRESS_DOWN has what should leave by them; what did in the second before it was seen, no door.
static json_t *without_link(const struct appliance *a)
{
	json_t *names = json_array();
	for (unsigned i = 0; i < a->config->nports; i++)
		if (!a->ports[i].link)
			json_array_append_new(names, json_string(a->ports[i].config.name));
	return names;
}

// What XDP let by, dropped, or gave to the kernel, and workers never saw.
static uint64_t in_xdp(const struct appliance *a, struct drops *d, bool say)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < a->nports; i++) {
		struct fastpath_doors x;
		bool has = shortcut_doors(a, i, &x);
		for (unsigned k = 0; k < FASTPATH_DOOR_COUNT && has; k++) {
			char where[64];
			const struct fastpath_door_row *row = &fastpath_door_rows[k];
			if (row->whose == FASTPATH_WORKER)
				continue;
			sum += x.frames[k];
			snprintf(where, sizeof(where), "%s.xdp.%s", a->ports[i].config.name, row->word);
			if (say)
				add(d,
				    row->whose != FASTPATH_DROPPED ? KIND_PASSED
				    : k == FASTPATH_DOOR_DENIED    ? KIND_REFUSED
								   : KIND_LOST,
				    where, row->help, x.frames[k]);
		}
	}
	return sum;
}

static void doors(struct drops *d, const struct totals *t)
{
	add(d, KIND_PASSED, "tx", "left by a port", t->tx);
	add(d, KIND_PASSED, "kernel", "for the appliance itself", t->kernel);
	add(d, KIND_PASSED, "mirrored", "looked at; a mirror sends nothing", t->mirrored);
	for (unsigned r = 1; r < REASON_COUNT; r++) {
		add(d, kind_of(r), reason_names[r], reason_help[r], t->drops[r]);
		if (mends[r])
			lost(d, reason_names[r], mends[r], t->drops[r]);
	}
	add(d, KIND_INSIDE, "inside", "held for a verdict, or on their way", appliance_inside(t));
}

json_t *show_drops(struct appliance *a, struct call *c)
{
	struct totals t;
	struct drops d = {.rows = json_array(), .beside = json_array()};
	appliance_totals(a, &t);
	d.came = t.rx + t.own + at_ports(a, &d, false) + in_xdp(a, &d, false);
	doors(&d, &t);
	in_xdp(a, &d, true);
	at_ports(a, &d, true);
	json_t *sums = json_object();
	for (unsigned k = 0; k < KINDS; k++)
		json_object_set_new(sums, kinds[k], json_integer((json_int_t)d.sum[k]));
	json_t *no_link = without_link(a);
	bool losing = d.sum[KIND_LOST] != 0 || json_array_size(no_link);
	return json_pack("{s:b,s:o,s:I,s:I,s:I,s:o,s:o,s:o,s:s,s:s}", "losing", losing, "no_link", no_link, "came",
			 (json_int_t)(d.came - t.own), "own", (json_int_t)t.own, "bypassed", (json_int_t)t.bypassed,
			 "sums", sums, "doors", d.rows, "beside", d.beside, "most", d.most.door, "mend", d.most.mend);
}

static double percent(json_int_t n, json_int_t of)
{
	return of ? 100.0 * (double)n / (double)of : 0;
}

static void view_sums(struct view *v, const json_t *sums, json_int_t all)
{
	const char *key;
	json_t *n;
	char text[64];
	json_int_t sum = 0;
	json_object_foreach((json_t *)sums, key, n) {
		json_int_t frames = json_integer_value(n);
		enum view_colour colour = frames && !strcmp(key, "lost") ? VIEW_RED : VIEW_PLAIN;
		sum += frames;
		view_put(v, colour, key, 12);
		view_value("frames", n, text, sizeof(text));
		view_put(v, colour, text, -16);
		fprintf(v->out, "  %8.4f %%\n", percent(frames, all));
	}
	json_t *total = json_integer(sum);
	view_value("frames", total, text, sizeof(text));
	json_decref(total);
	view_put(v, VIEW_BOLD, "all", 12);
	view_put(v, VIEW_BOLD, text, -16);
	fprintf(v->out, "  %8.4f %%\n", percent(sum, all));
}

void view_drops(struct view *v, const json_t *result)
{
	char came[64], lost[64];
	const json_t *sums = json_object_get(result, "sums"), *n = json_object_get(sums, "lost");
	json_int_t own = json_integer_value(json_object_get(result, "own"));
	json_int_t all = json_integer_value(json_object_get(result, "came")) + own;
	view_value("came", json_object_get(result, "came"), came, sizeof(came));
	view_value("lost", n, lost, sizeof(lost));
	bool losing = json_is_true(json_object_get(result, "losing"));
	view_put(v, losing ? VIEW_RED : VIEW_GREEN, losing ? "Yes: " : "No: ", 0);
	fprintf(v->out, "%s of %s frames were lost", lost, came);
	fprintf(v->out, own ? "; %" JSON_INTEGER_FORMAT " more were made here.\n" : ".\n", own);
	const char *mend = json_string_value(json_object_get(result, "mend"));
	if (losing && mend && *mend)
		fprintf(v->out, "Most by %s. What mends it: %s\n", json_string_value(json_object_get(result, "most")),
			mend);
	const json_t *no_link = json_object_get(result, "no_link");
	for (size_t i = 0; i < json_array_size(no_link); i++)
		fprintf(v->out, "%s has no link: nothing that leaves by it arrives.\n",
			json_string_value(json_array_get(no_link, i)));
	fputc('\n', v->out);
	view_sums(v, sums, all);
	const json_t *doors = json_object_get(result, "doors"), *beside = json_object_get(result, "beside");
	if (json_array_size(doors)) {
		fputc('\n', v->out);
		view_table(v, doors, 0);
	}
	if (json_array_size(beside)) {
		fputs("\nnot of these: before the port, or after it\n", v->out);
		view_table(v, beside, 0);
	}
	if (json_integer_value(json_object_get(result, "bypassed")))
		view_put(v, VIEW_YELLOW, "\nsome passed while the bypass was on, unjudged\n", 0);
}
