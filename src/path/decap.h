// SPDX-License-Identifier: BSD-3-Clause
//
// The walk through the headers of one frame. Each kind of header has a step: it reads what is at k->off, moves the
// cursor behind it, and says which kind comes next. decap.c runs the walk, decap_link.c and decap_tunnel.c have steps.
#pragma once

#include "egress.h"
#include "parse.h"

// X(symbol, step). A frame's walk starts with the link type's kind and ends with STOP.
#define HEADERS(X)                                                                                                     \
	X(ETHER, decap_ether)                                                                                          \
	X(ETHERTYPE, decap_ethertype) /* k->type says what is at the cursor */                                         \
	X(LLC, decap_llc)                                                                                              \
	X(VLAN, decap_vlan)                                                                                            \
	X(PBB, decap_pbb)                                                                                              \
	X(FABRICPATH, decap_fabricpath)                                                                                \
	X(VNTAG, decap_vntag)                                                                                          \
	X(ETAG, decap_etag)                                                                                            \
	X(CMD, decap_cmd)                                                                                              \
	X(NSH, decap_nsh)                                                                                              \
	X(WLAN, decap_wlan)                                                                                            \
	X(MPLS, decap_mpls)                                                                                            \
	X(PPP, decap_ppp)                                                                                              \
	X(PPPOE, decap_pppoe)                                                                                          \
	X(CHDLC, decap_chdlc)                                                                                          \
	X(NULL_HOST, decap_null)                                                                                       \
	X(SLL, decap_sll)                                                                                              \
	X(SLL2, decap_sll2)                                                                                            \
	X(IP, decap_ip) /* k->type: 4, 6, or 0 where nobody has said which */                                          \
	X(IP4, decap_ip4)                                                                                              \
	X(IP6, decap_ip6)                                                                                              \
	X(GRE, decap_gre)                                                                                              \
	X(ERSPAN2, decap_erspan2)                                                                                      \
	X(ERSPAN3, decap_erspan3)                                                                                      \
	X(WCCP, decap_wccp)                                                                                            \
	X(ETHERIP, decap_etherip)                                                                                      \
	X(UDP, decap_udp)

enum header {
	HEADER_STOP = 0,
#define X(symbol, step) HEADER_##symbol,
	HEADERS(X)
#undef X
		HEADER_COUNT
};

// Which encapsulations are transports, where a frame came in.
static inline uint32_t decap_transports(const struct worker *w, const struct pkt *p)
{
	return w->egress ? w->egress->lane[p->port].transports : w->config->transports;
}

struct walk {
	uint32_t transports; // enum transport_set
	struct worker *w;
	struct pkt *p;
	const uint8_t *d; // the frame
	uint32_t off;     // cursor
	struct span s;    // of what the cursor is in
	uint32_t type;    // for the next step, see HEADERS
	uint16_t reason;
	bool cut; // the walk ended where the capture did
};

#define X(symbol, step) enum header step(struct walk *k);
HEADERS(X)
#undef X

// The next n bytes, and the cursor behind them. NULL: they are not there, and the walk ends (return HEADER_STOP): in
// silence where the frame was cut, else by DECAP_TRUNCATED.
const uint8_t *decap_take(struct walk *k, uint32_t n);
// The header is one that its own rules forbid. Returns HEADER_STOP.
enum header decap_malformed(struct walk *k);
// What an ethertype is the number of; HEADER_STOP: nothing that leads to IP.
enum header decap_by_ethertype(struct walk *k, uint16_t type);
// True where the bytes at off look like an Ethernet frame with IP, ARP or a tag in it.
bool decap_plausible_ether(const struct walk *k, uint32_t off);

// The frame has more than this walk looks at, which nobody judges (PKT_DEEPER; fail mode decap_depth). Returns
// HEADER_STOP; a walk that goes on says what it finds all the same.
enum header decap_deeper(struct walk *k);

// The header just passed is a transport (worker's config): the only IP header so far is no layer, and the tenant,
// unless an outer transport has set it, is this.
void decap_transport(struct walk *k, uint64_t tenant);
void decap_tenant(struct walk *k, uint64_t tenant);

// False: no tunnel of decap_tunnel.c has this port. Three of four ports are told so by one bit, 53, 123 and 443 too.
static inline bool decap_tunnel_port(uint16_t port)
{
#define PORT_BIT(port) (1ull << ((port) >> 3 & 63))
	const uint64_t ports = PORT_BIT(4789) | PORT_BIT(8472) | PORT_BIT(4790) | PORT_BIT(6081) | PORT_BIT(2152) |
			       PORT_BIT(3544) | PORT_BIT(5072) | PORT_BIT(1701) | PORT_BIT(4754);
	return ports & PORT_BIT(port);
}

// The headers of a frame, outermost first: kind and place, as the walk meets them. scratch: a worker of which nothing
// is used but its configuration. Returns how many, at most max.
struct decap_header {
	uint16_t kind; // enum header
	uint16_t off;
};
#define DECAP_HEADERS_MAX 32
unsigned decap_headers(struct worker *scratch, const uint8_t *d, uint32_t len, uint32_t wire_len, uint16_t link_type,
		       struct decap_header *list, unsigned max);
