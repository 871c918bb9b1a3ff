// SPDX-License-Identifier: BSD-3-Clause
//
// In: the facts of a DNS record. Out: Suricata's dns object (version 3: detailed and grouped), and single resource
// records as lines. Shipper's thread. The layout of struct dns_rr is our own worker's, but a fact may have been cut
// to fit its record: every length is checked against the fact's.
#include "ship/dnsrr.h"

#include <stdio.h>
#include <string.h>

#include "dns_rr.h"
#include "ship/eve.h"

static const char *const types[263] = {
#define X(number, name) [number] = name,
	DNS_TYPES(X)
#undef X
};

static const char *const rcodes[] = {
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",  "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
	"NXRRSET", "NOTAUTH", "NOTZONE",  "DSOTYPENI", NULL,      NULL,      NULL,       NULL,
	"BADVERS", "BADKEY",  "BADTIME",  "BADMODE",   "BADNAME", "BADALG",  "BADTRUNC", "BADCOOKIE",
};

const char *dnsrr_type(uint16_t type, char buf[12])
{
	if (type < sizeof(types) / sizeof(types[0]) && types[type])
		return types[type];
	snprintf(buf, 12, "TYPE%u", type);
	return buf;
}

const char *dnsrr_rcode(uint16_t rcode, char buf[12])
{
	if (rcode < sizeof(rcodes) / sizeof(rcodes[0]) && rcodes[rcode])
		return rcodes[rcode];
	snprintf(buf, 12, "RCODE%u", rcode);
	return buf;
}

// A resource record out of its fact, its parts within the fact's bounds.
struct rr {
	struct dns_rr head;
	const uint8_t *name, *rdata;
};

static bool rr_read(const struct fact *f, struct rr *rr)
{
	if (f->len < sizeof(rr->head))
		return false;
	memcpy(&rr->head, f->value, sizeof(rr->head));
	uint32_t room = f->len - (uint32_t)sizeof(rr->head);
	if (rr->head.name_len > room)
		return false;
	if (rr->head.rdata_len > room - rr->head.name_len)
		rr->head.rdata_len = (uint16_t)(room - rr->head.name_len);
	rr->name = f->value + sizeof(rr->head);
	rr->rdata = rr->name + rr->head.name_len;
	return true;
}

static uint16_t u16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

// Bytes of numbers before the name, by form.
static const uint8_t numbers[] = {[DNS_RDATA_NAME] = 0, [DNS_RDATA_MX] = 2, [DNS_RDATA_SRV] = 6, [DNS_RDATA_SOA] = 22};

// A form whose fixed part is not there is shown raw.
static enum dns_rdata form_of(const struct rr *rr)
{
	uint8_t form = rr->head.form;
	if (form == DNS_RDATA_ADDRESS)
		return rr->head.rdata_len == 4 || rr->head.rdata_len == 16 ? form : DNS_RDATA_RAW;
	if (form < DNS_RDATA_NAME || form > DNS_RDATA_SOA || rr->head.rdata_len < numbers[form])
		return DNS_RDATA_RAW;
	if (form == DNS_RDATA_SOA && u16(rr->rdata + 20) > rr->head.rdata_len - 22)
		return DNS_RDATA_RAW;
	return form;
}

// TXT: the strings one after the other (RFC 1035 3.3.14), without their length bytes.
static void strings(struct jsonl *j, const struct rr *rr)
{
	for (uint32_t at = 0; at < rr->head.rdata_len;) {
		uint32_t len = rr->rdata[at++], left = rr->head.rdata_len - at;
		len = len < left ? len : left;
		jsonl_string_bytes(j, rr->rdata + at, len, false);
		at += len;
	}
}

#define TYPE_TXT 16
#define TYPE_SRV 33
#define TYPE_OPT 41
#define TYPE_SSHFP 44
#define TYPE_SPF 99

