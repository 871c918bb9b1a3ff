// SPDX-License-Identifier: BSD-3-Clause
//
// Facts of heads.
#pragma once

#include "app.h"
#include "http_head.h"

// Opens the request's transaction. h's causes grow by those that its names show.
txn_t http_say_request(struct app_in *in, struct http_head *h);
// Adds the response to its request's transaction, or opens one for it (t is 0).
txn_t http_say_response(struct app_in *in, txn_t t, const struct http_head *h);
// A message whose end two readers see differently: it does not leave, unless http_ambiguous lets it.
static inline void http_say_ends(struct app_in *in)
{
	if (!in->w->config->fail.ambiguous_pass)
		app_refuse(in, REASON_HTTP_AMBIGUOUS);
}
// Causes of http.ambiguous that lie in one place: a fact each, and one anomaly; they close as they do.
void http_say_causes(struct app_in *in, txn_t t, const struct http_head *h, struct origin o);
