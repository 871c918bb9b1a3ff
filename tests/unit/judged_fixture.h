// SPDX-License-Identifier: BSD-3-Clause
//
// A policy for the world of flow_fixture.h, from its text; and a connection to port 80 that is told segment by segment.
#pragma once

#include "flow_fixture.h"

#include "path/judge.h"
#include "policy/compile.h"
#include "policy/policy.h"

struct judged_policy {
	struct policy *policy;
	struct ruleset *rules;
	struct judge_policy *judge;
};

static void judged_load(struct judged_policy *p, const char *text, uint16_t version)
{
	struct complaints c = {0};
	char error[256];
	p->policy = policy_parse("p.json", text, strlen(text), &c);
	assert_non_null(p->policy);
	complaints_clear(&c);
	p->rules = compile_ruleset(p->policy, &(struct compile_options){0}, error, sizeof(error));
	assert_non_null(p->rules);
	p->judge = judge_policy_new(p->rules, version);
}

static void judged_unload(struct judged_policy *p)
{
	judge_policy_free(p->judge);
	compile_free(p->rules);
	policy_free(p->policy);
}

// A frame alone, by the back half of the corridor.
static void judged_frame(const struct shape *s)
{
	struct burst b = {.m = {make(s)}, .n = 1};
	pkt_of(b.m[0])->order = frame_number;
	steer_burst(worker, &b);
	path_back(worker, &b);
}

// A segment of the connection from port sport; dir 1: of the server.
static inline void judged_segment(uint16_t sport, unsigned dir, uint8_t flags, uint32_t seq, uint32_t ack,
				  const char *data)
{
	judged_frame(&(struct shape){.src = dir ? 2 : 1,
				     .dst = dir ? 1 : 2,
				     .sport = dir ? 80 : sport,
				     .dport = dir ? sport : 80,
				     .proto = IPPROTO_TCP,
				     .flags = flags,
				     .seq = seq,
				     .ack = ack,
				     .win = 60000,
				     .data = data,
				     .len = (uint32_t)strlen(data)});
}
