// SPDX-License-Identifier: BSD-3-Clause
#include "rooms.h"
#include "stream.h"

int stream_init(struct worker *w) { return 0; }
void stream_fini(struct worker *w) {}
void stream_burst(struct worker *w, struct burst *b) {}
bool stream_view(struct worker *w, struct flow *f, unsigned dir, struct stream_view *v) { return false; }
void stream_consume(struct worker *w, struct flow *f, unsigned dir, uint32_t n) {}
void stream_skip(struct worker *w, struct flow *f, unsigned dir, uint64_t n) {}
void stream_need(struct worker *w, struct flow *f, unsigned dir, uint32_t need) {}
uint32_t stream_needs(struct worker *w, struct flow *f, unsigned dir) { return 0; }
void stream_stop(struct worker *w, struct flow *f, unsigned dir) {}
bool stream_flush(struct worker *w, struct flow *f, unsigned dir) { return false; }
void *stream_app_state(struct worker *w, struct flow *f) { return NULL; }
uint32_t *stream_inspect_words(struct worker *w, struct flow *f) { return NULL; }
struct origin stream_origin(struct worker *w, const struct flow *f, unsigned dir, uint64_t offset, uint32_t len)
{
	return (struct origin){0};
}
void stream_end(struct worker *w, struct flow *f) {}
