// SPDX-License-Identifier: BSD-3-Clause
//
// The options of replay: one table that getopt_long, --help and the settings come from. A mistake is one line and
// exit code 2.
#include "replay_options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "cmd.h"

static bool set_out(struct options *o, const char *v)
{
	o->out = v;
	return true;
}

static bool set_format(struct options *o, const char *v)
{
	for (unsigned i = 0; i < SHIP_FORMATS; i++) {
		if (!strcmp(v, ship_format_names[i])) {
			o->format = i;
			return true;
		}
	}
	return false;
}

static bool set_verbose(struct options *o, const char *v)
{
	o->verbose = true;
	return true;
}

static bool set_write(struct options *o, const char *v)
{
	o->write = v;
	return true;
}

static bool set_summary(struct options *o, const char *v)
{
	o->summary = v;
	return true;
}

static bool set_trace(struct options *o, const char *v)
{
	o->trace = v;
	return true;
}

static bool set_speed(struct options *o, const char *v)
{
	char *end;
	o->speed = !strcmp(v, "max") ? 0 : !strcmp(v, "original") ? 1 : strtod(v, &end);
	if (!strcmp(v, "max") || !strcmp(v, "original"))
		return true;
	return *v && *end == '\0' && o->speed > 0 && o->speed < 1e9;
}

static bool number(const char *v, uint64_t low, uint64_t high, uint64_t *out)
{
	char *end;
	if (*v < '0' || *v > '9')
		return false;
	*out = strtoull(v, &end, 0);
	return *end == '\0' && *out >= low && *out <= high;
}

static bool set_fast_path(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 1, 1 << 20, &n))
		return false;
	o->fast_path = (uint32_t)n;
	return true;
}

static bool set_payload_depth(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 1, 1 << 20, &n))
		return false;
	o->payload_depth = (uint32_t)n;
	return true;
}

static bool set_policy(struct options *o, const char *v)
{
	o->policy = v;
	return *v;
}

static bool set_ends(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 3, 1023, &n))
		return false;
	o->ends = (int)n;
	return true;
}

static bool set_shadow(struct options *o, const char *v)
{
	o->shadow = v;
	return *v;
}

static bool set_guard(struct options *o, const char *v)
{
	return guard_add(&o->guard, v);
}

static bool set_policy_at(struct options *o, const char *v)
{
	struct policy_at at;
	if (!replay_policy_at(v, &at) || o->nswaps == UINT16_MAX - 1)
		return false;
	struct policy_at *more = realloc(o->swaps, (o->nswaps + 1) * sizeof(at));
	if (!more)
		return false;
	o->swaps = more;
	o->swaps[o->nswaps++] = at;
	return true;
}

// FILE, or SINK=FILE: where there is no / before the =.
static bool set_mirror(struct options *o, const char *v)
{
	size_t len = strcspn(v, "=/");
	bool named = v[len] == '=';
	struct mirror_to to = {.sink = named ? v : NULL, .sink_len = named ? len : 0, .file = named ? v + len + 1 : v};
	for (unsigned i = 0; i < o->nmirrors; i++) {
		const struct mirror_to *other = &o->mirrors[i];
		if (!other->sink == !to.sink && other->sink_len == to.sink_len &&
		    (!to.sink || !memcmp(other->sink, v, len)))
			return false;
	}
	if (!*to.file || (named && !len) || o->nmirrors == MIRROR_FILES)
		return false;
	o->mirrors[o->nmirrors++] = to;
	return true;
}

static bool set_before_frames(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 0, 1u << 20, &n))
		return false;
	o->before_frames = (uint32_t)n;
	return true;
}

static bool set_join(struct options *o, const char *v)
{
	o->join = true;
	return true;
}

static bool set_workers(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 1, WORKERS_MAX, &n))
		return false;
	o->workers = n;
	return true;
}

