// SPDX-License-Identifier: BSD-3-Clause
//
// One item more or less in a set of the policy in force. Done when the answer is given: it takes microseconds, so the
// control thread does it itself. Said in the log and as a record: who comes next must see why the policy is not its
// file.
#include <errno.h>
#include <time.h>

#include "base/log.h"
#include "ctl/appliance.h"
#include "ctl/change.h"
#include "ctl/state.h"
#include "live/standing.h"
#include "base/clock.h"
#include "policy/edit.h"

static json_t *edit(struct appliance *a, struct call *c, bool add)
{
	const char *set = call_value(c, "set"), *item = call_value(c, "item");
	struct edit e;
	uint64_t at = clock_ns(CLOCK_MONOTONIC);
	int rc = standing_edit(a->standing, set, item, add, &e);
	double us = (double)(clock_ns(CLOCK_MONOTONIC) - at) / 1e3;
	if (rc == -EINVAL)
		return call_fail(c, CALL_USAGE, "%s", e.why);
	if (rc < 0)
		return call_fail(c, rc == -ENOENT ? CALL_FINDINGS : CALL_ENVIRONMENT, "%s", e.why);
	if (e.changed) {
		STATE_SAY(a, add ? "set_add" : "set_del", STATE_TEXT("set", set), STATE_TEXT("item", item),
			  STATE_NUMBER("added", e.now.added), STATE_NUMBER("removed", e.now.removed));
		log_say(LOG_NOTICE, "policy", "set %s set=%s item=%s added=%lu removed=%lu", add ? "add" : "del", set,
			item, e.now.added, e.now.removed);
	}
	json_t *o = json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:f}", "set", set, "item", item, "changed", e.changed, "items",
			      (json_int_t)(e.now.loaded + e.now.added - e.now.removed), "added",
			      (json_int_t)e.now.added, "removed", (json_int_t)e.now.removed, "took_us", us);
	if (e.why[0])
		json_object_set_new(o, "warning", json_string(e.why));
	return o;
}

json_t *change_set_add(struct appliance *a, struct call *c)
{
	return edit(a, c, true);
}

json_t *change_set_del(struct appliance *a, struct call *c)
{
	return edit(a, c, false);
}
