// SPDX-License-Identifier: BSD-3-Clause
#include "app.h"

enum app_step socks_data(struct app_in *in) { return APP_CLOSE; }
int socks_looks(const uint8_t *p, uint32_t len) { return 0; }