static bool set_transport(struct options *o, const char *v)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} names[] = {{"gwlb", TRANSPORT_GWLB}, {"vxlan", TRANSPORT_VXLAN}, {"vlan", TRANSPORT_VLAN}, {"none", 0}};
	char copy[64];
	if (strlen(v) >= sizeof(copy) || !*v)
		return false;
	strcpy(copy, v);
	o->transports = 0;
	unsigned words = 0;
	bool none = false;
	for (char *save, *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		unsigned i = 0;
		while (i < 4 && strcmp(word, names[i].name))
			i++;
		if (i == 4)
			return false;
		o->transports |= names[i].bit;
		words++;
		none |= names[i].bit == 0;
	}
	return !none || words == 1;
}

static bool set_checksum(struct options *o, const char *v)
{
	static const char *const names[] = {"offload-aware", "enforce", "ignore"}; // order of enum checksum_mode
	for (unsigned i = 0; i < 3; i++) {
		if (!strcmp(v, names[i])) {
			o->checksum = i;
			return true;
		}
	}
	return false;
}

static bool set_seed(struct options *o, const char *v)
{
	return number(v, 0, UINT64_MAX, &o->seed);
}

static bool set_flows(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 8, 1u << 26, &n))
		return false;
	o->flows = n;
	return true;
}

static bool set_hold_bytes(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 0, 1u << 24, &n))
		return false;
	o->hold_bytes = n;
	return true;
}

static bool set_hold_time(struct options *o, const char *v)
{
	char *end;
	double s = strtod(v, &end);
	if (!*v || *end || !(s >= 0 && s <= 3600))
		return false;
	o->hold_ns = (uint64_t)(s * 1e9);
	return true;
}

static bool set_held_frames(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 0, 1u << 20, &n))
		return false;
	o->held_frames = n;
	return true;
}

static bool set_kept_bytes(struct options *o, const char *v)
{
	uint64_t n;
	if (!number(v, 64, 1u << 30, &n))
		return false;
	o->kept_bytes = n;
	return true;
}

static bool set_fail(struct options *o, const char *v)
{
	size_t key = strcspn(v, "=");
	return v[key] && fail_set(&o->fail, v, key, v + key + 1, o->wrong) == 0;
}

static bool set_hold_exceeded(struct options *o, const char *v)
{
	return fail_set(&o->fail, "hold_exceeded", 13, v, o->wrong) == 0;
}

static bool set_out_of_memory(struct options *o, const char *v)
{
	return fail_set(&o->fail, "out_of_memory", 13, v, o->wrong) == 0;
}

