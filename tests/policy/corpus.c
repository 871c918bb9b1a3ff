// SPDX-License-Identifier: BSD-3-Clause
//
// corpus SEED POLICIES CAPTURE...: what the corridor decides in line, against the naive interpreter. Each capture is
// walked once without a policy, and what it shows is kept; then with POLICIES random ones, made of that. For each
// transaction the facts in its record, as it was written, are put before the naive interpreter, which must come to the
// record's action and rule. Exit 1: they differ.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "naive.h"
#include "random.h"

#include "base/capture.h"
#include "base/eal.h"
#include "path/judge.h"
#include "path/judge_facts.h"
#include "path/path.h"
#include "policy/compile.h"
#include "record_ring.h"

#define VALUES 64
#define RULES 8

// What records do not say: the first packet's own, the stream's, and what is no fact of a record.
#define BIT(symbol) (1ull << FIELD_##symbol)
#define UNSAID                                                                                                         \
	(BIT(TTL) | BIT(TCP_FLAGS) | BIT(VLAN) | BIT(VNI) | BIT(DIRECTION) | BIT(DECAP_DEEPER) | BIT(FLOW_SEEN) |      \
	 BIT(STREAM_AMBIGUOUS) | BIT(PAYLOAD) | BIT(TIME) | BIT(TAG))

static const enum field_type types[FIELD_COUNT] = {
#define X(symbol, name, type, many, hold, known, absent, help) FIELD_TYPE_##type,
	FIELDS(X)
#undef X
};

struct pool {
	struct operand value[FIELD_COUNT][VALUES];
	uint32_t n[FIELD_COUNT];
	enum field field[FIELD_COUNT]; // that were met
	uint32_t nfields;
};

static struct worker w;
static struct judge_facts facts;
static struct pool pool;
static uint64_t transactions, decided, denied, open, lenient, differences;

static void facts_of(const struct record *r)
{
	struct judge_tuple t = {r->src, r->dst, r->tenant, r->sport, r->dport, r->ip_version, r->proto, false};
	judge_facts_clear(&facts, UINT64_MAX, r->time_ns);
	judge_facts_tuple(&facts, &t);
	judge_facts_record(&facts, r);
}

static bool transaction(const struct record *r)
{
	return r->kind >= RECORD_TLS && r->kind <= RECORD_SSH;
}

static void keep(const struct record *r)
{
	if (!transaction(r))
		return;
	facts_of(r);
	for (enum field f = 0; f < FIELD_COUNT; f++) {
		for (unsigned i = 0; i < facts.facts.n[f] && pool.n[f] < VALUES; i++) {
			const struct fact_value *v = &facts.value[f][i];
			struct operand *o = &pool.value[f][pool.n[f]++];
			uint8_t *copy = malloc(v->len + 1);
			if (!copy)
				abort();
			if (v->p)
				memcpy(copy, v->p, v->len);
			*o = (struct operand){.p = v->p ? copy : NULL,
					      .len = v->len,
					      .bits = (uint8_t)(v->len * 8),
					      .num = v->num,
					      .num_high = v->num};
			if (!v->p)
				free(copy);
			if (pool.n[f] == 1)
				pool.field[pool.nfields++] = f;
		}
	}
}

static const struct policy *policy;

static void compare(const struct record *r)
{
	struct verdict v;
	uint32_t fired[16];
	if (!transaction(r) || !(r->judged & RECORD_JUDGED))
		return;
	facts_of(r);
	naive_judge(policy, &facts.facts, false, &v, fired, 16);
	if ((r->judged & RECORD_LENIENT) && r->action == ACTION_DENY && v.action != ACTION_DENY) {
		lenient++; // by a reading that is in no record: tests/attack has these
		return;
	}
	if (v.open && facts.overflow)
		v.action = ACTION_DENY;
	transactions++;
	decided += v.rule != RULE_DEFAULT;
	denied += v.action == ACTION_DENY;
	open += v.open;
	if (v.rule == r->rule && v.action == r->action && v.open == !!(r->judged & RECORD_OPEN))
		return;
	differences++;
	printf("frame %" PRIu64 " %s tx %u: in line rule %d action %u judged %x, naive rule %d action %u open %d\n",
	       r->packet, record_kind_names[r->kind], r->tx_id, (int)r->rule, r->action, r->judged, (int)v.rule,
	       v.action, v.open);
	if (differences == 1)
		random_print(policy, &facts.facts);
}

static void drain_records(void (*each)(const struct record *))
{
	for (const struct record *r; (r = record_peek(w.records)); record_done(w.records, r))
		each(r);
}

static bool walk(const char *path, void (*each)(const struct record *))
{
	char err[CAPTURE_ERROR_MAX];
	struct burst b = {0};
	struct capture *c = capture_open(path, 1 << 16, err, sizeof(err));
	if (!c)
		return false;
	w.now_ns = w.frame = w.order = 0;
	enum capture_state state;
	do {
		state = capture_burst(c, &w, &b);
		path_burst(&w, &b);
		drain_records(each);
	} while (state == CAPTURE_MORE || state == CAPTURE_STARVED);
	capture_close(c);
	path_drain(&w);
	drain_records(each);
	return true;
}

// ---- policies of what was seen ------------------------------------------------------------------------------------

