// SPDX-License-Identifier: BSD-3-Clause
#include "app.h"

enum app_step dns_data(struct app_in *in) { return APP_CLOSE; }
bool dns_datagram(struct app_in *in) { return false; }
int dns_looks(const uint8_t *p, uint32_t len, bool tcp) { return 0; }