static const struct row {
	const char *name;
	char letter;       // 0: none
	const char *value; // NULL: takes none
	bool (*set)(struct options *, const char *);
	const char *help, *example;
} rows[] = {
	{"output", 'o', "FILE|-", set_out, "where records go; - (default) is standard output", "-o flows.txt"},
	{"policy", 'p', "FILE", set_policy, "judge by this policy: what it denies does not leave", "-p policy.json"},
	{"hold-bytes", 0, "N", set_hold_bytes, "bytes that a flow may have waiting for its verdict (default 65536)",
	 "--hold-bytes 16384"},
	{"hold-time", 0, "SECONDS", set_hold_time, "and for how long, from the first of them (default 10)",
	 "--hold-time 2.5"},
	{"held-frames", 0, "N", set_held_frames, "frames that a worker may have waiting (default 8192)",
	 "--held-frames 65536"},
	{"fail", 0, "KEY=VALUE", set_fail, "what is done where something cannot be; see below; repeatable",
	 "--fail hold_exceeded=drop --fail http_ambiguous=pass"},
	{"hold-exceeded", 0, "absent|pass|drop", set_hold_exceeded,
	 "the same as --fail hold_exceeded=", "--hold-exceeded drop"},
	{"out-of-memory", 0, "closed|open", set_out_of_memory,
	 "the same as --fail out_of_memory=", "--out-of-memory open"},
	{"shadow", 0, "FILE", set_shadow,
	 "a second policy that decides nothing: records say what it would; alone, all is allowed",
	 "-p policy.json --shadow candidate.json"},
	{"guard", 0, "ADDRESS", set_guard, "what comes from or goes to it is allowed above all rules; repeatable",
	 "--guard 192.0.2.1"},
	{"policy-at", 0, "T=FILE", set_policy_at,
	 "judge by this policy from then on: T seconds into the capture, or 2027-01-31T18:00:00Z; repeatable",
	 "-p old.json --policy-at 2.5=new.json"},
	{"kept-bytes", 0, "N", set_kept_bytes,
	 "of a worker, for facts of live flows that the next policy judges again (default 8388608)",
	 "--kept-bytes 67108864"},
	{"payload-depth", 0, "BYTES", set_payload_depth,
	 "bytes of each direction that rules on payload see (default 8192)", "-p policy.json --payload-depth 65536"},
	{"format", 'f', "table|eve|facts", set_format,
	 "how records look: for eyes, JSON lines as Suricata names them, one fact a line", "--format eve"},
	{"verbose", 'v', NULL, set_verbose, "facts: every fact, with the frame, offset and length of its bytes",
	 "--format facts -v"},
	{"fast-path", 0, "N", set_fast_path,
	 "from its Nth frame on, what a settled flow's direction says goes by the corridor, as with `fast_path`; the "
	 "summary says how much",
	 "-p policy.json --fast-path 32"},
	{"write", 'w', "OUT", set_write, "write the frames that would have left, as pcap", "-w out.pcap"},
	{"mirror", 0, "[SINK=]FILE", set_mirror,
	 "write the frames that mirror rules copy as pcapng, with the verdict as comment; of one sink, or of all "
	 "others",
	 "-p policy.json --mirror evidence.pcapng"},
	{"before-frames", 0, "N", set_before_frames,
	 "how many frames back `before` of mirror rules finds those of its flow (default 8192)",
	 "--mirror evidence.pcapng --before-frames 65536"},
	{"summary", 's', "FILE|-", set_summary, "write the summary as JSON, instead of words on standard error",
	 "--summary s.json"},
	{"trace", 't', "FILE|-", set_trace,
	 "one line for each input frame: number, door, reason, rule; joined: also number and capture",
	 "--trace doors.txt"},
	{"speed", 0, "max|original|X", set_speed, "max (default), as it was captured, or X times that", "--speed 10"},
	{"join", 'j', NULL, set_join, "merge the captures by time, as one world; else each is a world of its own",
	 "--join lan.pcap wan.pcap"},
	{"workers", 'n', "N", set_workers, "threads that share the work; the output is the same for any number",
	 "--workers 2"},
	{"transport", 0, "gwlb,vxlan,vlan", set_transport,
	 "encapsulations that name the tenant and are taken off (default gwlb,vlan; none)", "--transport vxlan"},
	{"checksum", 0, "offload-aware|enforce|ignore", set_checksum,
	 "wrong checksums: excuse senders whose are all wrong (default), drop, or do not look", "--checksum enforce"},
	{"seed", 0, "N", set_seed, "of the hashes; random by default", "--seed 1"},
	{"flows", 0, "N", set_flows, "flow table entries of a worker (default 262144)", "--flows 1000000"},
	{"ends", 0, "FD", set_ends, NULL, NULL}, // replayed.c's
	{"help", 'h', NULL, NULL, "this", "--help"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

// What a value may be, where the row's word for it does not say.
static const char *range_of(const struct row *r)
{
	static const struct {
		const char *name, *range;
	} ranges[] = {{"workers", "1 to 32"},
		      {"hold-bytes", "0 to 16777216"},
		      {"hold-time", "0 to 3600"},
		      {"held-frames", "0 to 1048576"},
		      {"kept-bytes", "64 to 1073741824"},
		      {"flows", "8 to 67108864"},
		      {"mirror", "FILE, or SINK=FILE; a sink once, at most 16 in all"},
		      {"before-frames", "0 to 1048576"},
		      {"payload-depth", "1 to 1048576"},
		      {"fast-path", "1 to 1048576"},
		      {"seed", "0 to 18446744073709551615"},
		      {"speed", "max, original, or a number above 0 and below 1e9"},
		      {"guard", "an address, not a network, at most 64 of them"},
		      {"policy-at", "T=FILE, with T in seconds, or as 2027-01-31T18:00:00Z"},
		      {"transport", "gwlb, vxlan, vlan, several with commas between, or none"}};
	static_assert(WORKERS_MAX == 32, "said above");
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (!strcmp(ranges[i].name, r->name))
			return ranges[i].range;
	}
	return r->value;
}

static void help(void)
{
	puts("usage: sluice replay PCAP... [OPTION...]\n\n"
	     "Walks captures through the corridor: pcap or pcapng, plain, gzip or zstd; - is standard input.\n");
	for (unsigned i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
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

static const struct row *row_of(int letter, int index)
{
	if (index >= 0)
		return &rows[index];
	for (unsigned i = 0; i < ROWS; i++) {
		if (rows[i].letter == letter)
			return &rows[i];
	}
	return NULL;
}

static int mistake(const char *what, const char *word, const char *more)
{
	fprintf(stderr, "sluice replay: %s%s%s%s; sluice replay --help\n", what, word ? " " : "", word ? word : "",
		more);
	return EXIT_USAGE;
}

static void make_tables(struct option *longs, char *shorts)
{
	*shorts++ = ':'; // a missing value is told apart
	for (unsigned i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		longs[i] = (struct option){r->name, r->value ? required_argument : no_argument, NULL, 0};
		if (r->letter)
			*shorts++ = r->letter;
		if (r->letter && r->value)
			*shorts++ = ':';
	}
	longs[ROWS] = (struct option){0};
	*shorts = '\0';
}

// An output that is one of the captures would be emptied before it is read.
static bool is_input(const struct options *o, const char *out)
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
		if (is_input(o, outs[i]))
			return mistake("would overwrite the capture", outs[i], "");
		if (is_policy(o, outs[i]))
			return mistake("would overwrite the policy", outs[i], "");
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (same_file(outs[i], outs[k]))
				return mistake("two outputs would overwrite each other:", outs[i], "");
		}
	}
	if (dashes > 1)
		return mistake("only one of -o, -w, --mirror, --summary and --trace can have standard output", NULL,
			       "");
	*dash = dashes;
	return -1;
}

