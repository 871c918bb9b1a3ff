// SPDX-License-Identifier: BSD-3-Clause
//
// AWS's shared files: ~/.aws/credentials and ~/.aws/config, or where AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE
// say. In: a profile and a key. Out: the value. Read anew each time: somebody may have put new ones there.
//
// Lines of [section] and key = value; what is indented belongs to the key before it (nested settings) and is passed
// over; # and ; begin a comment at a line's beginning or after a blank. A profile is [name] in the first file, and
// [profile name] or [default] in the second; where both have a key, the first file's counts.
#include <stdio.h>
#include <string.h>

#include "remote/credentials_in.h"

static FILE *open_shared(const char *variable, const char *name)
{
	char path[512];
	const char *at = credentials_env(variable), *home = credentials_env("HOME");

	if (at && !strncmp(at, "~/", 2) && home)
		snprintf(path, sizeof(path), "%s%s", home, at + 1);
	else if (at)
		snprintf(path, sizeof(path), "%s", at);
	else if (home)
		snprintf(path, sizeof(path), "%s/.aws/%s", home, name);
	else
		return NULL;
	return fopen(path, "re");
}

static char *trim(char *s)
{
	s += strspn(s, " \t");
	size_t n = strlen(s);
	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
	return s;
}

// [name], [profile name], [profile "name"]
static bool is_section(char *line, const char *profile, bool prefixed)
{
	char *end = strchr(line, ']');

	if (!end)
		return false;
	*end = '\0';
	line = trim(line + 1);
	if (prefixed && strcmp(line, "default") != 0) {
		if (strncmp(line, "profile", 7) || !line[7] || !strchr(" \t", line[7]))
			return false;
		line = trim(line + 7);
	}
	size_t n = strlen(line);
	if (n > 1 && (*line == '"' || *line == '\'') && line[n - 1] == *line)
		line[n - 1] = '\0', line++;
	return !strcmp(line, profile);
}

static bool value_of(char *line, const char *key, char *out, size_t size)
{
	char *equals = strchr(line, '=');

	if (!equals)
		return false;
	*equals = '\0';
	if (strcasecmp(trim(line), key) != 0)
		return false;
	char *value = trim(equals + 1);
	for (char *p = value; *p; p++)
		if ((*p == '#' || *p == ';') && p > value && strchr(" \t", p[-1]))
			*p = '\0', p--;
	snprintf(out, size, "%s", trim(value));
	return *out;
}

// The section is there, and where key is not NULL the key in it.
static bool look(FILE *f, bool prefixed, const char *profile, const char *key, char *out, size_t size)
{
	char line[CREDENTIALS_TOKEN + 256];
	bool inside = false, found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (*line == '[') {
			inside = is_section(line, profile, prefixed);
			found = inside && !key;
		} else if (inside && key && !strchr("#; \t", *line)) {
			found = value_of(line, key, out, size);
		}
	}
	if (f)
		fclose(f);
	return found;
}

bool credentials_file_value(const char *profile, const char *key, char *out, size_t size)
{
	*out = '\0';
	return look(open_shared("AWS_SHARED_CREDENTIALS_FILE", "credentials"), false, profile, key, out, size) ||
	       look(open_shared("AWS_CONFIG_FILE", "config"), true, profile, key, out, size);
}

bool credentials_file_profile(const char *profile)
{
	return look(open_shared("AWS_SHARED_CREDENTIALS_FILE", "credentials"), false, profile, NULL, NULL, 0) ||
	       look(open_shared("AWS_CONFIG_FILE", "config"), true, profile, NULL, NULL, 0);
}
