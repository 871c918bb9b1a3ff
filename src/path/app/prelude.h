// SPDX-License-Identifier: BSD-3-Clause
//
// Preludes: what is spoken before TLS on a connection that begins in the clear. Shared by prelude.c (the table of
// languages, those of lines) and prelude_packet.c (those of binary packets and XML).
#pragma once

#include "app.h"

enum prelude_language {
	PRELUDE_NONE,
	PRELUDE_REPLY, // SMTP, LMTP, FTP: three-digit replies
	PRELUDE_IMAP,
	PRELUDE_POP3,
	PRELUDE_XMPP,
	PRELUDE_POSTGRES,
	PRELUDE_MYSQL,
	PRELUDE_LDAP,
	PRELUDE_RDP,
	PRELUDE_PROXY,
	PRELUDE_COUNT,
};

struct prelude {
	uint8_t language;
	uint8_t server;  // direction of the server
	uint8_t unknown; // bit dir: begins with no words of any language, as far as the other side has not told which
	bool asked;      // the client asked for TLS; its next bytes are what the answer makes of them
	bool greeted;    // the server's greeting is over
	uint16_t commands, replies; // counted, wrapping together
	uint16_t asked_at;          // number of the command that asked
	uint32_t asked_id;          // hash of its tag, or message id
};

// One unit of a direction (a line, a packet) at in->data + in->consumed, of which there is at least a byte. Answers
// an enum app_step, or PRELUDE_ON: a unit was consumed, go on.
#define PRELUDE_ON (-1)
typedef int prelude_unit(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len);

// Whose first bytes: 1 client's, 2 server's, 0 neither, -1 not to be told yet.
enum { PRELUDE_CLIENT = 1, PRELUDE_SERVER = 2 };
typedef int prelude_first(const uint8_t *p, uint32_t len);

prelude_first prelude_packet_xmpp, prelude_packet_postgres, prelude_packet_mysql, prelude_packet_ldap;
prelude_first prelude_packet_rdp, prelude_packet_proxy;
prelude_unit prelude_packet_xmpp_client, prelude_packet_xmpp_server;
prelude_unit prelude_packet_postgres_client, prelude_packet_postgres_server;
prelude_unit prelude_packet_mysql_client, prelude_packet_mysql_server;
prelude_unit prelude_packet_ldap_client, prelude_packet_ldap_server;
prelude_unit prelude_packet_rdp_client, prelude_packet_rdp_server;
prelude_unit prelude_packet_proxy_client, prelude_packet_proxy_server;

// Can the other direction still move? Not at the flow's end, nor in one-way traffic that is known to be so.
bool prelude_other_may_come(const struct app_in *in);
// The server accepted, n bytes long: over to the next protocol; or wait until the client is seen to have asked.
int prelude_accept(struct app_in *in, const struct prelude *s, uint32_t n);