static struct test *test_of(struct random *r, enum field f, struct test *t, struct test **child)
{
	struct operand o = pool.value[f][random_below(r, pool.n[f])];
	uint32_t kind = random_below(r, 8);
	bool text = types[f] == FIELD_TYPE_NAME || types[f] == FIELD_TYPE_STR;
	memset(t, 0, 4 * sizeof(*t));
	t->op = TEST_IS;
	t->operand = o;
	if (kind == 0) {
		t->op = TEST_PRESENT;
		t->present = random_below(r, 2);
	} else if (kind == 1) {
		t->op = TEST_NOT;
		t->child = child;
		t->nchildren = 1;
		*child = &t[1];
		t[1] = (struct test){.op = TEST_IS, .operand = o};
	} else if (kind < 5 && text && o.len > 1) {
		uint32_t n = 1 + random_below(r, o.len < 12 ? o.len : 12);
		t->op = kind == 2 ? TEST_SUFFIX : kind == 3 ? TEST_PREFIX : TEST_CONTAINS;
		t->operand.p = o.p + (kind == 2 ? o.len - n : kind == 3 ? 0 : random_below(r, o.len - n + 1));
		t->operand.len = n;
		t->nocase = random_below(r, 4) == 0;
	} else if (kind == 5 && (types[f] == FIELD_TYPE_PORT || types[f] == FIELD_TYPE_NUM)) {
		t->op = TEST_RANGE;
		t->operand.num_high = o.num + random_below(r, 1000);
	} else if (types[f] == FIELD_TYPE_ADDR) {
		t->operand.bits = (uint8_t)(o.len * 8);
	}
	return t;
}

struct made {
	struct policy policy;
	struct rule rule[RULES];
	struct condition all[RULES], one[RULES][3], *child[RULES][3];
	struct test test[RULES][3][4], *of_not[RULES][3];
};

static void make(struct random *r, struct made *m)
{
	memset(m, 0, sizeof(*m));
	m->policy.rules = m->rule;
	m->policy.nrules = 1 + random_below(r, RULES);
	m->policy.default_action = random_below(r, 2) ? ACTION_ALLOW : ACTION_DENY;
	for (uint32_t i = 0; i < m->policy.nrules; i++) {
		uint32_t n = 0;
		for (uint32_t k = 0, want = 1 + random_below(r, 3); k < want; k++) {
			enum field f = pool.field[random_below(r, pool.nfields)];
			if (UNSAID >> f & 1 || f == FIELD_HTTP_HEADER)
				continue;
			m->one[i][n] = (struct condition){.kind = CONDITION_FIELD,
							  .field = f,
							  .test = test_of(r, f, m->test[i][n], &m->of_not[i][n])};
			m->child[i][n] = &m->one[i][n];
			n++;
		}
		m->all[i] = (struct condition){.kind = random_below(r, 4) ? CONDITION_ALL : CONDITION_ANY,
					       .child = m->child[i],
					       .nchildren = n};
		m->rule[i] = (struct rule){.action = random_below(r, 2) ? ACTION_DENY : ACTION_ALLOW,
					   .response = RESPONSE_DROP,
					   .when = &m->all[i]};
		if (m->rule[i].action == ACTION_ALLOW)
			m->rule[i].response = RESPONSE_DEFAULT;
	}
}

static bool judged(struct random *r, const char *path)
{
	static struct made m;
	char error[256];
	make(r, &m);
	policy = &m.policy;
	struct compile_options o = {.seed = r->state};
	struct ruleset *rs = compile_ruleset(policy, &o, error, sizeof(error));
	struct judge_policy *p = rs ? judge_policy_new(rs, 1) : NULL;
	if (!p) {
		printf("does not compile: %s\n", rs ? "no memory" : error);
		return false;
	}
	judge_use(&w, p);
	bool good = walk(path, compare);
	judge_use(&w, NULL);
	judge_policy_free(p);
	compile_free(rs);
	return good;
}

static void forget(void)
{
	for (enum field f = 0; f < FIELD_COUNT; f++) {
		for (uint32_t i = 0; i < pool.n[f]; i++)
			free((void *)(uintptr_t)pool.value[f][i].p);
		pool.n[f] = 0;
	}
	pool.nfields = 0;
}

int main(int argc, char **argv)
{
	struct random r;
	struct path_config config = {.flows = 4096,
				     .streams = 1024,
				     .chunks = 4096,
				     .apps = 256,
				     .fragments = 256,
				     .arena_bytes = 4 << 20,
				     .record_cells = 1 << 17,
				     .transports = TRANSPORT_GWLB | TRANSPORT_VLAN,
				     .checksum = CHECKSUM_IGNORE,
				     .seed = 1};
	if (argc < 4 || eal_init(128) < 0)
		return 2;
	w.frames = eal_pool("frames", 4095, CAPTURE_FRAME_ROOM);
	w.giants = eal_pool("giants", 511, CAPTURE_GIANT_ROOM);
	if (!w.frames || !w.giants || path_init(&w, &config) < 0)
		return 2;
	random_init(&r, strtoull(argv[1], NULL, 0), 1 << 20);
	for (int i = 3; i < argc && differences < 10; i++) {
		forget();
		if (!walk(argv[i], keep) || !pool.nfields)
			continue;
		for (int n = 0; n < atoi(argv[2]); n++)
			if (!judged(&r, argv[i]) || differences) {
				printf("%s: policy %d\n", argv[i], n);
				break;
			}
	}
	forget();
	random_fini(&r);
	path_fini(&w);
	printf("%" PRIu64 " transactions, %" PRIu64 " decided by a rule, %" PRIu64 " denied, %" PRIu64 " open, %" PRIu64
	       " denied by a lenient reading, %" PRIu64 " differences\n",
	       transactions, decided, denied, open, lenient, differences);
	return differences != 0;
}
