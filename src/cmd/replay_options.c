// SPDX-License-Identifier: BSD-3-Clause
//
// The options of replay: one table that --help and the settings come from.
#include "replay_options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/word.h"
#include "option.h"

// What a value cannot be its row's range says; see option.h.
static const char *const refused = "";

static const char *set_speed(void *verb, const char *v)
{
	struct options *o = verb;
	char *end;
	if (!strcmp(v, "max") || !strcmp(v, "original")) {
		o->speed = *v == 'o';
		return NULL;
	}
	o->speed = strtod(v, &end);
	return *v && *end == '\0' && o->speed > 0 && o->speed < 1e9 ? NULL : refused;
}

static const char *set_guard(void *verb, const char *v)
{
	return guard_add(&((struct options *)verb)->guard, v) ? NULL : refused;
}

static const char *set_policy_at(void *verb, const char *v)
{
	struct options *o = verb;
	struct policy_at at;
	if (!replay_policy_at(v, &at) || o->nswaps == UINT16_MAX - 1)
		return refused;
	struct policy_at *more = realloc(o->swaps, (o->nswaps + 1) * sizeof(at));
	if (!more)
		return refused;
	o->swaps = more;
	o->swaps[o->nswaps++] = at;
	return NULL;
}

// FILE, or SINK=FILE: where there is no / before the =.
static const char *set_mirror(void *verb, const char *v)
{
	struct options *o = verb;
	size_t len = strcspn(v, "=/");
	bool named = v[len] == '=';
	struct mirror_to to = {.sink = named ? v : NULL,
			       .sink_len = named ? len : 0,
			       .others = !named,
			       .file = named ? v + len + 1 : v};
	for (unsigned i = 0; i < o->nmirrors; i++) {
		const struct mirror_to *other = &o->mirrors[i];
		if (!other->sink == !to.sink && other->sink_len == to.sink_len &&
		    (!to.sink || !memcmp(other->sink, v, len)))
			return refused;
	}
	if (!*to.file || (named && !len) || o->nmirrors == MIRROR_OPTIONS)
		return refused;
	o->mirrors[o->nmirrors++] = to;
	return NULL;
}

static const char *set_transport(void *verb, const char *v)
{
	static const char *const names[] = {"gwlb", "vxlan", "vlan"};
	static const uint32_t bits[] = {TRANSPORT_GWLB, TRANSPORT_VXLAN, TRANSPORT_VLAN};
	struct options *o = verb;
	o->transports = 0;
	if (!strcmp(v, "none"))
		return NULL;
	for (size_t len;; v += len + 1) {
		len = strcspn(v, ",");
		unsigned i = word_find(names, 3, v, len);
		if (i < 3)
			o->transports |= bits[i];
		if (i == 3 || !v[len])
			return i == 3 ? refused : NULL;
	}
}

static const char *set_hold_time(void *verb, const char *v)
{
	char *end;
	double s = strtod(v, &end);
	if (!*v || *end || !(s >= 0 && s <= 3600))
		return refused;
	((struct options *)verb)->hold_ns = (uint64_t)(s * 1e9);
	return NULL;
}

// Of one key; it says in more words than a range has what is wrong with a value.
static const char *fail(struct options *o, const char *key, const char *v)
{
	return fail_set(&o->fail, key, strlen(key), v, o->wrong) == 0 ? NULL : o->wrong;
}

static const char *set_fail(void *verb, const char *v)
{
	struct options *o = verb;
	return fail_option(&o->fail, v, o->wrong) == 0 ? NULL : o->wrong;
}

static const char *set_hold_exceeded(void *verb, const char *v)
{
	return fail(verb, "hold_exceeded", v);
}

static const char *set_out_of_memory(void *verb, const char *v)
{
	return fail(verb, "out_of_memory", v);
}

static const char *const checksum_words[] = {"offload-aware", "enforce", "ignore"}; // order of enum checksum_mode

static void help(FILE *out);