// rdata as one text, inside a string that is open. SOA, MX and SRV as in a zone file.
static void rdata_text(struct jsonl *j, const struct rr *rr)
{
	enum dns_rdata form = form_of(rr);
	char hex[2 * 512];
	if (form == DNS_RDATA_ADDRESS) {
		char ip[TEXT_IP_MAX];
		char *e = text_ip(ip, rr->rdata, rr->head.rdata_len == 16 ? 6 : 4);
		jsonl_string_bytes(j, ip, (size_t)(e - ip), false);
		return;
	}
	if (form == DNS_RDATA_RAW && (rr->head.type == TYPE_TXT || rr->head.type == TYPE_SPF)) {
		strings(j, rr);
		return;
	}
	if (form == DNS_RDATA_RAW) {
		uint32_t len = rr->head.rdata_len < 512 ? rr->head.rdata_len : 512;
		char *e = text_hex(hex, rr->rdata, len);
		jsonl_string_bytes(j, hex, (size_t)(e - hex), false);
		return;
	}
	const uint8_t *name = rr->rdata + numbers[form];
	uint32_t len = rr->head.rdata_len - numbers[form];
	if (form == DNS_RDATA_SOA) {
		uint32_t mname = u16(rr->rdata + 20);
		jsonl_string_bytes(j, name, mname, false);
		jsonl_string_bytes(j, " ", 1, false);
		jsonl_string_bytes(j, name + mname, len - mname, false);
		for (unsigned i = 0; i < 5; i++) {
			jsonl_string_bytes(j, " ", 1, false);
			jsonl_string_num(j, u32(rr->rdata + 4 * i));
		}
		return;
	}
	for (unsigned i = 0; i < numbers[form]; i += 2) {
		jsonl_string_num(j, u16(rr->rdata + i));
		jsonl_string_bytes(j, " ", 1, false);
	}
	jsonl_string_bytes(j, name, len, false);
}

static void name_text(struct jsonl *j, const uint8_t *p, size_t len)
{
	if (len)
		jsonl_string_bytes(j, p, len, false);
	else
		jsonl_string_bytes(j, "<root>", 6, false);
}

void dnsrr_line(struct jsonl *j, const struct fact *f)
{
	struct rr rr;
	char buf[12];
	jsonl_string_open(j);
	if (rr_read(f, &rr)) {
		const char *type = dnsrr_type(rr.head.type, buf);
		name_text(j, rr.name, rr.head.name_len);
		jsonl_string_bytes(j, " ", 1, false);
		jsonl_string_num(j, rr.head.ttl);
		jsonl_string_bytes(j, " ", 1, false);
		jsonl_string_bytes(j, type, strlen(type), false);
		jsonl_string_bytes(j, " ", 1, false);
		rdata_text(j, &rr);
	}
	jsonl_string_close(j);
}

unsigned dnsrr_short(const struct fact *f, char *out, unsigned room)
{
	struct rr rr;
	if (!rr_read(f, &rr) || rr.head.section != DNS_ANSWER)
		return 0;
	enum dns_rdata form = form_of(&rr);
	if (form == DNS_RDATA_ADDRESS && room >= TEXT_IP_MAX)
		return (unsigned)(text_ip(out, rr.rdata, rr.head.rdata_len == 16 ? 6 : 4) - out);
	if (form != DNS_RDATA_NAME && form != DNS_RDATA_MX && form != DNS_RDATA_SRV)
		return 0;
	uint32_t len = rr.head.rdata_len - numbers[form];
	if (len > room)
		len = room;
	memcpy(out, rr.rdata + numbers[form], len);
	return len;
}

static void soa(struct jsonl *j, const struct rr *rr)
{
	static const char *const names[] = {"serial", "refresh", "retry", "expire", "minimum"};
	uint32_t mname = u16(rr->rdata + 20), rest = rr->head.rdata_len - 22u - mname;
	jsonl_member_open(j, "soa", '{');
	jsonl_member_bytes(j, "mname", rr->rdata + 22, mname);
	jsonl_member_bytes(j, "rname", rr->rdata + 22 + mname, rest);
	for (unsigned i = 0; i < 5; i++)
		jsonl_member_num(j, names[i], u32(rr->rdata + 4 * i));
	jsonl_close(j, '}');
}

