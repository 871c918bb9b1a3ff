// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>

// Index of the word, n: it is none of them.
unsigned word_find(const char *const *words, unsigned n, const char *p, size_t len);
// The word that was meant: few letters away, the word without its first part ("sni" for "tls.sni"), or with another
// first part ("quic.sni"). NULL: none.
const char *word_near(const char *const *words, unsigned n, const char *p, size_t len);
// What somebody else's program said, for logs and answers of ours: a byte that is not printable ASCII becomes ' '.
void word_plain(char *text);
// Of UTF-8 that was cut to its room: it ends with a whole character.
void word_cut(char *text);
