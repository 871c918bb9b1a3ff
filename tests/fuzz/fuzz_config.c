// SPDX-License-Identifier: BSD-3-Clause
//
// Configurations as text, with --set behind them: each behind a zero byte. Checked beyond the sanitizers: there is a
// configuration where there are no errors and only there; every value of it is JSON, and those that are no defaults,
// given by --set, make the same configuration.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "ctl/config.h"
#include "policy/policy.h"

#define SETS_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct shown {
	char *sets[SETS_MAX];
	unsigned n;
	bool hidden; // a secret is not shown
};

static void show(void *arg, const char *key, const char *json, const char *origin)
{
	struct shown *s = arg;
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
	if (!value || s->n == SETS_MAX || !*origin)
		abort();
	if (!strcmp(origin, "default")) {
		json_decref(value);
		return;
	}
	s->hidden |= strstr(json, "secret=") || !strcmp(json, "\"***\"");
	if (asprintf(&s->sets[s->n++], "%s=%s", key, json_is_string(value) ? json_string_value(value) : json) < 0)
		abort();
	json_decref(value);
}

// Where a value came from and the file's name differ, and nothing else.
static void same(const struct config *config)
{
	static struct config again;
	struct shown s = {0};
	struct complaints c = {0};
	config_each(config, show, &s);
	int rc = config_read(&again, NULL, (const char *const *)s.sets, s.n, false, &c);
	memcpy(again.file, config->file, sizeof(again.file));
	memcpy(again.origin, config->origin, sizeof(again.origin));
	memcpy(again.kafka.origin, config->kafka.origin, sizeof(again.kafka.origin));
	if (!s.hidden && (rc != 0 || memcmp(&again, config, sizeof(again)))) {
		complaints_print(&c, stderr);
		abort();
	}
	complaints_clear(&c);
	for (unsigned i = 0; i < s.n; i++)
		free(s.sets[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	const char *sets[16];
	char name[32], *text = malloc(size + 1);
	unsigned n = 0;
	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	size_t len = strlen(text);
	for (size_t at = len + 1; at <= size && n < 16; at += strlen(text + at) + 1)
		sets[n++] = text + at;
	config_is_one(text, len);
	int fd = memfd_create("config", 0);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	struct complaints c = {0};
	int rc = config_read(&config, name, sets, n, false, &c);
	if ((rc == 0) != (c.nerrors == 0) || c.unreadable)
		abort();
	if (rc == 0)
		same(&config);
	complaints_clear(&c);
	close(fd);
	free(text);
	return 0;
}
