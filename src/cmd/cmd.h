// SPDX-License-Identifier: BSD-3-Clause
//
// The verbs: each is a file of this folder with one main. Exit codes are the same for all of them.
#pragma once

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FINDINGS = 1,    // what was checked is not as it should be: frames held, mbufs in use, a changed verdict
	EXIT_USAGE = 2,       // the command line
	EXIT_ENVIRONMENT = 3, // a file that is missing, damaged or not readable, a full disk, no memory
};

int replay_main(int argc, char **argv);
struct judge_ear;
int replay_heard(int argc, char **argv, struct judge_ear *ear); // its judge is heard; NULL: by nobody
int check_main(int argc, char **argv);
int explain_main(int argc, char **argv);
int diff_main(int argc, char **argv);
int ctl_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int run_main(int argc, char **argv);
