// SPDX-License-Identifier: BSD-3-Clause
//
// `policy publish FILE` and `policy diff kafka FILE`: what `sluice ctl` does itself, with or without an appliance. See
// publish.c.
#pragma once

#include <stdbool.h>

#include <jansson.h>

struct appliance;
struct call;
struct cli;
struct view;

// Are these words such a command?
bool publish_is(const char *const *word, unsigned n);
// Does it. An exit code.
int publish_words(struct cli *c, const char *const *word, unsigned n);
// What an appliance says that is asked for it; how its outcome looks.
json_t *publish_elsewhere(struct appliance *a, struct call *c);
void publish_view(struct view *v, const json_t *result);
