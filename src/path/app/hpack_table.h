// SPDX-License-Identifier: BSD-3-Clause
//
// The tables of HPACK (RFC 7541). For hpack.c alone.
#pragma once

#include <stdint.h>
#include <string.h>

#define FIXED 61    // entries of the static table
#define CODE_MAX 30 // bits of a Huffman code
#define END_OF_STRING 256

// Appendix A: names and values, each with its end.
static const char fixed[] =
	":authority\n\n:method\nGET\n:method\nPOST\n:path\n/\n:path\n/index.html\n:scheme\nhttp\n:scheme\nhttps\n"
	":status\n200\n:status\n204\n:status\n206\n:status\n304\n:status\n400\n:status\n404\n:status\n500\n"
	"accept-charset\n\naccept-encoding\ngzip, deflate\naccept-language\n\naccept-ranges\n\naccept\n\n"
	"access-control-allow-origin\n\nage\n\nallow\n\nauthorization\n\ncache-control\n\ncontent-disposition\n\n"
	"content-encoding\n\ncontent-language\n\ncontent-length\n\ncontent-location\n\ncontent-range\n\n"
	"content-type\n\ncookie\n\ndate\n\netag\n\nexpect\n\nexpires\n\nfrom\n\nhost\n\nif-match\n\n"
	"if-modified-since\n\nif-none-match\n\nif-range\n\nif-unmodified-since\n\nlast-modified\n\nlink\n\n"
	"location\n\nmax-forwards\n\nproxy-authenticate\n\nproxy-authorization\n\nrange\n\nreferer\n\nrefresh\n\n"
	"retry-after\n\nserver\n\nset-cookie\n\nstrict-transport-security\n\ntransfer-encoding\n\nuser-agent\n\n"
	"vary\n\nvia\n\nwww-authenticate\n\n";

// The string number i of them.
static inline const char *hpack_fixed(uint32_t i)
{
	const char *p = fixed;
	while (i--)
		p = strchr(p, '\n') + 1;
	return p;
}

// Appendix B is canonical: how many codes there are of each length, and what they mean, in their order.
static const uint8_t codes[CODE_MAX + 1] = {[5] = 10,  [6] = 26,  [7] = 32, [8] = 6,   [10] = 5,  [11] = 3,  [12] = 2,
					    [13] = 6,  [14] = 2,  [15] = 3, [19] = 3,  [20] = 8,  [21] = 13, [22] = 26,
					    [23] = 29, [24] = 12, [25] = 4, [26] = 15, [27] = 19, [28] = 29, [30] = 4};
static const uint8_t meaning[END_OF_STRING] = {
	'0', '1', '2', 'a', 'c', 'e', 'i', 'o',  's', 't', ' ', '%', '-', '.',  '/', '3', '4', '5', '6', '7', '8', '9',
	'=', 'A', '_', 'b', 'd', 'f', 'g', 'h',  'l', 'm', 'n', 'p', 'r', 'u',  ':', 'B', 'C', 'D', 'E', 'F', 'G', 'H',
	'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',  'Q', 'R', 'S', 'T', 'U', 'V',  'W', 'Y', 'j', 'k', 'q', 'v', 'w', 'x',
	'y', 'z', '&', '*', ',', ';', 'X', 'Z',  '!', '"', '(', ')', '?', '\'', '+', '|', '#', '>', 0,   '$', '@', '[',
	']', '~', '^', '}', '<', '`', '{', '\\', 195, 208, 128, 130, 131, 162,  184, 194, 224, 226, 153, 161, 167, 172,
	176, 177, 179, 209, 216, 217, 227, 229,  230, 129, 132, 133, 134, 136,  146, 154, 156, 160, 163, 164, 169, 170,
	173, 178, 181, 185, 186, 187, 189, 190,  196, 198, 228, 232, 233, 1,    135, 137, 138, 139, 140, 141, 143, 147,
	149, 150, 151, 152, 155, 157, 158, 165,  166, 168, 174, 175, 180, 182,  183, 188, 191, 197, 231, 239, 9,   142,
	144, 145, 148, 159, 171, 206, 215, 225,  236, 237, 199, 207, 234, 235,  192, 193, 200, 201, 202, 205, 210, 213,
	218, 219, 238, 240, 242, 243, 255, 203,  204, 211, 212, 214, 221, 222,  223, 241, 244, 245, 246, 247, 248, 250,
	251, 252, 253, 254, 2,   3,   4,   5,    6,   7,   8,   11,  12,  14,   15,  16,  17,  18,  19,  20,  21,  23,
	24,  25,  26,  27,  28,  29,  30,  31,   127, 220, 249, 10,  13,  22};
