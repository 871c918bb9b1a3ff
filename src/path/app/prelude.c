// SPDX-License-Identifier: BSD-3-Clause
//
// Connections that begin in the clear and turn to TLS: SMTP, LMTP (RFC 3207), FTP (RFC 4217), IMAP, POP3 (RFC 2595),
// and those of prelude_packet.c. In: both directions from their start. Out: the protocol's name, and the byte on
// each side where TLS begins; from there the stream is detected anew. No records. Worker's thread.
//
//	server   greeting   reply ...   ready | TLS
//	client   hello ...  STARTTLS          | TLS
//
// The client's bytes after its question wait for the answer, the server's answer waits for the question: directions
// may come in any order. Where answer and question cannot be matched (a refusal misread, an answer never seen), the
// content decides: a ClientHello where a line should begin ends the prelude.
// Once mail or files move in the clear the stream is let go; a TLS that begins after that is not found.
#include "prelude.h"

#include <string.h>
#include <strings.h>

#include "../stream.h"

#define LINE_MAX_BYTES 8192 // RFC 5321 4.5.3.1.4 has 512, IMAP servers take 8192 (RFC 7162 4)

static_assert(sizeof(struct prelude) <= APP_STATE_BYTES, "fits the stream's state");

bool prelude_other_may_come(const struct app_in *in)
{
	return !in->last && (in->f->flags & (FLOW_REPLIED | FLOW_MIDSTREAM));
}

int prelude_accept(struct app_in *in, const struct prelude *s, uint32_t n)
{
	if (!s->asked && prelude_other_may_come(in))
		return APP_WAIT;
	in->consumed += n;
	return APP_SWITCH;
}

// ---- words --------------------------------------------------------------------------------------------------------

static bool begins(const uint8_t *p, uint32_t len, const char *word)
{
	uint32_t n = strlen(word);

	return len >= n && strncasecmp((const char *)p, word, n) == 0;
}

// One of the words of a list ("A B C") begins the line and is followed by its end or a space.
static bool begins_any(const uint8_t *p, uint32_t len, const char *const *words)
{
	for (; *words; words++) {
		uint32_t n = strlen(*words);
		if (begins(p, len, *words) && (len == n || p[n] <= ' '))
			return true;
	}
	return false;
}

static bool digits3(const uint8_t *p, uint32_t len)
{
	return len >= 3 && p[0] >= '1' && p[0] <= '6' && p[1] >= '0' && p[1] <= '9' && p[2] >= '0' && p[2] <= '9';
}

// Length of an IMAP tag (RFC 9051 9) that a space follows; 0: none.
static uint32_t tag_len(const uint8_t *p, uint32_t len)
{
	uint32_t n = 0;

	while (n < len && n < 32 && p[n] > ' ' && p[n] < 0x7f && !memchr("(){%*\"\\+]", p[n], 9))
		n++;
	return n && n < len && p[n] == ' ' ? n : 0;
}

static uint32_t hash(const uint8_t *p, uint32_t len) // FNV-1a
{
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

// ---- SMTP, LMTP, FTP ----------------------------------------------------------------------------------------------

static int reply_first(const uint8_t *p, uint32_t len)
{
	static const char *const commands[] = {"EHLO", "HELO", "LHLO", "STARTTLS", "AUTH TLS", "AUTH SSL", NULL};
	static const char *const starts[] = {"220 ", "220-"};

	for (unsigned i = 0; i < 2; i++)
		if (memcmp(p, starts[i], len < 4 ? len : 4) == 0)
			return len < 4 ? -1 : PRELUDE_SERVER;
	if (begins_any(p, len, commands) && memchr(p, '\n', len))
		return PRELUDE_CLIENT;
	for (const char *const *c = commands; *c; c++)
		if (strncasecmp((const char *)p, *c, len < strlen(*c) ? len : strlen(*c)) == 0)
			return len < 512 ? -1 : 0;
	return 0;
}

static int reply_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	static const char *const smtp[] = {"EHLO", "HELO", "LHLO", NULL};
	static const char *const ftp[] = {"USER", "FEAT", "SYST", "PBSZ", "PROT", NULL};
	static const char *const secure[] = {"AUTH TLS", "AUTH SSL", "AUTH TLS-C", "AUTH TLS-P", NULL};
	static const char *const starttls[] = {"STARTTLS", NULL};
	static const char *const mail[] = {"DATA", "BDAT", NULL};

	if (begins_any(p, len, smtp) || begins_any(p, len, starttls))
		in->f->app = APP_SMTP;
	else if (begins_any(p, len, secure) || begins_any(p, len, ftp))
		in->f->app = APP_FTP;
	else if (begins_any(p, len, mail))
		return APP_CLOSE;
	s->asked = begins_any(p, len, starttls) || begins_any(p, len, secure);
	return PRELUDE_ON;
}

