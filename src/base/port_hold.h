// SPDX-License-Identifier: BSD-3-Clause
//
// One process a port. The holder listens on an abstract socket whose name is the device's: the kernel takes it away
// with the process, however that ends, and tells who listens. Names are per network namespace, as interfaces are.
// Rejected: a file with flock (/run may be read-only, is shared between network namespaces, and files are left over).
#pragma once

#include <stddef.h>

// The socket; close() gives the port up. -EBUSY: somebody has it, who says "sluice, pid 1234". Another -errno.
int port_hold_take(const char *device, char *who, size_t who_size);
// Lets go of those who asked; now and then.
void port_hold_answer(int hold);
