// SPDX-License-Identifier: BSD-3-Clause
//
// The verb `run`: the appliance, from start to drain. In comes a config; frames pass between its ports until a signal
// ends it. Main thread, which becomes the control thread: it waits for signals, commands and timers, and never for
// anything that takes long.
//
//   start:  config -> forward by the fail mode -> load the policy -> enforce, and say each
//   HUP:    load the policy again; what is wrong with it is said, and what was in force stays
//   TERM:   stop receiving, let what is inside leave, write the records, exit 0
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/eal.h"
#include "base/log.h"
#include "cmd.h"
#include "ctl/control.h"
#include "ctl/kernel.h"
#include "ctl/loop.h"
#include "ctl/reload.h"

#define SETS_MAX 64
#define WATCH_MS 100
#define TICK_MS 1000

struct run {
	const char *file, *sets[SETS_MAX];
	unsigned nsets;
	struct config config;
	struct appliance appliance;
	struct loop *loop;
	bool again; // SIGHUP came while a policy was loaded
};

static void usage(FILE *out)
{
	fputs("usage: sluice run -c CONFIG [--set KEY=VALUE]...\n\n"
	      "The appliance: frames pass between the ports of CONFIG, judged by its policy, until SIGTERM or SIGINT.\n"
	      "SIGHUP loads the policy again; one with errors changes nothing.\n\n"
	      "  -c, --config FILE    what to run; `sluice check FILE` says what is wrong with it\n"
	      "      --set KEY=VALUE  instead of what the file says, such as --set workers.idle=busy\n"
	      "  -h, --help           this\n\n"
	      "example: sluice run -c configs/bridge.json\n",
	      out);
}

// -1: go on
static int options(struct run *r, int argc, char **argv)
{
	static const struct option table[] = {{"config", 1, 0, 'c'}, {"set", 1, 0, 's'}, {"help", 0, 0, 'h'}, {0}};
	for (int o; (o = getopt_long(argc, argv, "c:h", table, NULL)) != -1;) {
		switch (o) {
		case 'c':
			r->file = optarg;
			break;
		case 's':
			if (r->nsets == SETS_MAX) {
				fprintf(stderr, "sluice run: more than %u --set\n", SETS_MAX);
				return EXIT_USAGE;
			}
			r->sets[r->nsets++] = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_DONE;
		default:
			return EXIT_USAGE;
		}
	}
	if (r->file && optind == argc)
		return -1;
	fputs(r->file ? "sluice run: one word too many; see sluice run --help\n"
		      : "sluice run: which config? sluice run -c CONFIG\n",
	      stderr);
	return EXIT_USAGE;
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
		log_say(LOG_NOTICE, "run", "path mode=%s ports=%s,%s", config_modes[p->mode],
			r->config.ports[p->ports[0]].port.name, r->config.ports[p->ports[p->nports - 1]].port.name);
	}
}

static void said_lines(enum log_level level, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		log_say(level, "policy", "%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

// ---- policy ------------------------------------------------------------------------------------------------------

static void load_policy(struct run *r);

static void loaded(void *arg, const struct reload *l)
{
	struct run *r = arg;
	said_lines(l->rc == 0 ? LOG_INFO : LOG_ERROR, l->said);
	if (l->rc == 0)
		log_say(LOG_NOTICE, "policy",
			"enforcing file=%s version=%u rules=%u sets=%u read_ms=%.0f compile_ms=%.0f publish_ms=%.1f "
			"active on %u/%u workers",
			l->file, l->done.version, l->done.rules, l->done.sets, l->done.read_ms, l->done.compile_ms,
			l->done.publish_ms, l->done.workers, r->appliance.nworkers);
	else
		log_say(LOG_ERROR, "policy", "not loaded file=%s: %s; what was in force stays", l->file,
			l->rc == -EINVAL ? "it has errors" : strerror(-l->rc));
	if (r->again)
		load_policy(r);
}

static void load_policy(struct run *r)
{
	const char *file = r->config.policy.file;
	if (!*file) {
		log_say(LOG_WARNING, "policy", "none in the config: everything goes by fail.no_policy");
		return;
	}
	int rc = reload_begin(&r->appliance, r->loop, file, loaded, r);
	r->again = rc == -EBUSY;
	if (rc < 0 && rc != -EBUSY)
		log_say(LOG_ERROR, "policy", "cannot begin to load file=%s: %s", file, strerror(-rc));
}

// ---- events ------------------------------------------------------------------------------------------------------

static void caught(void *arg, int signal)
{
	struct run *r = arg;
	if (signal == SIGHUP) {
		load_policy(r);
		return;
	}
	log_say(LOG_NOTICE, "run", "%s: draining", signal == SIGTERM ? "SIGTERM" : "SIGINT");
	loop_stop(r->loop, EXIT_DONE);
}

static void watch(void *arg)
{
	appliance_watch(&((struct run *)arg)->appliance);
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

static int serve(struct run *r)
{
	if (appliance_open(&r->appliance, &r->config) < 0 || kernel_listen(&r->appliance, r->loop) < 0) {
		appliance_close(&r->appliance);
		return EXIT_ENVIRONMENT;
	}
	log_say(LOG_NOTICE, "run", "forwarding workers=%u; not judged until the policy is loaded",
		r->appliance.nworkers);
	load_policy(r);
	struct control *control = control_open(r->loop, &r->appliance);
	int status = control ? loop_run(r->loop) : EXIT_ENVIRONMENT;
	control_close(control);
	reload_join(&r->appliance);
	bool holds = appliance_close(&r->appliance);
	log_say(LOG_NOTICE, "run", "ended");
	return status < 0 ? EXIT_ENVIRONMENT : holds ? status : EXIT_FINDINGS;
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
	banner(&r);
	rc = serve(&r);
	eal_fini();
	loop_free(r.loop);
	return rc;
}
