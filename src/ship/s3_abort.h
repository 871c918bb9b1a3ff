// SPDX-License-Identifier: BSD-3-Clause
//
// Multipart uploads that nobody will complete: those that a crash left, and those that were given up. Their parts are
// not seen and are paid for.
#pragma once

#include <stdbool.h>

struct s3_abort;
struct s3_target;

struct s3_abort *s3_abort_new(const struct s3_target *to); // NULL: no memory
void s3_abort_free(struct s3_abort *a);
// Looks for uploads of this node under the prefix and aborts them; once. Before any upload of our own begins.
void s3_abort_begin(struct s3_abort *a, const char *node);
bool s3_abort_ready(const struct s3_abort *a); // uploads may begin
void s3_abort_add(struct s3_abort *a, const char *key, const char *upload);
