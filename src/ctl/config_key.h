// SPDX-License-Identifier: BSD-3-Clause
//
// The table of keys, as config_*.c and nobody else sees it: a key has a place in the struct, a default, what it may be,
// and its help. Reading, --set, `show config`, docs/config.md and the schema are made of it.
#pragma once

#include "ctl/config.h"
#include "policy/reading.h"

enum config_kind {
	CONFIG_WORD,     // one of words; uint8_t
	CONFIG_NUMBER,   // low to high; size bytes
	CONFIG_BOOL,     // uint8_t
	CONFIG_TEXT,     // up to size - 1 bytes
	CONFIG_BESIDE,   // a file's name; relative to the folder of the file that says it
	CONFIG_HOST,     // an address, in words
	CONFIG_ENDPOINT, // address:port, in words
	CONFIG_NET_,     // struct config_net
	CONFIG_PORT,     // the name of a port; its number
	CONFIG_KINDS
};

struct config_key {
	const char *name, *value; // the default, as --set takes it; NULL: has to be given
	uint8_t kind, nwords;
	bool secret;       // what stands behind secret= in it is not shown
	uint16_t size;     // of one value
	uint32_t at;       // in the group's struct
	uint16_t many;     // a list of up to so many; 0: one value
	uint32_t count_at; // of the list's length, uint8_t
	uint64_t low, high;
	uint16_t only; // bits of the element's own first word (type, mode) that have this key; 0: all
	const char *const *words;
	const char *help;
};

// FREE: its keys are no rows of a table but what `free` takes; objects in it are dots in the names.
enum config_shape { CONFIG_ONE, CONFIG_NAMED, CONFIG_LISTED, CONFIG_FREE };

struct config_judge {
	// 0; -ENOENT: there is no such key, -EINVAL: no such value, and `why` says more.
	int (*takes)(const char *name, const char *value, char *why, size_t size);
	bool (*secret)(const char *name);                    // not shown
	bool (*beside)(const char *name, const char *value); // a file, relative to the folder of the one that says it
	void (*doc)(FILE *out);                              // what is to be known, as Markdown
};

struct config_group {
	const char *name; // "": keys at the top
	const char *one;  // what one of them is called
	enum config_shape shape;
	uint32_t at, count_at; // in struct config; NAMED and LISTED have a uint8_t of how many there are
	uint32_t stride;
	uint8_t room;
	const struct config_key *keys;
	uint8_t nkeys;
	const struct config_judge *judge; // of FREE
	const char *help;
};

// Fills in what other tables know; before config_groups is used.
void config_keys_init(void);
extern const struct config_group config_groups[];
extern const unsigned config_group_count;

// One element of a group; what NAMED ones are called stands first in their struct.
static inline char *config_element(const struct config *c, const struct config_group *g, unsigned i)
{
	return (char *)(uintptr_t)c + g->at + i * g->stride;
}

static inline unsigned config_count(const struct config *c, const struct config_group *g)
{
	return g->shape == CONFIG_ONE ? 1 : g->shape == CONFIG_FREE ? 0 : *((const uint8_t *)c + g->count_at);
}

// Where a value came from: 0: it is the default; else line << 12 | column of the file, or CONFIG_BY_SET; CONFIG_BAD: it
// was refused, and the default stands there. k: the key's number; nkeys: the element itself.
#define CONFIG_BY_SET (1u << 30)
#define CONFIG_BAD (1u << 31)
uint32_t *config_origin(struct config *c, const struct config_group *g, unsigned i, unsigned k);
// "ports.lan.mtu"; '/' for the dots: as pointers have it.
void config_key_name(const struct config *c, const struct config_group *g, unsigned i, unsigned k, char dot, char *out,
		     size_t size);

// config_value.c: a node into the element; false: said. A default or a value of --set as JSON that the first reads.
bool config_value_read(struct reading *r, const struct config_key *k, uint32_t node, struct config *c, char *element);
char *config_value_json(struct arena *a, const struct config_key *k, const char *text);
// The value as JSON.
void config_value_print(const struct config *c, const struct config_key *k, const char *element, FILE *out);

// config_free.c: an object of a FREE group; one key of it by --set; all of it.
void config_free_read(struct reading *r, const struct config_group *g, uint32_t node, struct config *c);
void config_free_set(struct reading *r, const struct config_group *g, const char *name, const char *value,
		     struct config *c);
void config_free_each(const struct config *c, const struct config_group *g, config_cb *cb, void *arg);

// "default", "--set" or "sluice.json:4".
void config_origin_say(const struct config *c, uint32_t origin, char *out, size_t size);

// config_check.c: what only several keys together can have wrong.
void config_check(struct config *c, bool here, struct complaints *to);
// The same of the group `kafka`, for this machine.
void config_check_kafka(struct config *c, struct complaints *to);
