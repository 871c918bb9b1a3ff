// SPDX-License-Identifier: BSD-3-Clause
//
// SSH's identification strings (RFC 4253 4.2): the first line of each side, before which a server may say other
// lines. In: both directions from their start; out: one transaction with what the two call themselves, written when
// both are known or the flow ends. Nothing after them is looked at: it is a binary protocol, soon encrypted.
// Worker's thread.
#include "app.h"

#include <string.h>

#include "../judge.h"
#include "../stream.h"

#define LINE_MAX_BYTES 255 // RFC 4253 4.2, line end included
#define LINES_MAX 64       // lines a server may say before; longer greetings are no SSH

struct ssh {
	txn_t t;
	uint8_t lines;
	bool known[2];
};
static_assert(sizeof(struct ssh) <= APP_STATE_BYTES, "fits the stream's state");

int ssh_looks(const uint8_t *p, uint32_t len)
{
	if (memcmp(p, "SSH-", len < 4 ? len : 4))
		return 0;
	if (len < 5)
		return -1;
	return p[4] >= '1' && p[4] <= '9';
}

void ssh_end(struct app_in *in)
{
	struct ssh *s = in->state;

	if (s && s->t)
		txn_end(in, s->t);
}

// "SSH-2.0-OpenSSH_9.2 comments": protoversion and softwareversion.
static void identify(struct app_in *in, struct ssh *s, const uint8_t *p, uint32_t len)
{
	static const enum fact_field proto[2] = {FACT_SSH_PROTO, FACT_SSH_SERVER_PROTO};
	static const enum fact_field software[2] = {FACT_SSH_SOFTWARE, FACT_SSH_SERVER_SOFTWARE};
	const uint8_t *version = p + 4, *end = p + len;
	const uint8_t *dash = memchr(version, '-', end - version);

	if (!s->t)
		s->t = txn_begin(in, RECORD_SSH, 1024);
	s->known[in->dir] = true;
	if (!dash || memchr(p, 0, len)) {
		app_anomaly(in, ANOMALY_SSH_MALFORMED, p, len);
		return;
	}
	txn_str(in, s->t, proto[in->dir], version, dash - version);
	const uint8_t *space = memchr(dash, ' ', end - dash);
	txn_str(in, s->t, software[in->dir], dash + 1, (space ? space : end) - dash - 1);
	judge_txn(in, s->t);
}

enum app_step ssh_data(struct app_in *in)
{
	struct ssh *s = in->state;

	if (s->known[in->dir] || in->after_gap)
		return APP_DONE;
	while (in->consumed < in->len) {
		const uint8_t *p = in->data + in->consumed;
		uint32_t len = in->len - in->consumed;
		const uint8_t *lf = memchr(p, '\n', len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES);
		if (!lf && len < LINE_MAX_BYTES)
			return APP_MORE;
		bool ours = ssh_looks(p, len) > 0;
		if (!lf || (!ours && ++s->lines == LINES_MAX)) {
			app_anomaly(in, ANOMALY_SSH_MALFORMED, p, LINE_MAX_BYTES < len ? LINE_MAX_BYTES : len);
			return APP_DONE;
		}
		uint32_t n = (uint32_t)(lf - p) + 1;
		if (ours) // a bare LF is met too: RFC 4253 5.1
			identify(in, s, p, n >= 2 && p[n - 2] == '\r' ? n - 2 : n - 1);
		in->consumed += n;
		if (ours) {
			if (s->known[!in->dir]) {
				txn_end(in, s->t);
				s->t = 0;
			}
			return APP_DONE;
		}
	}
	return APP_MORE;
}
