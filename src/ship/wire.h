// SPDX-License-Identifier: BSD-3-Clause
//
// A connection to somebody who only listens: TCP, or TLS over it. See wire.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_TEXT 200

struct wire;

struct wire_config {        // strings stay
	const char *server; // "host:port", "[::1]:6514"
	bool tls;
	const char *ca;         // file of certificates that may sign the server's; "": the system's
	const char *cert, *key; // our own; "": none
	const char *name;       // that the server's certificate has to have; "": server's host
};

// Is this "host:port"?
bool wire_server(const char *text);
// Reads certificates; connects to nobody. NULL: why says what is wrong with them, or there is no memory.
struct wire *wire_new(const struct wire_config *c, char why[WIRE_TEXT]);
void wire_free(struct wire *w);

// Connects, if it is not: waits some seconds at most. False: why.
bool wire_open(struct wire *w, char why[WIRE_TEXT]);
// How much of it went: 0: no room now; -1: the connection is gone, why. What did not go whole has to be given again as
// it was, or more of it.
long wire_write(struct wire *w, const void *bytes, size_t n, char why[WIRE_TEXT]);
// Has the far end closed, or refused us? Bytes that it sends are thrown away. False: why.
bool wire_alive(struct wire *w, char why[WIRE_TEXT]);
// Bytes that went out on this connection so far, with all that TLS added; how many of them the far kernel has.
uint64_t wire_sent(const struct wire *w);
uint64_t wire_arrived(const struct wire *w);
// Nothing more will be written. 1: the far end has read all to its end, and closed; 0: not yet; -1: it has not, and is
// gone.
int wire_finish(struct wire *w);
void wire_close(struct wire *w);
