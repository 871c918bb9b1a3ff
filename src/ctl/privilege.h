// SPDX-License-Identifier: BSD-3-Clause
//
// What the process may still do once everything is open. See privilege.c.
#pragma once

#include "ctl/config.h"

// Control thread, after ports, sinks and sockets are open and before workers are started: files that are opened later
// become the user's, then the process does, with the capabilities that its ports need to come back; no new privileges;
// system calls by list, on all threads. 0, or -errno after it was said.
int privilege_drop(const struct config *config);
// On a worker, first thing: no capability, and the system calls of its ports alone. True: it is so.
bool privilege_worker(void);
// A folder, made if it is missing, that will be the user's. 0 or -errno.
int privilege_folder(const struct config *config, const char *folder);
// A file that is there, and is to be opened again by the user.
void privilege_give(const struct config *config, const char *path);
// May the user do this (access(2)) with what is called so?
bool privilege_may(const struct config *config, const char *path, int mode);
// On a thread that reads what others wrote (policies): it keeps nothing of what the control thread may.
void privilege_reader(void);
// The process's own program again, with the arguments that it had; what it keeps of privileges, it keeps. Comes back if
// that cannot be.
void privilege_again(char **argv);
