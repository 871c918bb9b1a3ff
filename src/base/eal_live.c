// SPDX-License-Identifier: BSD-3-Clause
//
// DPDK's environment for live ports. In: the ports' configurations, how much memory they take. Out: an EAL that has
// just the drivers that they need, and whose log goes to the caller. On the main thread, once.
//
// Nothing outlives the process: --in-memory takes hugepages without files, --no-shconf (which it implies) writes no
// runtime configuration, so a kill -9 leaves nothing that the next start would trip over. Secondary processes and
// DPDK's telemetry socket are lost with it; neither is wanted.
#include "base/eal.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/port_life.h"
#include "base/port_pci.h"

#define ARGS_MAX 128
#define TEXT_BYTES 8192

struct arguments {
	char *argv[ARGS_MAX];
	int argc;
	char text[TEXT_BYTES];
	size_t used;
};

static struct {
	void (*say)(void *arg, unsigned level, const char *line);
	void *arg;
	bool huge;
} heard;

__attribute__((format(printf, 2, 3))) static void add(struct arguments *a, const char *format, ...)
{
	va_list args;
	if (a->argc + 1 >= ARGS_MAX || a->used >= TEXT_BYTES)
		return;
	va_start(args, format);
	a->argv[a->argc++] = a->text + a->used;
	a->used += vsnprintf(a->text + a->used, TEXT_BYTES - a->used, format, args) + 1;
	va_end(args);
	a->argv[a->argc] = NULL;
}

static uint64_t number_in(const char *path)
{
	uint64_t n = 0;
	FILE *f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

// MiB in hugepages of all sizes that nobody has.
static uint64_t huge_free_mb(void)
{
	glob_t found;
	uint64_t mb = 0;
	if (glob("/sys/kernel/mm/hugepages/hugepages-*kB/free_hugepages", 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *kb = strstr(found.gl_pathv[i], "hugepages-");
		mb += number_in(found.gl_pathv[i]) * strtoull(kb + strlen("hugepages-"), NULL, 10) / 1024;
	}
	globfree(&found);
	return mb;
}

static void add_memory(struct arguments *a, const struct eal_live *live)
{
	bool may = live->pages == EAL_PAGES_HUGE || (live->pages == EAL_PAGES_AUTO && !getenv(EAL_SMALL));
	heard.huge = may && huge_free_mb() >= live->mem_mb;
	add(a, heard.huge ? "--in-memory" : "--no-huge");
	if (!heard.huge)
		add(a, "--no-shconf");
	add(a, "-m");
	add(a, "%u", live->mem_mb);
}

static void add_plugin(struct arguments *a, const char *name)
{
	char file[64];
	snprintf(file, sizeof(file), "%s" DPDK_PLUGIN, name);
	for (int i = 0; i < a->argc; i++) {
		if (strcmp(a->argv[i], file) == 0)
			return;
	}
	add(a, "-d");
	add(a, "%s", file);
}

static void add_device(struct arguments *a, const struct port_config *c)
{
	char args[256];
	port_pci_args(c, 0, 0, args, sizeof(args));
	add(a, "-a");
	add(a, "%s%s%s", c->device, args[0] ? "," : "", args);
}

static void add_ports(struct arguments *a, const struct eal_live *live)
{
	bool pci = false;
	add_plugin(a, "librte_mempool_ring");
	for (unsigned i = 0; i < live->nports; i++) {
		const struct port_config *c = &live->ports[i];
		const char *plugins[PORT_PLUGINS_MAX];
		unsigned n = port_plugins(c, plugins);
		for (unsigned k = 0; k < n; k++)
			add_plugin(a, plugins[k]);
		pci |= c->type == PORT_PCI;
		if (c->type == PORT_PCI && port_pci_ready(c, &(struct port_why){NULL, 0}) == 0)
			add_device(a, c); // else port_open says why not
	}
	if (pci) {
		add(a, "-a");
		add(a, "0000:00:00.0"); // one that is no port: with no device allowed, all would be taken
	} else {
		eal_named_drivers = true; // cards may need one that port_pci.c does not know
		add(a, "--no-pci");
	}
}

static ssize_t hear(void *cookie, const char *text, size_t size)
{
	char line[512];
	size_t n = RTE_MIN(size, sizeof(line) - 1);
	memcpy(line, text, n);
	while (n && (line[n - 1] == '\n' || line[n - 1] == ' '))
		n--;
	line[n] = 0;
	int level = cookie ? rte_log_cur_msg_loglevel() : (int)RTE_LOG_WARNING;
	if (n)
		heard.say(heard.arg, level < 0 ? RTE_LOG_ERR : (unsigned)level, line);
	return (ssize_t)size;
}

static int hear_bpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), format, args);
	if (n > 0 && level != LIBBPF_DEBUG)
		hear(NULL, line, RTE_MIN((size_t)n, sizeof(line) - 1));
	return 0;
}

static void log_to(const struct eal_live *live)
{
	heard.say = live->say;
	heard.arg = live->arg;
	if (live->say)
		libbpf_set_print(hear_bpf);
	FILE *f = live->say ? fopencookie(&heard, "w", (cookie_io_functions_t){.write = hear}) : NULL;
	if (!f)
		return;
	setvbuf(f, NULL, _IOLBF, 0);
	rte_openlog_stream(f);
}

int eal_init_live(const struct eal_live *live)
{
	struct arguments a = {.argc = 0};
	char lcores[512];
	eal_lcores(lcores, sizeof(lcores));
	add(&a, "sluice");
	add_memory(&a, live);
	if (live->pages == EAL_PAGES_HUGE && !heard.huge)
		return -ENOMEM;
	add(&a, "--no-telemetry");
	add(&a, "--log-level=warning");
	add(&a, "--lcores");
	add(&a, "%s", lcores);
	add_ports(&a, live);
	log_to(live);
	if (rte_eal_init(a.argc, a.argv) >= 0)
		return 0;
	// what was counted as free may be reserved, or taken since
	return live->pages == EAL_PAGES_AUTO && heard.huge ? -EAGAIN : -rte_errno;
}

bool eal_huge(void)
{
	return heard.huge;
}
