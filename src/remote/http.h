// SPDX-License-Identifier: BSD-3-Clause
//
// HTTP requests to others' servers, several at a time on one thread: libcurl as transport and nothing more. Nothing is
// followed, stored or taken from the environment; TLS is 1.2 or later and always checked; every answer is bounded.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "remote/sigv4.h"

struct http;

struct http_config {
	const char *ca_file; // PEM; NULL or "": the system's
	const char *proxy;   // "http://host:port"; NULL or "": none, whatever the environment says
	unsigned connect_ms; // how long a connection may take to come about
	unsigned stall_s;    // and how long it may carry nothing
};

// A request, and its answer. It and all it points to stay where they are until done() was called.
struct http_call {
	const char *method, *url;
	const struct sigv4_pair *headers;
	unsigned nheaders;
	const void *body;
	size_t body_len;
	unsigned timeout_ms; // of the whole; 0: none
	char *reply;         // room for the answer's body and a NUL; a longer one is an error
	size_t reply_room;
	void (*done)(struct http_call *); // may begin others, or this one again; NULL: http_do
	void *arg;

	size_t reply_len;
	int64_t date_s;   // what time the server has; 0: it does not say
	uint32_t retry_s; // it asks not to be asked again for so long (Retry-After); 0: it does not
	int status;       // 0: there was no answer, and
	int error;        // -ETIMEDOUT, -ECONNREFUSED, -EMSGSIZE, -ECANCELED, -EIO ...
	char why[256];
	bool active;
	bool again; // the body went twice: a connection that was kept was gone
	void *transfer;
	size_t sent;
};

struct http *http_new(const struct http_config *config); // NULL: no memory
void http_free(struct http *h);                          // nothing is under way any more

// Begins; the answer comes by done() out of http_run. 0 or -errno: there will be none.
int http_begin(struct http *h, struct http_call *c);
// Ends it: done() is called with -ECANCELED.
void http_cancel(struct http *h, struct http_call *c);
// Carries on what is under way; waits up to wait_ms for something to do, where something is under way. How many are.
unsigned http_run(struct http *h, unsigned wait_ms);
// One request from beginning to end. 0: there is an answer.
int http_do(struct http *h, struct http_call *c);

// A header of the answer, within done() only; NULL: it has none.
const char *http_header(const struct http_call *c, const char *name);
