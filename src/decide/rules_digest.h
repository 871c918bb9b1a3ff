// SPDX-License-Identifier: BSD-3-Clause
//
// SHA-256 of an object in canonical form, member by member, of any size. See rules_digest.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

struct rules_digest {
	EVP_MD_CTX *c;
	size_t n;
	bool some;
	char piece[1 << 14];
};

void rules_digest_open(struct rules_digest *d);
// The next in the order of RFC 8785; plain: the key is its own canonical form. text: the value, which is canonical.
void rules_digest_member(struct rules_digest *d, const char *key, size_t len, bool plain, const char *text,
			 size_t text_len);
void rules_digest_bytes(struct rules_digest *d, const void *p, size_t len);
void rules_digest_close(struct rules_digest *d, char hex[65]);
