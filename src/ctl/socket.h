// SPDX-License-Identifier: BSD-3-Clause
//
// The control socket: lines in, one JSON object a line out. On the control thread.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctl/command.h"

#define SOCKET_CLIENTS_MAX 200

struct loop;
struct socket_server;

struct socket_counters {
	uint64_t clients; // now
	uint64_t accepted, requests;
	uint64_t refused;  // not of the group
	uint64_t too_many; // came while 200 were there, none of them idle
	uint64_t evicted;  // idle for long, gave way to others
	uint64_t cut_off;  // did not take their answer, or sent a line that does not end
};

// Listens at the path: mode 0660, of the group (-1: the process's own). Allowed are root, the program's own user and
// members of the group. A socket that a dead process left is taken over. NULL: why says what stands against it; that
// another process listens there, and which.
struct socket_server *socket_open(struct loop *l, const char *path, gid_t group, struct appliance *a, char *why,
				  size_t room);
// Cuts everybody off and removes the path.
void socket_close(struct socket_server *s);
struct socket_counters socket_counters(const struct socket_server *s);

// For commands whose work takes longer: run answers NULL after socket_later, and the client waits (it alone). Later, on
// the control thread, socket_answer says what it came to; a client that went away meanwhile is no error. result is
// taken. c there is a call whose exit and error count.
uint64_t socket_later(struct call *c);
void socket_answer(struct socket_server *s, uint64_t later, struct call *c, json_t *result);
