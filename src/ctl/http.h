// SPDX-License-Identifier: BSD-3-Clause
//
// What machines ask over HTTP: /metrics, /healthz, /readyz. On the control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct loop;
struct http;
struct appliance;

// One page: writes its body and answers the status (200, 503).
struct http_page {
	const char *path, *type;
	unsigned (*write)(struct appliance *a, FILE *out);
};

// Listens at "127.0.0.1:9180" or "[::1]:9180" (":0": any port). pages end with a NULL path and must outlive the server.
// NULL: why says what stands against it.
struct http *http_open(struct loop *l, const char *address, const struct http_page *pages, struct appliance *a,
		       char *why, size_t room);
void http_close(struct http *h);
unsigned http_port(const struct http *h);