static void srv(struct jsonl *j, const struct rr *rr)
{
	jsonl_open(j, '{');
	jsonl_member_num(j, "priority", u16(rr->rdata));
	jsonl_member_num(j, "weight", u16(rr->rdata + 2));
	jsonl_member_num(j, "port", u16(rr->rdata + 4));
	jsonl_member_bytes(j, "name", rr->rdata + 6, rr->head.rdata_len - 6u);
	jsonl_close(j, '}');
}

// RFC 4255 3.1: algorithm, type of the fingerprint, fingerprint. As Suricata: bytes apart by colons.
static void sshfp(struct jsonl *j, const struct rr *rr)
{
	char pair[3] = ":";
	jsonl_open(j, '{');
	jsonl_member(j, "fingerprint");
	jsonl_string_open(j);
	for (uint32_t i = 2; i < rr->head.rdata_len; i++) {
		text_hex(pair + 1, rr->rdata + i, 1);
		jsonl_string_bytes(j, i == 2 ? pair + 1 : pair, i == 2 ? 2 : 3, false);
	}
	jsonl_string_close(j);
	jsonl_member_num(j, "algo", rr->rdata[0]);
	jsonl_member_num(j, "type", rr->rdata[1]);
	jsonl_close(j, '}');
}

// RFC 6891 6.1.2: code, length, bytes, and again.
static void opt(struct jsonl *j, const struct rr *rr)
{
	jsonl_member_open(j, "opt", '[');
	for (uint32_t at = 0; at + 4 <= rr->head.rdata_len;) {
		uint32_t code = rr->rdata[at] << 8 | rr->rdata[at + 1],
			 len = rr->rdata[at + 2] << 8 | rr->rdata[at + 3];
		uint32_t left = rr->head.rdata_len - at - 4;
		len = len < left ? len : left;
		jsonl_open(j, '{');
		jsonl_member_num(j, "code", code);
		jsonl_member_hex(j, "data", rr->rdata + at + 4, len);
		jsonl_close(j, '}');
		at += 4 + len;
	}
	jsonl_close(j, ']');
}

static bool is_sshfp(const struct rr *rr)
{
	return rr->head.type == TYPE_SSHFP && form_of(rr) == DNS_RDATA_RAW && rr->head.rdata_len >= 3;
}

// As Suricata: rdata is a text, but SOA, SRV and SSHFP are objects of their own, OPT a list; MX's preference is left
// out there.
static void rdata(struct jsonl *j, const struct rr *rr)
{
	enum dns_rdata form = form_of(rr);
	if (form == DNS_RDATA_SOA) {
		soa(j, rr);
	} else if (form == DNS_RDATA_SRV) {
		jsonl_member(j, "srv");
		srv(j, rr);
	} else if (form == DNS_RDATA_MX) {
		jsonl_member_bytes(j, "rdata", rr->rdata + 2, rr->head.rdata_len - 2u);
	} else if (is_sshfp(rr)) {
		jsonl_member(j, "sshfp");
		sshfp(j, rr);
	} else if (rr->head.type == TYPE_OPT) {
		opt(j, rr);
	} else if (rr->head.rdata_len) {
		jsonl_member(j, "rdata");
		jsonl_string_open(j);
		rdata_text(j, rr);
		jsonl_string_close(j);
	}
}

static void resource_one(struct jsonl *j, const struct rr *rr)
{
	char buf[12];
	jsonl_open(j, '{');
	jsonl_member_bytes(j, "rrname", rr->name, rr->head.name_len);
	jsonl_member_text(j, "rrtype", dnsrr_type(rr->head.type, buf));
	jsonl_member_num(j, "ttl", rr->head.ttl);
	rdata(j, rr);
	jsonl_close(j, '}');
}

#define STRINGS_MAX 64 // split of one message: each repeats its name, and a line is bounded (outlet.h)

static bool is_txt(const struct rr *rr)
{
	return (rr->head.type == TYPE_TXT || rr->head.type == TYPE_SPF) && form_of(rr) == DNS_RDATA_RAW;
}

// The string at `at` as a TXT of its own; false: there is none left.
static bool next_string(const struct rr *rr, uint32_t *at, struct rr *one)
{
	if (*at >= rr->head.rdata_len)
		return false;
	uint32_t len = 1u + rr->rdata[*at], left = rr->head.rdata_len - *at;
	*one = *rr;
	one->rdata = rr->rdata + *at;
	one->head.rdata_len = (uint16_t)(len < left ? len : left);
	*at += one->head.rdata_len;
	return true;
}

