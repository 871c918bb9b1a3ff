// SPDX-License-Identifier: BSD-3-Clause
//
// TCP segments whose checksum is wrong although their receiver took them. Captures are edited (names blanked, addresses
// replaced) by tools that leave the checksum as it was. Such a segment is vouched for when the other side's ACK covers
// its end afterwards, and no segment of its direction, of which the sum is right or cannot be verified, carries any of
// its bytes anywhere in the capture. The second half is what makes it safe: an insertion (a segment that the receiver
// discards, to be followed by the real one) is followed, or preceded, by the real one.
//
// It takes two readings of the capture ahead of the corridor, made by whoever owns it (replay):
//   vouched_note for every TCP segment, remembers the wrong ones; vouched_settle; vouched_note for every segment again,
//   compares them; from then on vouched_for answers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct senders;
struct vouched;

struct vouched_segment {
	uint64_t tenant, time_ns;
	const uint8_t *src, *dst; // 4 or 16 bytes each, unaligned
	const uint8_t *bytes;     // its len bytes of payload; looked at only where wrong
	uint32_t seq, ack, len;
	uint16_t sport_be, dport_be;
	uint8_t version, flags; // of IP; of TCP
	bool wrong;             // the checksum was verified and is wrong
};

// NULL: no memory. All of it is taken here; what is not used is not touched.
struct vouched *vouched_new(uint64_t seed);
void vouched_free(struct vouched *v);
void vouched_clear(struct vouched *v);

void vouched_note(struct vouched *v, const struct vouched_segment *s);
// After the first reading. Those of senders that offload are forgotten: they are excused anyway. Returns how many
// segments a second reading would be for.
size_t vouched_settle(struct vouched *v, struct senders *senders);
// The readings did not see everything: nothing is vouched for.
void vouched_doubt(struct vouched *v);
bool vouched_for(const struct vouched *v, const struct vouched_segment *s);
