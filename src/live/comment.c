// SPDX-License-Identifier: BSD-3-Clause
//
// Comments of captured frames (sniff.c) and of copies (mirrors.c), on the threads that write them. Nothing of a value
// is believed: quotes, backslashes and control characters are escaped. Bytes above 0x7f are UTF-8 and stay.
#include "live/comment.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

__attribute__((format(printf, 2, 3))) static void put(struct comment *c, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(c->text + c->len, sizeof(c->text) - c->len, format, args);
	va_end(args);
	c->len = RTE_MIN(c->len + (size_t)n, sizeof(c->text) - 1);
}

static bool bare(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-") == strlen(s);
}

void comment_text(struct comment *c, const char *key, const char *value)
{
	put(c, "%s%s=\"", c->len ? " " : "", key);
	for (; *value; value++) {
		if ((uint8_t)*value < 0x20 || *value == 0x7f)
			put(c, "\\x%02X", (uint8_t)*value);
		else
			put(c, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
	}
	put(c, "\"");
}

void comment_name(struct comment *c, const char *key, const char *value)
{
	if (bare(value))
		put(c, "%s%s=%s", c->len ? " " : "", key, value);
	else
		comment_text(c, key, value);
}

void comment_number(struct comment *c, const char *key, uint64_t value)
{
	put(c, "%s%s=%lu", c->len ? " " : "", key, value);
}