#define O(field) OPTION_AT(struct options, field)
static const struct option_row rows[] = {
	{"output", 'o', "FILE|-", OPTION_TEXT, O(out), .help = "where records go; - (default) is standard output",
	 .example = "-o flows.txt"},
	{"config", 'c', "CONFIG", OPTION_TEXT, O(config),
	 .help = "ship to the sinks of this configuration: records by way of its spool, and frames that mirror rules "
		 "copy; its policy judges, unless -p says another",
	 .example = "-c configs/routed.json"},
	{"set", 0, "KEY=VALUE", OPTION_LIST, O(sets), offsetof(struct options, nsets), .high = SETS_MAX,
	 .help = "of -c: instead of what the file says", .example = "--set spool.path=/tmp/spool"},
	{"policy", 'p', "FILE", OPTION_TEXT, O(policy),
	 .twice = "--policy is given twice; at another time: --policy-at; without effect: --shadow",
	 .help = "judge by this policy: what it denies does not leave", .example = "-p policy.json"},
	{"hold-bytes", 0, "N", OPTION_NUMBER, O(hold_bytes), .low = 0, .high = 1u << 24,
	 .help = "bytes that a flow may have waiting for its verdict (default 65536)", .example = "--hold-bytes 16384"},
	{"hold-time", 0, "SECONDS", OPTION_CALL, .set = set_hold_time, .range = "0 to 3600",
	 .help = "and for how long, from the first of them (default 10)", .example = "--hold-time 2.5"},
	{"held-frames", 0, "N", OPTION_NUMBER, O(held_frames), .low = 0, .high = 1u << 20,
	 .help = "frames that a worker may have waiting (default 8192)", .example = "--held-frames 65536"},
	{"fail", 0, "KEY=VALUE", OPTION_CALL, .set = set_fail,
	 .help = "what is done where something cannot be; see below; repeatable",
	 .example = "--fail hold_exceeded=drop --fail http_ambiguous=pass"},
	{"hold-exceeded", 0, "absent|pass|drop", OPTION_CALL, .set = set_hold_exceeded,
	 .help = "the same as --fail hold_exceeded=", .example = "--hold-exceeded drop"},
	{"out-of-memory", 0, "closed|open", OPTION_CALL, .set = set_out_of_memory,
	 .help = "the same as --fail out_of_memory=", .example = "--out-of-memory open"},
	{"shadow", 0, "FILE", OPTION_TEXT, O(shadow),
	 .help = "a second policy that decides nothing: records say what it would; alone, all is allowed",
	 .example = "-p policy.json --shadow candidate.json"},
	{"guard", 0, "ADDRESS", OPTION_CALL, .set = set_guard, .range = "an address, not a network, at most 64 of them",
	 .help = "what comes from or goes to it is allowed above all rules; repeatable",
	 .example = "--guard 192.0.2.1"},
	{"policy-at", 0, "T=FILE", OPTION_CALL, .set = set_policy_at,
	 .range = "T=FILE, with T in seconds, or as 2027-01-31T18:00:00Z",
	 .help = "judge by this policy from then on: T seconds into the capture, or 2027-01-31T18:00:00Z; repeatable",
	 .example = "-p old.json --policy-at 2.5=new.json"},
	{"kept-bytes", 0, "N", OPTION_NUMBER, O(kept_bytes), .low = 64, .high = 1u << 30,
	 .help = "of a worker, for facts of live flows that the next policy judges again (default 8388608)",
	 .example = "--kept-bytes 67108864"},
	{"payload-depth", 0, "BYTES", OPTION_NUMBER, O(payload_depth), .low = 1, .high = 1 << 20,
	 .help = "bytes of each direction that rules on payload see (default 8192)",
	 .example = "-p policy.json --payload-depth 65536"},
	{"format", 'f', "table|eve|ocsf|facts", OPTION_WORD, O(format), .words = ship_format_names,
	 .nwords = SHIP_FORMATS,
	 .help = "how records look: for eyes, JSON lines as Suricata names them, one fact a line",
	 .example = "--format eve"},
	{"verbose", 'v', NULL, OPTION_FLAG, O(verbose),
	 .help = "facts: every fact, with the frame, offset and length of its bytes", .example = "--format facts -v"},
	{"fast-path", 0, "N", OPTION_NUMBER, O(fast_path), .low = 1, .high = 1 << 20,
	 .help = "from its Nth frame on, what a settled flow's direction says goes by the corridor, as with "
		 "`fast_path`; the "
		 "summary says how much",
	 .example = "-p policy.json --fast-path 32"},
	{"write", 'w', "OUT", OPTION_TEXT, O(write), .help = "write the frames that would have left, as pcap",
	 .example = "-w out.pcap"},
	{"mirror", 0, "[SINK=]FILE", OPTION_CALL, .set = set_mirror,
	 .range = "FILE, or SINK=FILE; a sink once, at most 16 in all",
	 .help = "write the frames that mirror rules copy as pcapng, with the verdict as comment; of one sink, or of "
		 "all "
		 "others",
	 .example = "-p policy.json --mirror evidence.pcapng"},
	{"before-frames", 0, "N", OPTION_NUMBER, O(before_frames), .low = 0, .high = 1u << 20,
	 .help = "how many frames back `before` of mirror rules finds those of its flow (default 8192)",
	 .example = "--mirror evidence.pcapng --before-frames 65536"},
	{"summary", 's', "FILE|-", OPTION_TEXT, O(summary),
	 .help = "write the summary as JSON, instead of words on standard error", .example = "--summary s.json"},
	{"trace", 't', "FILE|-", OPTION_TEXT, O(trace),
	 .help = "one line for each input frame: number, door, reason, rule; joined: also number and capture",
	 .example = "--trace doors.txt"},
	{"speed", 0, "max|original|X", OPTION_CALL, .set = set_speed,
	 .range = "max, original, or a number above 0 and below 1e9",
	 .help = "max (default), as it was captured, or X times that", .example = "--speed 10"},
	{"join", 'j', NULL, OPTION_FLAG, O(join),
	 .help = "merge the captures by time, as one world; else each is a world of its own",
	 .example = "--join lan.pcap wan.pcap"},
	{"workers", 'n', "N", OPTION_NUMBER, O(workers), .low = 1, .high = WORKERS_MAX,
	 .help = "threads that share the work; the output is the same for any number", .example = "--workers 2"},
	{"transport", 0, "gwlb,vxlan,vlan", OPTION_CALL, .set = set_transport,
	 .range = "gwlb, vxlan, vlan, several with commas between, or none",
	 .help = "encapsulations that name the tenant and are taken off (default gwlb,vlan; none)",
	 .example = "--transport vxlan"},
	{"checksum", 0, "offload-aware|enforce|ignore", OPTION_WORD, O(checksum), .words = checksum_words, .nwords = 3,
	 .help = "wrong checksums: excuse senders whose are all wrong (default), drop, or do not look",
	 .example = "--checksum enforce"},
	{"seed", 0, "N", OPTION_NUMBER, O(seed), .low = 0, .high = UINT64_MAX,
	 .help = "of the hashes; random by default", .example = "--seed 1"},
	{"flows", 0, "N", OPTION_NUMBER, O(flows), .low = 8, .high = 1u << 26,
	 .help = "flow table entries of a worker (default 262144)", .example = "--flows 1000000"},
	{"ends", 0, "FD", OPTION_NUMBER, O(ends), .low = 3, .high = 1023},
	{"help", 'h', NULL, OPTION_SHOW, .show = help, .help = "this", .example = "--help"},
};
#undef O
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void help(FILE *out)
{
	puts("usage: sluice replay PCAP... [OPTION...]\n\n"
	     "Walks captures through the corridor: pcap or pcapng, plain, gzip or zstd; - is standard input.\n");
	for (unsigned i = 0; i < ROWS; i++) {
		const struct option_row *r = &rows[i];
		char head[64], letter[8] = "    ";
		if (!r->help)
			continue;
		if (r->letter)
			snprintf(letter, sizeof(letter), "-%c, ", r->letter);
		snprintf(head, sizeof(head), "%s--%s%s%s", letter, r->name, r->value ? " " : "",
			 r->value ? r->value : "");
		printf("  %s\n      %s\n      e.g. sluice replay in.pcap %s\n", head, r->help, r->example);
	}
	puts("\nfail modes, the default first:");
	for (unsigned i = 0; i < FAIL_ROWS; i++) {
		char words[64];
		printf("  %s=%s\n      %s\n", fail_rows[i].key, fail_values(&fail_rows[i], words, sizeof(words)),
		       fail_rows[i].help);
	}
	puts("\ncompiled patterns are kept in SLUICE_CACHE (else sluice in XDG_CACHE_HOME or ~/.cache); SLUICE_CACHE= "
	     "keeps "
	     "none");
	puts("\nexit codes: 0 done, 1 findings (errors in the policy; frames held or lost: a bug), 2 usage, 3 "
	     "environment (a file that is\n"
	     "missing, damaged or not readable; a full disk)");
}

