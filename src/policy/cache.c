// SPDX-License-Identifier: BSD-3-Clause
//
// Compiled Hyperscan databases on disk: 10,000 regexes take 12 s to compile and 0.1 s to read. A file is named by the
// SHA-256 of what it was made from (patterns, flags, version, CPU), so that a stale one is simply not found; it begins
// with that digest and the one of its contents, so that a damaged one is noticed before Hyperscan sees a byte of it.
// The folder belongs to whoever runs the program: a file in it is trusted as the program itself is.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hs/hs.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "policy/cache.h"

struct header {
	char magic[8];
	uint8_t key[32], contents[32];
	uint64_t len;
};
static const char magic[8] = "sluihs1";

static void digest(const void *p, size_t len, uint8_t out[32])
{
	EVP_Digest(p, len, out, NULL, EVP_sha256(), NULL);
}

struct cache_key cache_key(char *const *text, const unsigned *flags, uint32_t n, unsigned mode)
{
	struct cache_key key;
	hs_platform_info_t cpu;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	memset(&cpu, 0, sizeof(cpu));
	hs_populate_platform(&cpu);
	EVP_DigestInit_ex(c, EVP_sha256(), NULL);
	EVP_DigestUpdate(c, magic, sizeof(magic));
	EVP_DigestUpdate(c, hs_version(), strlen(hs_version()));
	EVP_DigestUpdate(c, &cpu, sizeof(cpu));
	EVP_DigestUpdate(c, &mode, sizeof(mode));
	for (uint32_t i = 0; i < n; i++) {
		EVP_DigestUpdate(c, text[i], strlen(text[i]) + 1);
		EVP_DigestUpdate(c, &flags[i], sizeof(flags[i]));
	}
	EVP_DigestFinal_ex(c, key.digest, NULL);
	EVP_MD_CTX_free(c);
	return key;
}

void cache_path(const char *folder, const struct cache_key *key, char path[CACHE_PATH])
{
	const size_t size = CACHE_PATH;
	int at = snprintf(path, size, "%s/", folder);
	for (unsigned i = 0; i < 16 && at + 3 < (int)size; i++)
		at += snprintf(path + at, size - at, "%02x", key->digest[i]);
	snprintf(path + at, size - at, ".hs");
}

static struct hs_database *read_database(const uint8_t *file, size_t size, const struct cache_key *key)
{
	const struct header *h = (const struct header *)file;
	uint8_t contents[32];
	hs_database_t *db = NULL;
	if (size < sizeof(*h) || memcmp(h->magic, magic, 8) || memcmp(h->key, key->digest, 32) ||
	    h->len != size - sizeof(*h))
		return NULL;
	digest(h + 1, h->len, contents);
	if (memcmp(contents, h->contents, 32))
		return NULL;
	return hs_deserialize_database((const char *)(h + 1), h->len, &db) == HS_SUCCESS ? db : NULL;
}

struct hs_database *cache_get(const char *folder, const struct cache_key *key, bool *damaged)
{
	char path[CACHE_PATH];
	struct stat st;
	struct hs_database *db = NULL;
	*damaged = false;
	cache_path(folder, key, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		uint8_t *file = malloc(st.st_size); // not mapped: a file cut short while it is read would be a signal
		ssize_t n = 0, got = 0;
		while (file && got < st.st_size && (n = read(fd, file + got, st.st_size - got)) > 0)
			got += n;
		if (file && got == st.st_size)
			db = read_database(file, got, key);
		free(file);
	}
	close(fd);
	*damaged = !db;
	return db;
}

static bool write_all(int fd, const void *p, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, (const char *)p + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
	}
	return true;
}

int cache_put(const char *folder, const struct cache_key *key, const struct hs_database *db)
{
	char path[CACHE_PATH], beside[CACHE_PATH + 32], *bytes = NULL;
	size_t len = 0;
	struct header h;
	memcpy(h.magic, magic, sizeof(h.magic));
	memcpy(h.key, key->digest, sizeof(h.key));
	if (mkdir(folder, 0700) && errno != EEXIST)
		return -errno;
	cache_path(folder, key, path);
	snprintf(beside, sizeof(beside), "%s.%d", path, getpid());
	if (hs_serialize_database(db, &bytes, &len) != HS_SUCCESS)
		return -ENOMEM;
	h.len = len;
	digest(bytes, len, h.contents);
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool done = fd >= 0 && write_all(fd, &h, sizeof(h)) && write_all(fd, bytes, len);
	if (fd >= 0)
		done = close(fd) == 0 && done;
	if (done)
		done = rename(beside, path) == 0;
	int rc = done ? 0 : -errno;
	if (!done)
		unlink(beside);
	free(bytes);
	return rc;
}
