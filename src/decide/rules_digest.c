// SPDX-License-Identifier: BSD-3-Clause
//
// The hash of a version of swg_rules: keys and values come in, in their order, as one object without ever being one
// text; out comes SHA-256 in hex. Small pieces gather, for a call of OpenSSL's costs more than a key. Any thread.
#include "decide/rules_digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/canonical.h"

void rules_digest_bytes(struct rules_digest *d, const void *p, size_t len)
{
	if (len > sizeof(d->piece) - d->n) {
		EVP_DigestUpdate(d->c, d->piece, d->n);
		d->n = 0;
	}
	if (len > sizeof(d->piece)) {
		EVP_DigestUpdate(d->c, p, len);
		return;
	}
	memcpy(d->piece + d->n, p, len);
	d->n += len;
}

void rules_digest_open(struct rules_digest *d)
{
	d->c = EVP_MD_CTX_new();
	d->n = 0;
	d->some = false;
	if (!d->c || EVP_DigestInit_ex(d->c, EVP_sha256(), NULL) != 1)
		abort();
	rules_digest_bytes(d, "{", 1);
}

static void put_key(struct rules_digest *d, const char *key, size_t len, bool plain)
{
	char *text;
	size_t n;
	if (plain) {
		rules_digest_bytes(d, "\"", 1);
		rules_digest_bytes(d, key, len);
		rules_digest_bytes(d, "\"", 1);
		return;
	}
	FILE *f = open_memstream(&text, &n);
	if (!f)
		abort();
	canonical_string(key, len, f);
	if (fclose(f) != 0)
		abort();
	rules_digest_bytes(d, text, n);
	free(text);
}

void rules_digest_member(struct rules_digest *d, const char *key, size_t len, bool plain, const char *text,
			 size_t text_len)
{
	if (d->some)
		rules_digest_bytes(d, ",", 1);
	d->some = true;
	put_key(d, key, len, plain);
	rules_digest_bytes(d, ":", 1);
	rules_digest_bytes(d, text, text_len);
}

void rules_digest_close(struct rules_digest *d, char hex[65])
{
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned n;
	rules_digest_bytes(d, "}", 1);
	EVP_DigestUpdate(d->c, d->piece, d->n);
	EVP_DigestFinal_ex(d->c, out, &n);
	for (unsigned i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", out[i]);
	EVP_MD_CTX_free(d->c);
}
