// SPDX-License-Identifier: BSD-3-Clause
//
// The bytes of a capture file, wherever they lie: a file, a pipe, memory; plain, gzip or zstd.
#pragma once

#include <signal.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CAPTURE_HEAD 24 // bytes of a pcap file header

struct capture_file;

// A handler of signals: from then on reads of what may keep them waiting (pipes) are at their end, and capture_stop is
// the signal. After capture_interruptible, which answers 0 or -errno.
int capture_interruptible(void);
void capture_interrupt(int sig);
extern _Atomic int capture_stop; // other threads look at it, too

// Opens path ("-": standard input) and looks at its first bytes. NULL: err says why, in words after "path: ".
struct capture_file *capture_file_open(const char *path, char *err, size_t err_len);
// The same over memory, which must live as long.
struct capture_file *capture_file_memory(const void *p, size_t len, char *err, size_t err_len);
// A stream of the plain bytes with a buffer of buffer_bytes; fclose ends it and the file.
FILE *capture_file_stream(struct capture_file *f, size_t buffer_bytes);
void capture_file_close(struct capture_file *f); // only where no stream was made

// The first bytes, decompressed, as they stand in the file; fewer than CAPTURE_HEAD where it is shorter.
const uint8_t *capture_file_head(const struct capture_file *f, size_t *len);
// Changes a byte of the head as readers of the stream will see it. Before the first read.
void capture_file_patch(struct capture_file *f, size_t at, uint8_t byte);
// What went wrong below the stream (which just ends there); NULL: nothing.
const char *capture_file_error(const struct capture_file *f);
// Progress: bytes taken from the file and its size (0: not known).
uint64_t capture_file_taken(const struct capture_file *f);
uint64_t capture_file_size(const struct capture_file *f);
// A pipe of which nothing is left, where `used` bytes have been taken from the stream: to read on is to wait.
bool capture_file_waits(const struct capture_file *f, uint64_t used);
bool capture_file_seekable(const struct capture_file *f);
