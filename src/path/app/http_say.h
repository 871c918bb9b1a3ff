// SPDX-License-Identifier: BSD-3-Clause
//
// Facts of HTTP/1 heads.
#pragma once

#include "app.h"
#include "http_head.h"

// Opens the request's transaction. h's causes grow by those that its names show.
txn_t http_say_request(struct app_in *in, struct http_head *h);
// Adds the response to its request's transaction, or opens one for it (t is 0).
txn_t http_say_response(struct app_in *in, txn_t t, const struct http_head *h);
