// SPDX-License-Identifier: BSD-3-Clause
//
// Names as people write them, made the names that the corridor compares. Off the path. The corridor lowers letters and
// drops the last dot; what is Unicode in a policy is an A-label on the wire, so it is made one here, at load.
#include "domain.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

// What a byte of a name becomes; 0: none has it. Underscores are met (_dmarc, _tcp), and so names with them are rules.
static const uint8_t lower[256] = {
	['-'] = '-', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5',
	['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',
	['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l',
	['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't',
	['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b',
	['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j',
	['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',
	['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
};

bool domain_is_address(const uint8_t *p, uint32_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr a;
	if (len > 2 && p[0] == '[' && p[len - 1] == ']') {
		p++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(text) || (p[len - 1] >= 'g' && p[len - 1] <= 'z'))
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, &a) == 1 || inet_pton(AF_INET6, text, &a) == 1;
}

static bool has_unicode(const char *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if ((uint8_t)p[i] >= 0x80)
			return true;
	}
	return false;
}

// Through UTS 46 as browsers do it (non-transitional), checked by IDNA 2008.
static uint32_t unicode(const char *p, uint32_t len, uint8_t *out, const char **why)
{
	char text[1024], *name = NULL;
	if (len >= sizeof(text)) {
		*why = "longer than a name can be (253)";
		return 0;
	}
	memcpy(text, p, len);
	text[len] = '\0';
	int rc = idn2_lookup_u8((const uint8_t *)text, (uint8_t **)&name, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK || !name) {
		*why = rc == IDN2_OK ? "no name" : rc == IDN2_ENCODING_ERROR ? "not UTF-8" : idn2_strerror(rc);
		return 0;
	}
	uint32_t n = (uint32_t)strlen(name);
	n -= n && name[n - 1] == '.';
	if (n > DOMAIN_MAX)
		*why = "longer than a name can be (253)";
	else
		memcpy(out, name, n);
	idn2_free(name);
	return n > DOMAIN_MAX ? 0 : n;
}

static const char *why_not(uint8_t c)
{
	return c == '*'   ? "a wildcard: a name in a set, and \"suffix\" with a leading dot, hold all below it"
	       : c == '/' ? "a path or a network, no name (names: letters, digits, - _ .)"
	       : c == ':' ? "with a port or a scheme, no name (names: letters, digits, - _ .)"
	       : c == ' ' || c == '\t' ? "with a space, no name"
				       : "no name (names: letters, digits, - _ .)";
}

uint32_t domain_normal(const char *p, uint32_t len, uint8_t *out, const char **why)
{
	uint32_t label = 0;
	len -= len > 1 && p[len - 1] == '.';
	for (uint32_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)p[i], low = lower[c];
		if (low) {
			out[i] = low;
			if (++label > 63) {
				*why = "a label is longer than 63";
				return 0;
			}
		} else if (c == '.' && label) {
			out[i] = c;
			label = 0;
		} else if (c >= 0x80 && !memchr(p, '/', len)) {
			return unicode(p, len, out, why);
		} else if (domain_is_address((const uint8_t *)p, len)) {
			for (uint32_t k = 0; k < len; k++)
				out[k] = lower[(uint8_t)p[k]] ? lower[(uint8_t)p[k]] : (uint8_t)p[k];
			return len;
		} else {
			*why = c == '.' ? "with an empty label, no name" : why_not(c);
			return 0;
		}
	}
	*why = len == 0           ? "empty, no name"
	       : label == 0       ? "with an empty label, no name"
	       : len > DOMAIN_MAX ? "longer than a name can be (253)"
				  : NULL;
	return *why ? 0 : len;
}

uint32_t domain_part(const char *p, uint32_t len, bool ends, uint8_t *out, const char **why)
{
	uint32_t dot = len && p[0] == '.';
	if (ends && len > 1 && p[len - 1] == '.')
		len--;
	if (len == 0 || len > DOMAIN_MAX) {
		*why = len ? "longer than a name can be (253)" : "empty: every name has it";
		return 0;
	}
	if (has_unicode(p, len)) {
		if (!ends) {
			*why = "a part of a name that is not ASCII: write the A-label (xn--...)";
			return 0;
		}
		uint32_t n = unicode(p + dot, len - dot, out + dot, why);
		out[0] = dot ? '.' : out[0];
		return n ? n + dot : 0;
	}
	for (uint32_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)p[i];
		bool literal = c == '.' || c == ':' || c == '[' || c == ']'; // of addresses too
		out[i] = lower[c] ? lower[c] : c;
		if (!lower[c] && !literal) {
			*why = why_not(c);
			return 0;
		}
	}
	return len;
}
