// SPDX-License-Identifier: BSD-3-Clause
//
// What of dns.c others use. The value of the fact dns.rr, which the faces print, is in include/dns_rr.h.
#pragma once

#include "app.h"
#include "dns_name.h"
#include "dns_rr.h"

// A whole message at p[0..len) that came by another way than UDP or TCP's framing (DNS over HTTP): true where it
// is beyond doubt a DNS message; then its record has been written.
// Could a whole message of so many bytes begin with p[0..DNS_HEADER_BYTES)?
bool dns_message_begins(const uint8_t *p, uint32_t size);
bool dns_message(struct app_in *in, const uint8_t *p, uint32_t len);
