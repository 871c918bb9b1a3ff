// SPDX-License-Identifier: BSD-3-Clause
//
// Answers of health checks (platform.md's table: TCP, or HTTP with a path and statuses 200 to 399). In come probes at
// the addresses of gwlb ports; out go 200 while workers have their heartbeats and a policy is in force, else 503.
// Control thread, by the pages of ctl/http.c.
//
// The probe itself walks the data path: the port, a worker, the kernel's end of the port. So where a worker stalls, its
// SYN is not answered at all, and a check that only opens a connection fails as well.
#include "ctl/health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "ctl/http.h"
#include "ctl/kernel.h"
#include "ctl/metrics.h"

#define LISTENERS (CONFIG_PATHS * EGRESS_NETS)

struct health {
	struct http *http[LISTENERS];
	unsigned n;
};

static const struct http_page pages[] = {{"/", "application/json", metrics_ready},
					 {"/health", "application/json", metrics_ready},
					 {"/healthz", "application/json", metrics_ready},
					 {"/readyz", "application/json", metrics_ready},
					 {0}};

static int listen_at(struct health *h, struct appliance *a, struct loop *l, const struct lane_net *net, unsigned port)
{
	char host[INET6_ADDRSTRLEN], address[INET6_ADDRSTRLEN + 16], why[256];
	inet_ntop(net->len == 4 ? AF_INET : AF_INET6, net->bytes, host, sizeof(host));
	snprintf(address, sizeof(address), net->len == 4 ? "%s:%u" : "[%s]:%u", host, port);
	h->http[h->n] = http_open(l, address, pages, a, why, sizeof(why));
	if (!h->http[h->n]) {
		log_say(LOG_ERROR, "http", "health checks cannot be answered at %s: %s", address, why);
		return -EADDRINUSE;
	}
	log_say(LOG_NOTICE, "http", "health checks are answered at=%s", address);
	h->n++;
	return 0;
}

int health_open(struct appliance *a, struct loop *l, struct health **out)
{
	struct health *h = *out = calloc(1, sizeof(*h));
	int rc = h ? 0 : -ENOMEM;
	for (unsigned i = 0; i < a->config->npaths && rc == 0; i++) {
		const struct config_path *p = &a->config->paths[i];
		struct lane_net nets[EGRESS_NETS];
		unsigned n = 0;
		if (p->mode == CONFIG_GWLB && p->health_port)
			n = kernel_nets(a, p->ports[0], nets, EGRESS_NETS);
		for (unsigned j = 0; j < n && rc == 0; j++)
			rc = listen_at(h, a, l, &nets[j], p->health_port);
	}
	return rc;
}

void health_close(struct health *h)
{
	for (unsigned i = 0; h && i < h->n; i++)
		http_close(h->http[i]);
	free(h);
}