// An output that is one of the captures would be emptied before it is read.
bool options_is_input(const struct options *o, const char *out)
{
	struct stat in, st;
	if (!out || !strcmp(out, "-") || stat(out, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	for (unsigned i = 0; i < o->npaths; i++) {
		if (stat(o->paths[i], &in) == 0 && in.st_dev == st.st_dev && in.st_ino == st.st_ino)
			return true;
	}
	return false;
}

// Where a file that is not there yet would be made; false: nowhere.
static bool place_of(const char *path, char out[2 * PATH_MAX])
{
	char folder[PATH_MAX], real[PATH_MAX];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
	return realpath(folder, real) && snprintf(out, 2 * PATH_MAX, "%s/%s", real, name) < 2 * PATH_MAX;
}

// Is it the same file, or will it be? Devices and pipes can take several.
static bool same_file(const char *a, const char *b)
{
	struct stat sa, sb;
	char pa[2 * PATH_MAX], pb[2 * PATH_MAX];
	if (!a || !b || !strcmp(a, "-") || !strcmp(b, "-"))
		return false;
	bool there = stat(a, &sa) == 0;
	if (there != (stat(b, &sb) == 0))
		return false;
	if (there)
		return S_ISREG(sa.st_mode) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
	return place_of(a, pa) && place_of(b, pb) && strcmp(pa, pb) == 0;
}

// Nor may one be a policy: it could be wanted again.
static bool is_policy(const struct options *o, const char *out)
{
	if (same_file(o->policy, out) || same_file(o->shadow, out))
		return true;
	for (unsigned i = 0; i < o->nswaps; i++)
		if (same_file(o->swaps[i].file, out))
			return true;
	return false;
}

// Two things cannot share standard output, nor a file.
static int check_outputs(const struct options *o, const char *const *outs, unsigned n, bool *dash)
{
	unsigned dashes = 0;
	for (unsigned i = 0; i < n; i++) {
		dashes += outs[i] && !strcmp(outs[i], "-");
		if (options_is_input(o, outs[i]))
			return option_mistake("replay", "would overwrite the capture %s", outs[i]);
		if (is_policy(o, outs[i]))
			return option_mistake("replay", "would overwrite the policy %s", outs[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (same_file(outs[i], outs[k]))
				return option_mistake("replay", "two outputs would overwrite each other: %s", outs[i]);
		}
	}
	if (dashes > 1)
		return option_mistake("replay",
				      "only one of -o, -w, --mirror, --summary and --trace can have standard output");
	*dash = dashes;
	return -1;
}

static int check(struct options *o)
{
	const char *outs[4 + MIRROR_OPTIONS] = {o->out, o->write, o->summary, o->trace};
	bool dash = false;
	for (unsigned i = 0; i < o->nmirrors; i++)
		outs[4 + i] = o->mirrors[i].file;
	int rc = check_outputs(o, outs, 4 + o->nmirrors, &dash);
	if (rc >= 0)
		return rc;
	if (o->fast_path && o->workers > 1)
		return option_mistake("replay", "--fast-path needs --workers 1");
	if (o->nmirrors && !o->policy && !o->nswaps)
		return option_mistake("replay", "--mirror needs a policy, whose rules say what is copied");
	if (o->nsets && !o->config)
		return option_mistake("replay", "--set is of a configuration: -c CONFIG");
	if (o->npaths == 0)
		return option_mistake("replay", "no capture given");
	unsigned ins = (o->policy && !strcmp(o->policy, "-")) + (o->shadow && !strcmp(o->shadow, "-"));
	for (unsigned i = 0; i < o->npaths; i++)
		ins += !strcmp(o->paths[i], "-");
	if (ins > 1)
		return option_mistake("replay", "standard input can be read only once");
	if (!o->out && !o->config && !dash)
		o->out = "-"; // else what else was asked for has it, and records are not rendered
	return -1;
}

int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option_table table = OPTION_TABLE("replay", rows);
	*o = (struct options){.workers = 1,
			      .flows = 262144,
			      .payload_depth = 8192,
			      .hold_bytes = 65536,
			      .hold_ns = 10000000000u,
			      .held_frames = 8192,
			      .kept_bytes = 8 << 20,
			      .before_frames = 8192,
			      .transports = TRANSPORT_GWLB | TRANSPORT_VLAN};
	if (getrandom(&o->seed, sizeof(o->seed), 0) != sizeof(o->seed))
		o->seed = 1;
	int rc = option_read(&table, o, argc, argv);
	if (rc >= 0)
		return rc;
	o->paths = argv + optind;
	o->npaths = argc - optind;
	return check(o);
}
