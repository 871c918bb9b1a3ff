// SPDX-License-Identifier: BSD-3-Clause
//
// PCI devices: any that DPDK has a driver for. What ENA wants beside is in port.c (its RSS key), port_watch.c (its
// watchdog and resets) and here (its large headers).
#include "base/port_pci.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/port_life.h"

#define PATH_BYTES 320
#define MAKER_AMAZON 0x1d0f
#define MAKER_MELLANOX 0x15b3

static const char *root = "/sys/bus/pci/devices", *list = "/sys/kernel/debug/x86/pat_memtype_list";

void port_pci_root(const char *folder, const char *mapped)
{
	root = folder;
	list = mapped;
}

// Of PCI devices the maker tells which drivers may know it.
static const struct maker {
	unsigned id;
	const char *plugins[PORT_PLUGINS_MAX];
} makers[] = {
	{0x1d0f, {"librte_net_ena"}},
	{0x8086,
	 {"librte_net_e1000", "librte_net_igc", "librte_net_ixgbe", "librte_net_i40e", "librte_net_ice",
	  "librte_net_iavf", "librte_net_idpf"}},
	{0x15b3, {"librte_net_mlx5", "librte_net_mlx4"}},
	{0x1af4, {"librte_net_virtio"}},
	{0x15ad, {"librte_net_vmxnet3"}},
	{0x1ae0, {"librte_net_gve"}},
	{0x14e4, {"librte_net_bnxt", "librte_net_bnx2x"}},
	{0x1425, {"librte_net_cxgbe"}},
	{0x1077, {"librte_net_qede"}},
	{0x1924, {"librte_net_sfc"}},
	{0x1137, {"librte_net_enic"}},
	{0x1dd8, {"librte_net_ionic"}},
};

static unsigned pci_maker(const char *device)
{
	char path[PATH_BYTES];
	unsigned id = 0;
	snprintf(path, sizeof(path), "%s/%s/vendor", root, device);
	FILE *f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%x", &id) != 1)
		id = 0;
	fclose(f);
	return id;
}

unsigned port_pci_plugins(const char *device, const char *out[PORT_PLUGINS_MAX])
{
	unsigned id = pci_maker(device), n = 0;
	for (size_t i = 0; i < RTE_DIM(makers); i++) {
		for (; makers[i].id == id && n < PORT_PLUGINS_MAX && makers[i].plugins[n]; n++)
			out[n] = makers[i].plugins[n];
	}
	return n;
}

// GENEVE's headers and the inner ones are 122 bytes; ENA pushes 96 to the device unless it is told (platform.md 3.1).
int port_pci_args(const struct port_config *c, unsigned queues, unsigned mtu, char *out, size_t size)
{
	bool large = c->large_headers && pci_maker(c->device) == MAKER_AMAZON;
	return snprintf(out, size, "%s%s%s", large ? "large_llq_hdr=1" : "", large && c->extra[0] ? "," : "", c->extra);
}

int port_pci_combines(const char *device)
{
	char path[PATH_BYTES], line[256], start[32] = "";
	unsigned long long from = 0;
	snprintf(path, sizeof(path), "%s/%s/resource", root, device);
	FILE *f = fopen(path, "r");
	for (unsigned bar = 0; f && bar <= 2 && fgets(line, sizeof(line), f); bar++)
		from = bar == 2 ? strtoull(line, NULL, 16) : 0;
	if (f)
		fclose(f);
	f = from && pci_maker(device) == MAKER_AMAZON ? fopen(list, "r") : NULL;
	if (!f)
		return -1;
	snprintf(start, sizeof(start), "%llx-", from);
	int rc = 0;
	while (!rc && fgets(line, sizeof(line), f))
		rc = strstr(line, start) && strstr(line, "write-combining");
	fclose(f);
	return rc;
}

// The kernel's driver of it: "ena", "vfio-pci"; empty: none.
static void bound_to(const char *device, char *name, size_t size)
{
	char path[PATH_BYTES], target[PATH_BYTES];
	snprintf(path, sizeof(path), "%s/%s/driver", root, device);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	const char *last = strrchr(target, '/');
	snprintf(name, size, "%.*s", (int)size - 1, last ? last + 1 : target);
}

static bool folder_empty(const char *path)
{
	unsigned n = 0;
	DIR *d = opendir(path);
	for (const struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n == 0;
}

int port_pci_ready(const struct port_config *c, const struct port_why *why)
{
	static const char *const for_us[] = {"vfio-pci", "igb_uio", "uio_pci_generic"};
	char path[PATH_BYTES], driver[64];
	snprintf(path, sizeof(path), "%s/%s", root, c->device);
	if (access(path, F_OK) != 0)
		return port_because(why, -ENODEV, "%s: no PCI device %s (lspci -D)", c->name, c->device);
	bound_to(c->device, driver, sizeof(driver));
	for (size_t i = 0; i < RTE_DIM(for_us); i++) {
		if (strcmp(driver, for_us[i]) == 0)
			return 0;
	}
	if (pci_maker(c->device) == MAKER_MELLANOX) // shares it with the kernel
		return 0;
	// without an IOMMU, as on virtual EC2 instances, vfio-pci of stock kernels takes none
	bool iommu = !folder_empty("/sys/kernel/iommu_groups");
	return port_because(why, -EBUSY, "%s: %s belongs to %s, not to us (dpdk-devbind.py --bind=%s %s)", c->name,
			    c->device, driver[0] ? driver : "nobody", iommu ? "vfio-pci" : "igb_uio", c->device);
}