static bool splits(const struct record *r)
{
	unsigned strings = 0;
	RECORD_EACH(f, r) {
		struct rr rr, one;
		if (f->field != FACT_DNS_RR || !rr_read(f, &rr) || !is_txt(&rr))
			continue;
		for (uint32_t at = 0; next_string(&rr, &at, &one);)
			strings++;
	}
	return strings <= STRINGS_MAX;
}

// A record as its answers: a TXT of several strings is one answer each, as in Suricata.
static void resource(struct jsonl *j, const struct rr *rr, bool split)
{
	struct rr one;
	if (!split || !is_txt(rr) || rr->head.rdata_len == 0) {
		resource_one(j, rr);
		return;
	}
	for (uint32_t at = 0; next_string(rr, &at, &one);)
		resource_one(j, &one);
}

// An answer among those of its type.
static void group_member(struct jsonl *j, const struct rr *rr)
{
	enum dns_rdata form = form_of(rr);
	if (form == DNS_RDATA_SRV) {
		srv(j, rr);
	} else if (is_sshfp(rr)) {
		sshfp(j, rr);
	} else if (form == DNS_RDATA_MX) {
		jsonl_bytes(j, rr->rdata + 2, rr->head.rdata_len - 2u);
	} else {
		jsonl_string_open(j);
		rdata_text(j, rr);
		jsonl_string_close(j);
	}
}

static void section(struct jsonl *j, const struct record *r, uint8_t which, const char *name)
{
	bool open = false, split = splits(r);
	RECORD_EACH(f, r) {
		struct rr rr;
		if (f->field != FACT_DNS_RR || !rr_read(f, &rr) || rr.head.section != which)
			continue;
		if (!open)
			jsonl_member_open(j, name, '[');
		open = true;
		resource(j, &rr, split);
	}
	if (open)
		jsonl_close(j, ']');
}

// The answers once more, by type: what people filter on. The types that Suricata groups.
static void grouped(struct jsonl *j, const struct record *r)
{
	static const uint16_t groups[] = {1, 28, 5, 15, 2, 12, TYPE_TXT, TYPE_SRV, TYPE_SSHFP};
	bool any = false, split = splits(r);
	for (unsigned g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		bool open = false;
		RECORD_EACH(f, r) {
			struct rr rr;
			if (f->field != FACT_DNS_RR || !rr_read(f, &rr) || rr.head.section != DNS_ANSWER ||
			    rr.head.type != groups[g] || rr.head.rdata_len == 0)
				continue;
			if (!any)
				jsonl_member_open(j, "grouped", '{');
			if (!open)
				jsonl_member_open(j, types[groups[g]], '[');
			any = open = true;
			struct rr one;
			if (!split || !is_txt(&rr))
				group_member(j, &rr);
			for (uint32_t at = 0; split && is_txt(&rr) && next_string(&rr, &at, &one);)
				group_member(j, &one);
		}
		if (open)
			jsonl_close(j, ']');
	}
	if (any)
		jsonl_close(j, '}');
}

// Names and types stand in the record in the order of the questions.
static void queries(struct jsonl *j, const struct record *r)
{
	char buf[12];
	bool any = false;
	const struct fact *f = record_first(r), *type = f;
	unsigned left = r->nfacts; // facts from `type` on
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f)) {
		if (f->field != FACT_DNS_QNAME)
			continue;
		if (!any)
			jsonl_member_open(j, "queries", '[');
		any = true;
		jsonl_open(j, '{');
		jsonl_member_bytes(j, "rrname", f->value, f->len);
		while (left && type->field != FACT_DNS_QTYPE) {
			type = fact_next(type);
			left--;
		}
		if (left) {
			jsonl_member_text(j, "rrtype", dnsrr_type((uint16_t)fact_number(type), buf));
			type = fact_next(type);
			left--;
		}
		jsonl_close(j, '}');
	}
	if (any)
		jsonl_close(j, ']');
}