// 220 is a greeting first and SMTP's yes afterwards; 234 is FTP's yes (RFC 4217 4).
static int reply_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (!digits3(p, len) || (len > 3 && p[3] == '-'))
		return PRELUDE_ON;
	if (memcmp(p, "234", 3) == 0)
		return APP_SWITCH;
	if (memcmp(p, "220", 3) == 0) {
		bool first = !s->greeted && !((in->f->flags & FLOW_MIDSTREAM) && s->asked);
		s->greeted = true;
		if (first && memmem(p, len, "SMTP", 4))
			in->f->app = APP_SMTP;
		else if (first && memmem(p, len, "FTP", 3))
			in->f->app = APP_FTP;
		if (!first && in->f->app != APP_FTP)
			return APP_SWITCH;
	} else if (s->asked && p[0] >= '4') {
		s->asked = false;
	}
	return PRELUDE_ON;
}

// ---- IMAP ---------------------------------------------------------------------------------------------------------

static int imap_first(const uint8_t *p, uint32_t len)
{
	static const char *const commands[] = {"CAPABILITY", "STARTTLS", "ID", "NOOP", NULL};
	uint32_t tag;

	if (memcmp(p, "* OK ", len < 5 ? len : 5) == 0)
		return len < 5 ? -1 : PRELUDE_SERVER;
	tag = tag_len(p, len);
	if (tag && tag <= 16 && begins_any(p + tag + 1, len - tag - 1, commands))
		return memchr(p, '\n', len) ? PRELUDE_CLIENT : len < 512 ? -1 : 0;
	return 0;
}

static int imap_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	static const char *const later[] = {"SELECT", "EXAMINE", "LIST", "STATUS", "IDLE", "COMPRESS", NULL};
	static const char *const starttls[] = {"STARTTLS", NULL};
	uint32_t tag = tag_len(p, len);

	s->commands++;
	if (!tag)
		return PRELUDE_ON;
	if (begins_any(p + tag + 1, len - tag - 1, later))
		return APP_CLOSE;
	s->asked = begins_any(p + tag + 1, len - tag - 1, starttls);
	s->asked_id = hash(p, tag);
	return PRELUDE_ON;
}

static int imap_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	uint32_t tag = tag_len(p, len);

	if (!tag)
		return PRELUDE_ON;
	if (s->replies >= s->commands && prelude_other_may_come(in))
		return APP_WAIT; // the question has not been seen yet
	s->replies++;
	if (!s->asked || hash(p, tag) != s->asked_id)
		return PRELUDE_ON;
	if (begins(p + tag + 1, len - tag - 1, "OK"))
		return APP_SWITCH;
	s->asked = false;
	return PRELUDE_ON;
}

// ---- POP3 ---------------------------------------------------------------------------------------------------------

static int pop3_first(const uint8_t *p, uint32_t len)
{
	static const char *const commands[] = {"CAPA", "STLS", NULL};

	if (memcmp(p, "+OK", len < 3 ? len : 3) == 0)
		return len < 3 ? -1 : PRELUDE_SERVER;
	if (len < 6)
		return strncasecmp((const char *)p, "CAPA\r\n", len) == 0 ||
				       strncasecmp((const char *)p, "STLS\r\n", len) == 0
			       ? -1
			       : 0;
	return begins_any(p, len, commands) && p[4] == '\r' && p[5] == '\n' ? PRELUDE_CLIENT : 0;
}

static int pop3_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	static const char *const later[] = {"RETR", "LIST", "STAT", "UIDL", "TOP", "DELE", NULL};
	static const char *const stls[] = {"STLS", NULL};

	s->commands++;
	if (begins_any(p, len, later))
		return APP_CLOSE;
	s->asked = begins_any(p, len, stls);
	s->asked_at = s->commands;
	return PRELUDE_ON;
}

// Status lines are counted: the greeting is number 0, command n is answered by number n.
static int pop3_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (p[0] != '+' && !begins(p, len, "-ERR"))
		return PRELUDE_ON; // a line of a listing
	if (!s->greeted && !(in->f->flags & FLOW_MIDSTREAM)) {
		s->greeted = true;
		return PRELUDE_ON;
	}
	if (s->replies >= s->commands && prelude_other_may_come(in))
		return APP_WAIT;
	s->replies++;
	if (!s->asked || s->replies < s->asked_at)
		return PRELUDE_ON;
	if (begins(p, len, "+OK"))
		return APP_SWITCH;
	s->asked = false;
	return PRELUDE_ON;
}

// ---- all of them --------------------------------------------------------------------------------------------------

