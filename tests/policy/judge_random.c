// SPDX-License-Identifier: BSD-3-Clause
//
// judge_random CASES SEED [RULES [FACTS]]: the naive interpreter against the compiled rule set, as long as wanted.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "differ.h"

#include "base/eal.h"

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: judge_random CASES SEED [RULES [FACTS]]\n");
		return 2;
	}
	struct differ_counts c = differ(strtoull(argv[1], NULL, 0), strtoull(argv[2], NULL, 0),
					argc > 3 ? atoi(argv[3]) : 12, argc > 4 ? atoi(argv[4]) : 60);
	printf("%" PRIu64 " cases of %" PRIu64 " policies (%" PRIu64 " open, %" PRIu64 " early, %" PRIu64
	       " by a rule, %" PRIu64 " with alerts or tags), %" PRIu64 " differences; %" PRIu64 " rules hidden\n",
	       c.cases, c.policies, c.open, c.early, c.decided, c.fired, c.differences, c.warned);
	return c.differences != 0;
}