// RFC 1035 4.1.1: QR, opcode, AA, TC, RD, RA, Z; only what is set, as Suricata.
static void flags(struct jsonl *j, uint16_t v)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} bits[] = {{0x8000, "qr"}, {0x0400, "aa"}, {0x0200, "tc"}, {0x0100, "rd"}, {0x0080, "ra"}, {0x0040, "z"}};
	char text[4], *end = text_hex(text, (const uint8_t[]){v >> 8, v & 255}, 2), *at = text;
	while (at + 1 < end && *at == '0')
		at++;
	jsonl_member_bytes(j, "flags", at, (size_t)(end - at));
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (v & bits[i].bit)
			jsonl_member_bool(j, bits[i].name, true);
	jsonl_member_num(j, "opcode", v >> 11 & 15);
}

void dnsrr_eve(struct jsonl *j, const struct record *r)
{
	struct eve_index x;
	char buf[12];
	eve_index(&x, r);
	jsonl_member_open(j, "dns", '{');
	jsonl_member_num(j, "version", 3);
	jsonl_member_text(j, "type", r->tx_kind ? "response" : "request");
	jsonl_member_num(j, "tx_id", r->tx_id);
	eve_text(j, &x, FACT_DNS_ID, "id");
	uint16_t header = x.first[FACT_DNS_FLAGS] ? (uint16_t)fact_number(x.first[FACT_DNS_FLAGS]) : 0;
	if (x.first[FACT_DNS_FLAGS])
		flags(j, header);
	// an extended rcode (RFC 6891) is in the fact, the header's four bits are not all of it
	const struct fact *rcode = x.first[FACT_DNS_RCODE];
	jsonl_member_text(j, "rcode", dnsrr_rcode(rcode ? (uint16_t)fact_number(rcode) : header & 15, buf));
	queries(j, r);
	section(j, r, DNS_ANSWER, "answers");
	section(j, r, DNS_AUTHORITY, "authorities");
	section(j, r, DNS_ADDITIONAL, "additionals");
	if (r->tx_kind)
		grouped(j, r);
	jsonl_close(j, '}');
}

// RFC 1035 4.1.1: AA, TC, RD, RA, AD, CD in OCSF's order.
static void flag_ids(struct jsonl *j, uint16_t header)
{
	static const uint16_t bits[] = {0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010};
	jsonl_member_open(j, "flag_ids", '[');
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (header & bits[i])
			jsonl_num(j, i + 1);
	jsonl_close(j, ']');
}

void dnsrr_ocsf(struct jsonl *j, const struct record *r, uint16_t header, unsigned id)
{
	struct rr rr;
	char buf[12];
	bool any = false;
	RECORD_EACH(f, r) {
		if (f->field != FACT_DNS_RR || !rr_read(f, &rr) || rr.head.section != DNS_ANSWER)
			continue;
		if (!any)
			jsonl_member_open(j, "answers", '[');
		any = true;
		jsonl_open(j, '{');
		jsonl_member_text(j, "type", dnsrr_type(rr.head.type, buf));
		if (rr.head.class == 1)
			jsonl_member_text(j, "class", "IN");
		jsonl_member_num(j, "ttl", rr.head.ttl);
		jsonl_member(j, "rdata");
		jsonl_string_open(j);
		rdata_text(j, &rr);
		jsonl_string_close(j);
		flag_ids(j, header);
		jsonl_member_num(j, "packet_uid", id);
		jsonl_close(j, '}');
	}
	if (any)
		jsonl_close(j, ']');
}

void dnsrr_lines(struct jsonl *j, const struct record *r)
{
	static const struct {
		uint8_t section;
		const char *name;
	} sections[] = {{DNS_AUTHORITY, "dns_authorities"}, {DNS_ADDITIONAL, "dns_additionals"}};
	struct rr rr;
	for (unsigned i = 0; i < 2; i++) {
		bool any = false;
		RECORD_EACH(f, r) {
			if (f->field != FACT_DNS_RR || !rr_read(f, &rr) || rr.head.section != sections[i].section)
				continue;
			if (!any)
				jsonl_member_open(j, sections[i].name, '[');
			any = true;
			dnsrr_line(j, f);
		}
		if (any)
			jsonl_close(j, ']');
	}
}
