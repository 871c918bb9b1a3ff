// SPDX-License-Identifier: BSD-3-Clause
//
// Whether Hyperscan takes a regex, said in bounded time and memory.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// A process that compiles what is large. Zeroed: not started.
struct regex_judge {
	pid_t pid;
	int to, from;
	unsigned killed;   // times that a regex took too much
	unsigned asked;    // regexes that Hyperscan was asked about
	uint64_t spent_ns; // on large ones
};
#define REGEX_WHY 256

// false: why, in Hyperscan's words, or that it takes too much to compile.
bool regex_judge_good(struct regex_judge *j, const uint8_t *p, uint32_t len, bool nocase, char why[REGEX_WHY]);
void regex_judge_close(struct regex_judge *j);
// About how many positions a regex has when its repeats are written out; what is large compiles slowly.
uint32_t regex_judge_weight(const uint8_t *p, uint32_t len);