static int check(struct options *o)
{
	const char *outs[4 + MIRROR_FILES] = {o->out, o->write, o->summary, o->trace};
	bool dash = false;
	for (unsigned i = 0; i < o->nmirrors; i++)
		outs[4 + i] = o->mirrors[i].file;
	int rc = check_outputs(o, outs, 4 + o->nmirrors, &dash);
	if (rc >= 0)
		return rc;
	if (o->fast_path && o->workers > 1)
		return mistake("--fast-path needs --workers 1", NULL, "");
	if (o->nmirrors && !o->policy && !o->nswaps)
		return mistake("--mirror needs a policy, whose rules say what is copied", NULL, "");
	if (o->npaths == 0)
		return mistake("no capture given", NULL, "");
	unsigned ins = (o->policy && !strcmp(o->policy, "-")) + (o->shadow && !strcmp(o->shadow, "-"));
	for (unsigned i = 0; i < o->npaths; i++)
		ins += !strcmp(o->paths[i], "-");
	if (ins > 1)
		return mistake("standard input can be read only once", NULL, "");
	if (!o->out && !dash)
		o->out = "-"; // else what else was asked for has it, and records are not rendered
	return -1;
}

int options_parse(int argc, char **argv, struct options *o)
{
	struct option longs[ROWS + 1];
	char shorts[2 * ROWS + 2];
	make_tables(longs, shorts);
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
	opterr = 0;
	optind = 1;
	for (;;) {
		int index = -1;
		int c = getopt_long(argc, argv, shorts, longs, &index);
		if (c == -1)
			break;
		const char *word = argv[optind - 1];
		if (c == ':')
			return mistake("option", word, " needs a value");
		const struct row *r = c == '?' ? NULL : row_of(c, index);
		if (!r)
			return mistake("unknown option", word, "");
		if (!r->set) {
			help();
			return EXIT_DONE;
		}
		if (r->set == set_policy && o->policy)
			return mistake(
				"--policy is given twice; at another time: --policy-at; without effect: --shadow", NULL,
				"");
		if (!r->set(o, optarg)) {
			if (*o->wrong)
				return mistake(o->wrong, NULL, "");
			fprintf(stderr, "sluice replay: --%s cannot be \"%.80s\": %s; sluice replay --help\n", r->name,
				optarg, range_of(r));
			return EXIT_USAGE;
		}
	}
	o->paths = argv + optind;
	o->npaths = argc - optind;
	return check(o);
}
