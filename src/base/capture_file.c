// SPDX-License-Identifier: BSD-3-Clause
//
// The bytes of a capture file as a stdio stream, which is what libpcap reads from. Three layers: raw bytes (a file
// descriptor or memory), decompression where the first bytes say gzip (RFC 1952) or zstd (RFC 8878), and the head of
// the plain bytes, kept because the writer of -w wants a file header like the reader's.
//
// Streaming with bounded memory: one block of input, the decompressor's window (zstd: at most 128 MiB, its default
// limit), the buffer of stdio. A decompressor's error ends the stream and is kept for who asks: libpcap would call it
// "truncated". Everything runs on the thread that reads; input never aborts.
// Rejected: mmap (no pipes, SIGBUS where the file shrinks under us).
#include "base/capture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#define BLOCK (128 * 1024)

_Atomic int capture_stop;
static int woken = -1; // readable once capture_interrupt was called

enum packing { PLAIN, GZIP, ZSTD };

struct capture_file {
	int fd; // -1: memory
	const uint8_t *mem;
	size_t mem_len;
	uint64_t taken, size;
	bool seekable, waits; // waits: its bytes come from somebody
	char error[160];

	char *buffer; // of the stream
	uint8_t *in;  // raw bytes not yet used: in[in_at .. in_len)
	size_t in_at, in_len;
	bool in_end;

	enum packing packing;
	z_stream z;
	ZSTD_DStream *zstd;
	bool unit_open; // inside a gzip member or zstd frame: the end of the file here is a cut

	uint8_t head[CAPTURE_HEAD], shown[CAPTURE_HEAD];
	size_t head_len, head_at;
};

static void fail(struct capture_file *f, const char *what, const char *why)
{
	if (!f->error[0])
		snprintf(f->error, sizeof(f->error), "%s%s%s", what, why ? ": " : "", why ? why : "");
}

int capture_interruptible(void)
{
	if (woken < 0)
		woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return woken < 0 ? -errno : 0;
}

void capture_interrupt(int sig)
{
	int saved = errno;
	capture_stop = sig;
	if (eventfd_write(woken, 1) < 0)
		errno = saved;
}

// Until there is something to read, or its end. False: a signal came, if only just before: read(2) would miss that one.
static bool readable(const struct capture_file *f)
{
	struct pollfd p[] = {{.fd = f->fd, .events = POLLIN}, {.fd = woken, .events = POLLIN}};
	while (f->waits && !capture_stop && poll(p, 2, -1) < 0 && errno == EINTR)
		;
	return !f->waits || !capture_stop;
}

static ssize_t raw_read(struct capture_file *f, void *p, size_t len)
{
	ssize_t n;
	if (f->fd < 0) {
		n = len < f->mem_len - f->taken ? len : f->mem_len - f->taken;
		memcpy(p, f->mem + f->taken, n);
	} else {
		do
			n = readable(f) ? read(f->fd, p, len) : 0;
		while (n < 0 && (errno == EINTR || errno == EAGAIN));
	}
	if (n < 0) {
		fail(f, "cannot read", strerror(errno));
		return 0;
	}
	f->taken += n;
	return n;
}

bool capture_file_waits(const struct capture_file *f, uint64_t used)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	return f->fd >= 0 && !f->seekable && f->packing == PLAIN && f->taken == used && poll(&p, 1, 0) == 0;
}

static bool refill(struct capture_file *f)
{
	if (f->in_at < f->in_len)
		return true;
	if (!f->in_end) {
		f->in_at = 0;
		f->in_len = raw_read(f, f->in, BLOCK);
		f->in_end = f->in_len == 0;
	}
	return !f->in_end;
}

static size_t plain_read(struct capture_file *f, uint8_t *p, size_t len)
{
	size_t n = f->in_len - f->in_at;
	if (n == 0)
		return raw_read(f, p, len);
	n = n < len ? n : len;
	memcpy(p, f->in + f->in_at, n);
	f->in_at += n;
	return n;
}

// After a member another may follow (RFC 1952 2.2); what is none (padding) ends the file, as gzip does.
static bool gzip_next_member(struct capture_file *f)
{
	if (!refill(f) || f->in[f->in_at] != 0x1f)
		return false;
	return inflateReset(&f->z) == Z_OK;
}

static size_t gzip_read(struct capture_file *f, uint8_t *p, size_t len)
{
	f->z.next_out = p;
	f->z.avail_out = len;
	while (f->z.avail_out == len && !f->error[0]) {
		if (!f->unit_open && !gzip_next_member(f))
			break;
		f->unit_open = true;
		if (!refill(f)) {
			fail(f, "cut: the gzip data end in the middle", NULL);
			break;
		}
		f->z.next_in = f->in + f->in_at;
		f->z.avail_in = f->in_len - f->in_at;
		int rc = inflate(&f->z, Z_NO_FLUSH);
		f->in_at = f->in_len - f->z.avail_in;
		if (rc == Z_STREAM_END)
			f->unit_open = false;
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			fail(f, "damaged gzip data", f->z.msg);
	}
	return len - f->z.avail_out;
}

