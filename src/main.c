// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <string.h>

int replay_main(int argc, char **argv);

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "replay"))
		return replay_main(argc - 1, argv + 1);
	fprintf(stderr, "usage: sluice replay PCAP\n");
	return 2;
}