static const struct {
	uint8_t app; // enum app; APP_NONE: told later
	bool lines;  // units are lines, given without their end
	prelude_first *first;
	prelude_unit *unit[2]; // client, server
} languages[PRELUDE_COUNT] = {
	[PRELUDE_REPLY] = {APP_NONE, true, reply_first, {reply_client, reply_server}},
	[PRELUDE_IMAP] = {APP_IMAP, true, imap_first, {imap_client, imap_server}},
	[PRELUDE_POP3] = {APP_POP3, true, pop3_first, {pop3_client, pop3_server}},
	[PRELUDE_XMPP] = {APP_OTHER,
			  false,
			  prelude_packet_xmpp,
			  {prelude_packet_xmpp_client, prelude_packet_xmpp_server}},
	[PRELUDE_POSTGRES] = {APP_OTHER,
			      false,
			      prelude_packet_postgres,
			      {prelude_packet_postgres_client, prelude_packet_postgres_server}},
	[PRELUDE_MYSQL] = {APP_OTHER,
			   false,
			   prelude_packet_mysql,
			   {prelude_packet_mysql_client, prelude_packet_mysql_server}},
	[PRELUDE_LDAP] = {APP_OTHER,
			  false,
			  prelude_packet_ldap,
			  {prelude_packet_ldap_client, prelude_packet_ldap_server}},
	[PRELUDE_RDP] = {APP_OTHER, false, prelude_packet_rdp, {prelude_packet_rdp_client, prelude_packet_rdp_server}},
	[PRELUDE_PROXY] = {APP_OTHER,
			   false,
			   prelude_packet_proxy,
			   {prelude_packet_proxy_client, prelude_packet_proxy_server}},
};

// Which language, and who speaks. Returns the language, 0, or -1 for more.
static int first_words(const uint8_t *p, uint32_t len, bool *server)
{
	int more = 0;

	for (int i = PRELUDE_NONE + 1; i < PRELUDE_COUNT && len; i++) {
		int who = languages[i].first(p, len);
		if (who > 0) {
			*server = who == PRELUDE_SERVER;
			return i;
		}
		more |= who;
	}
	return len ? more : -1;
}

int prelude_looks(const uint8_t *p, uint32_t len)
{
	bool server;
	int language = first_words(p, len, &server);

	return language > 0 ? 1 : language;
}

// One line, and its end. An answer that ends the prelude belongs to the line.
static int line(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len, prelude_unit *unit)
{
	const uint8_t *lf = memchr(p, '\n', len);

	if (!lf) {
		if (len >= LINE_MAX_BYTES)
			in->consumed = in->len; // the middle of a line that says nothing here
		return APP_MORE;
	}
	uint32_t n = (uint32_t)(lf - p), before = in->consumed;
	int step = unit(in, s, p, n && p[n - 1] == '\r' ? n - 1 : n);
	if (step == APP_SWITCH)
		return prelude_accept(in, s, n + 1);
	if (step != APP_WAIT)
		in->consumed = before + n + 1;
	return step;
}

// The client asked and has more to say: TLS if the answer was yes.
static int asked(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (prelude_other_may_come(in))
		return APP_WAIT;
	int hello = tls_looks(p, len);
	if (hello > 0)
		return APP_SWITCH;
	if (hello < 0 && !in->end)
		return APP_MORE;
	s->asked = false;
	return PRELUDE_ON;
}

static int step(struct app_in *in, struct prelude *s)
{
	const uint8_t *p = in->data + in->consumed;
	uint32_t len = in->len - in->consumed;
	bool server = in->dir == s->server;

	if (!server && s->asked)
		return asked(in, s, p, len);
	if (p[0] == 0x16 && languages[s->language].lines) { // TLS, of which nothing was said
		int hello = server ? 1 : tls_looks(p, len);
		if (server && prelude_other_may_come(in))
			return APP_WAIT;
		if (hello)
			return hello > 0 ? (int)APP_SWITCH : (int)APP_MORE;
	}
	prelude_unit *unit = languages[s->language].unit[server];
	return languages[s->language].lines ? line(in, s, p, len, unit) : unit(in, s, p, len);
}

enum app_step prelude_data(struct app_in *in)
{
	struct prelude *s = in->state;

	if (!s->language && in->len) {
		bool server;
		int language = first_words(in->data, in->len, &server);
		if (language < 0 && !in->end)
			return APP_MORE;
		if (language <= 0) {
			s->unknown |= 1 << in->dir;
			return s->unknown == 3 || !prelude_other_may_come(in) ? APP_NOT : APP_WAIT;
		}
		s->language = language;
		s->server = server ? in->dir : !in->dir;
		if (languages[language].app)
			in->f->app = languages[language].app;
	}
	while (in->consumed < in->len) {
		int st = step(in, s);
		if (st != PRELUDE_ON)
			return (enum app_step)st;
	}
	return APP_MORE;
}
