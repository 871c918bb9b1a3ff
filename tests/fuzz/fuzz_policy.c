// SPDX-License-Identifier: BSD-3-Clause
//
// Policies and set files as text. The first byte chooses: 0 to 5: what follows is the file of a set of that type, any
// other: the text of a policy, that byte included. Checked beyond the sanitizers: a policy comes out where there are no
// errors and only there; every place is in the text; and jansson takes the same texts for JSON.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "policy/doc.h"
#include "policy/policy.h"
#include "policy/regex_judge.h"
#include "policy/set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A regex may take seconds to be refused, which is its bound and no finding.
static bool heavy(const uint8_t *data, size_t size)
{
	return memmem(data, size, "rege", 4) && regex_judge_weight(data, (uint32_t)size) > 600;
}

static void same_as_jansson(const char *text, size_t len)
{
	struct arena a = {0};
	struct complaints c = {0};
	struct doc d;
	json_error_t e;
	int ours = doc_read(&d, "p", text, len, &a, &c);
	json_t *theirs = json_loadb(text, len, JSON_DECODE_ANY, &e);
	// jansson has no numbers beyond long long and double, goes deeper than a policy may, and ends at a zero byte
	bool number = strstr(e.text, "too big") || strstr(e.text, "overflow");
	bool deep = c.n && strstr(c.list[0].text, "nested deeper");
	bool mark = (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) || memchr(text, 0, len);
	if (!number && !deep && !mark && (ours == 0) != (theirs != NULL)) {
		fprintf(stderr, "jansson: %s\n", theirs ? "taken" : e.text);
		complaints_print(&c, stderr);
		abort();
	}
	json_decref(theirs);
	doc_free(&d);
	complaints_clear(&c);
	arena_free(&a);
}

static void judge(const char *text, size_t len, const char *name)
{
	struct complaints c = {0};
	struct policy *p = policy_parse(name, text, len, &c);
	if ((p != NULL) != (c.nerrors == 0) || (p && p->nwarnings != c.nwarnings))
		abort();
	for (uint32_t i = 0; i < c.n; i++) {
		if (!c.list[i].text || (!strcmp(c.list[i].place.file, name) && len && c.list[i].place.line == 0))
			abort();
	}
	policy_free(p);
	complaints_clear(&c);
}

static void set_of(unsigned type, const uint8_t *data, size_t size)
{
	char text[256];
	int fd = memfd_create("set", 0);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	int n = snprintf(text, sizeof(text),
			 "{\"sets\":{\"s\":{\"type\":\"%s\",\"file\":\"/proc/self/fd/"
			 "%d\"}},\"rules\":[{\"id\":\"a\",\"action\":\"deny\"}]}",
			 set_type_names[type], fd);
	judge(text, (size_t)n, "p.json");
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 65536 || heavy(data, size))
		return 0;
	if (data[0] < SET_TYPES) {
		set_of(data[0], data + 1, size - 1);
		return 0;
	}
	char *copy = malloc(size); // what is read behind it is seen
	memcpy(copy, data, size);
	same_as_jansson(copy, size);
	judge(copy, size, "/nowhere/p.json");
	free(copy);
	return 0;
}
