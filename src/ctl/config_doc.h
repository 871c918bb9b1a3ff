// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdio.h>

// The keys as Markdown tables, for docs/config.md.
void config_doc_keys(FILE *out);
// What configurations are as JSON schema (draft 2020-12): what it refuses, check refuses too.
void config_doc_schema(FILE *out);