static size_t zstd_read(struct capture_file *f, uint8_t *p, size_t len)
{
	ZSTD_outBuffer out = {p, len, 0};
	while (out.pos == 0 && !f->error[0]) {
		if (!refill(f)) {
			if (f->unit_open)
				fail(f, "cut: the zstd data end in the middle", NULL);
			break;
		}
		ZSTD_inBuffer in = {f->in, f->in_len, f->in_at};
		size_t rc = ZSTD_decompressStream(f->zstd, &out, &in);
		f->in_at = in.pos;
		f->unit_open = rc != 0;
		if (ZSTD_isError(rc))
			fail(f, "damaged zstd data", ZSTD_getErrorName(rc));
	}
	return out.pos;
}

static size_t unpacked_read(struct capture_file *f, uint8_t *p, size_t len)
{
	switch (f->packing) {
	case GZIP:
		return gzip_read(f, p, len);
	case ZSTD:
		return zstd_read(f, p, len);
	default:
		return plain_read(f, p, len);
	}
}

static ssize_t stream_read(void *cookie, char *p, size_t len)
{
	struct capture_file *f = cookie;
	if (f->head_at < f->head_len) {
		size_t n = f->head_len - f->head_at;
		n = n < len ? n : len;
		memcpy(p, f->shown + f->head_at, n);
		f->head_at += n;
		return n;
	}
	return unpacked_read(f, (uint8_t *)p, len);
}

static int stream_close(void *cookie)
{
	capture_file_close(cookie);
	return 0;
}

void capture_file_close(struct capture_file *f)
{
	if (!f)
		return;
	if (f->packing == GZIP)
		inflateEnd(&f->z);
	ZSTD_freeDStream(f->zstd);
	if (f->fd > STDIN_FILENO)
		close(f->fd);
	free(f->buffer);
	free(f->in);
	free(f);
}

FILE *capture_file_stream(struct capture_file *f, size_t buffer_bytes)
{
	FILE *s = fopencookie(f, "r", (cookie_io_functions_t){.read = stream_read, .close = stream_close});
	// glibc takes a size only with the memory for it
	if (s && (f->buffer = malloc(buffer_bytes)))
		setvbuf(s, f->buffer, _IOFBF, buffer_bytes);
	return s;
}

static bool unpack_init(struct capture_file *f)
{
	static const uint8_t gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
	// a pipe may give its first bytes one by one
	while (f->in_len < 4) {
		ssize_t n = raw_read(f, f->in + f->in_len, BLOCK - f->in_len);
		if (n <= 0)
			break;
		f->in_len += n;
	}
	if (f->in_len >= 2 && !memcmp(f->in, gzip, 2)) {
		f->packing = GZIP;
		return inflateInit2(&f->z, 15 + 16) == Z_OK; // 15: window of 32 KiB; +16: gzip header (zlib.h)
	}
	if (f->in_len >= 4 && !memcmp(f->in, zstd, 4)) {
		f->packing = ZSTD;
		return (f->zstd = ZSTD_createDStream()) != NULL;
	}
	return true;
}

static struct capture_file *begin(struct capture_file *f, char *err, size_t err_len)
{
	f->in = malloc(BLOCK);
	if (!f->in || !unpack_init(f)) {
		snprintf(err, err_len, "no memory");
		capture_file_close(f);
		return NULL;
	}
	while (f->head_len < CAPTURE_HEAD) {
		size_t n = unpacked_read(f, f->head + f->head_len, CAPTURE_HEAD - f->head_len);
		if (n == 0)
			break;
		f->head_len += n;
	}
	memcpy(f->shown, f->head, f->head_len);
	if (f->error[0] && f->head_len == 0) {
		snprintf(err, err_len, "%s", f->error);
		capture_file_close(f);
		return NULL;
	}
	return f;
}

struct capture_file *capture_file_open(const char *path, char *err, size_t err_len)
{
	struct stat st = {0};
	// a FIFO that nobody writes yet is waited for where a signal can end it, not in open(2)
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : STDIN_FILENO;
	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(err, err_len, "cannot open: %s", strerror(errno));
		return NULL;
	}
	struct capture_file *f = S_ISDIR(st.st_mode) ? NULL : calloc(1, sizeof(*f));
	if (!f) {
		snprintf(err, err_len, S_ISDIR(st.st_mode) ? "is a directory, not a capture" : "no memory");
		if (fd > STDIN_FILENO)
			close(fd);
		return NULL;
	}
	f->fd = fd;
	f->waits = !S_ISREG(st.st_mode);
	f->seekable = S_ISREG(st.st_mode) && fd != STDIN_FILENO;
	f->size = S_ISREG(st.st_mode) ? st.st_size : 0;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return begin(f, err, err_len);
}

struct capture_file *capture_file_memory(const void *p, size_t len, char *err, size_t err_len)
{
	struct capture_file *f = calloc(1, sizeof(*f));
	if (!f) {
		snprintf(err, err_len, "no memory");
		return NULL;
	}
	f->fd = -1;
	f->mem = p;
	f->mem_len = len;
	f->size = len;
	return begin(f, err, err_len);
}

const uint8_t *capture_file_head(const struct capture_file *f, size_t *len)
{
	*len = f->head_len;
	return f->head;
}

void capture_file_patch(struct capture_file *f, size_t at, uint8_t byte)
{
	if (at < f->head_len)
		f->shown[at] = byte;
}

const char *capture_file_error(const struct capture_file *f)
{
	return f->error[0] ? f->error : NULL;
}

uint64_t capture_file_taken(const struct capture_file *f)
{
	return f->taken - (f->in_len - f->in_at);
}

uint64_t capture_file_size(const struct capture_file *f)
{
	return f->size;
}

bool capture_file_seekable(const struct capture_file *f)
{
	return f->seekable;
}
