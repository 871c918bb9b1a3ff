// SPDX-License-Identifier: BSD-3-Clause
//
// The verb `run`: the appliance, from start to drain. In comes a config; frames pass between its ports until a signal
// ends it. Main thread, which becomes the control thread: it waits for signals, commands and timers, and never for
// anything that takes long.
//
//   start:  config -> forward by the fail mode -> load the policy -> enforce, and say each
//   HUP:    load the policy again; what is wrong with it is said, and what was in force stays (run_life.c); open sinks
//           again
//   TERM:   stop receiving, let what is inside leave, write the records, exit 0; again: end at once
//   a worker that stalls: the program starts itself again, where nothing takes the worker's place
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/eal.h"
#include "base/log.h"
#include "cmd.h"
#include "option.h"
#include "run_life.h"
#include "ctl/control.h"
#include "ctl/copies.h"
#include "ctl/from_kafka.h"
#include "ctl/kernel.h"
#include "ctl/loop.h"
#include "ctl/privilege.h"
#include "ctl/reload.h"
#include "ctl/state.h"
#include "ship/deliver.h"

#define WATCH_MS 100
#define TICK_MS 1000

static void usage(FILE *out)
{
	fputs("usage: sluice run -c CONFIG [--set KEY=VALUE]...\n\n"
	      "The appliance: frames pass between the ports of CONFIG, judged by its policy, until SIGTERM or SIGINT.\n"
	      "SIGHUP loads the policy again, one with errors changes nothing, and opens the files of records "
	      "again.\n\n"
	      "  -c, --config FILE    what to run; `sluice check FILE` says what is wrong with it\n"
	      "      --set KEY=VALUE  instead of what the file says, such as --set workers.idle=busy\n"
	      "  -h, --help           this\n\n"
	      "example: sluice run -c configs/bridge.json\n",
	      out);
}

// -1: go on
static int options(struct run *r, int argc, char **argv)
{
#define O(field) OPTION_AT(struct run, field)
	static const struct option_row rows[] = {
		{"config", 'c', "FILE", OPTION_TEXT, O(file)},
		{"set", 0, "KEY=VALUE", OPTION_LIST, O(sets), offsetof(struct run, nsets), .high = SETS_MAX},
		{"help", 'h', NULL, OPTION_SHOW, .show = usage}};
#undef O
	static const struct option_table table = OPTION_TABLE("run", rows);
	int rc = option_read(&table, r, argc, argv);
	if (rc < 0 && optind < argc)
		return option_mistake("run", "one word too many: %.80s", argv[optind]);
	return rc >= 0 || r->file ? rc : option_mistake("run", "which config? sluice run -c CONFIG");
}

// ---- what is said ------------------------------------------------------------------------------------------------

static void banner_line(void *arg, const char *key, const char *json, const char *origin)
{
	(void)origin;
	if (!strncmp(key, "fail.", 5))
		fprintf(arg, "%s%s=%s", ftell(arg) ? " " : "", key + 5, json);
}

static void banner(const struct run *r)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	if (f) {
		config_each(&r->config, banner_line, f);
		fclose(f);
	}
	log_say(LOG_NOTICE, "run", "sluice " SLUICE_VERSION " node=%s config=%s", r->config.node, r->config.file);
	log_say(LOG_NOTICE, "run", "fail modes %s", text ? text : "");
	free(text);
	for (unsigned i = 0; i < r->config.npaths; i++) {
		const struct config_path *p = &r->config.paths[i];
		log_say(LOG_NOTICE, "run", "path mode=%s ports=%s%s%s", config_modes[p->mode],
			r->config.ports[p->ports[0]].port.name, p->nports > 1 ? "," : "",
			p->nports > 1 ? r->config.ports[p->ports[1]].port.name : "");
	}
}

// ---- events ------------------------------------------------------------------------------------------------------

static void caught(void *arg, int signal)
{
	struct run *r = arg;
	if (signal == SIGHUP) {
		deliver_reopen(r->appliance.records.deliver);
		copies_reopen(&r->appliance);
		life_reload(r);
		return;
	}
	const char *name = signal == SIGTERM ? "SIGTERM" : "SIGINT";
	log_say(LOG_NOTICE, "run", "%s: draining within_ms=%u", name, r->config.workers.drain_ms);
	STATE_SAY(&r->appliance, "draining", STATE_TEXT("detail", name));
	loop_stop(r->loop, EXIT_DONE);
}

static void watch(void *arg)
{
	struct run *r = arg;
	appliance_watch(&r->appliance);
	if (appliance_stuck(&r->appliance))
		life_again(r);
}

static void tick(void *arg)
{
	appliance_tick(&((struct run *)arg)->appliance);
}

static bool listen_for(struct run *r)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (loop_signal(r->loop, signals[i], caught, r) < 0)
			return false;
	return loop_timer(r->loop, WATCH_MS, WATCH_MS, watch, r) >= 0 &&
	       loop_timer(r->loop, TICK_MS, TICK_MS, tick, r) >= 0;
}

// What needs root is open; from here on the process is as weak as it can be.
static struct control *open_all(struct run *r)
{
	struct control *control = NULL;
	life_folders(r);
	int rc = appliance_open(&r->appliance, &r->config);
	if (rc == -EAGAIN && !getenv(EAL_SMALL) && setenv(EAL_SMALL, "1", 1) == 0)
		privilege_again(r->argv);
	if (rc < 0 || kernel_listen(&r->appliance, r->loop) < 0 || !(control = control_open(r->loop, &r->appliance)))
		return NULL;
	if (privilege_drop(&r->config) == 0 && appliance_start(&r->appliance) == 0)
		return control;
	control_close(control);
	return NULL;
}

static int serve(struct run *r)
{
	int status = -1;
	struct control *control = open_all(r);
	if (control) {
		log_say(LOG_NOTICE, "run", "forwarding workers=%u; %s", r->appliance.nworkers,
			r->config.fail.no_policy_closed
				? "fail.no_policy=closed: all frames are dropped until the policy is loaded"
				: "not judged until the policy is loaded");
		STATE_SAY(&r->appliance, "started", STATE_TEXT("sluice", SLUICE_VERSION),
			  STATE_TEXT("config", r->config.file), STATE_NUMBER("workers", r->appliance.nworkers));
		life_begin(r);
		status = loop_run(r->loop);
	}
	appliance_end(&r->appliance);
	life_deadline(r, r->config.workers.drain_ms);
	from_kafka_stop(&r->appliance);
	control_close(control);
	bool holds = appliance_close(&r->appliance);
	status = status < 0 ? EXIT_ENVIRONMENT : holds ? status : EXIT_FINDINGS;
	life_ended(status);
	return status;
}

int run_main(int argc, char **argv)
{
	static struct run r;
	int rc = options(&r, argc, argv);
	if (rc >= 0)
		return rc;
	rc = config_load(&r.config, r.file, r.sets, r.nsets, stderr);
	if (rc < 0)
		return rc == -EINVAL ? EXIT_FINDINGS : EXIT_ENVIRONMENT;
	r.loop = loop_new();
	if (!r.loop || !listen_for(&r)) { // signals are blocked before any thread is started
		log_say(LOG_ERROR, "run", "no event loop: %s", strerror(errno));
		return EXIT_ENVIRONMENT;
	}
	life_level(&r.config);
	banner(&r);
	r.argv = argv - 1; // the verb's place is argv[0]'s
	rc = serve(&r);
	if (r.appliance.abandoned || !reload_ended(&r.appliance))
		_exit(rc);
	eal_fini();
	loop_free(r.loop);
	return rc;
}
