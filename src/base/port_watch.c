// SPDX-License-Identifier: BSD-3-Clause
//
// A port's life after open, looked at each second by the control thread: what happened to it becomes an event, and
// what is away is tried again. The driver's own alarms (reset, removal) come on DPDK's interrupt thread, which only
// leaves a note in port->signal. Polling, not netlink: a second is what the owner's timer has anyway, and a message
// that is lost (ENOBUFS) would leave a port dead.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_timer.h>

#include "base/port_hold.h"
#include "base/port_kernel.h"
#include "base/port_kind.h"
#include "base/port_life.h"
#include "base/port_xsk.h"

enum signal { SIGNAL_NONE, SIGNAL_RESET, SIGNAL_REMOVED };

const char *port_event_name(enum port_event_kind kind)
{
	static const char *const names[] = {
		[PORT_NOTE] = "note", [PORT_LINK_UP] = "link up", [PORT_LINK_DOWN] = "link down",
		[PORT_GONE] = "gone", [PORT_RESET] = "reset",     [PORT_BACK] = "back"};
	return names[kind];
}

void port_say(const struct port *p, enum port_event_kind kind, const char *format, ...)
{
	char text[320];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (p->owner.event)
		p->owner.event(p->owner.arg, &(struct port_event){kind, p, text});
}

static int alarmed(uint16_t id, enum rte_eth_event_type event, void *arg, void *unused)
{
	struct port *p = arg;
	atomic_store(&p->signal, event == RTE_ETH_EVENT_INTR_RMV ? SIGNAL_REMOVED : SIGNAL_RESET);
	return 0;
}

void port_watch_begin(struct port *p)
{
	atomic_store(&p->signal, SIGNAL_NONE);
	rte_eth_dev_callback_register(p->id, RTE_ETH_EVENT_INTR_RESET, alarmed, p);
	rte_eth_dev_callback_register(p->id, RTE_ETH_EVENT_INTR_RMV, alarmed, p);
}

void port_watch_end(struct port *p)
{
	rte_eth_dev_callback_unregister(p->id, RTE_ETH_EVENT_INTR_RESET, alarmed, p);
	rte_eth_dev_callback_unregister(p->id, RTE_ETH_EVENT_INTR_RMV, alarmed, p);
}

static bool has_interface(const struct port *p)
{
	return port_kinds[p->config.type].kernel || port_kinds[p->config.type].makes_interface;
}

// Interfaces of the kernel say it themselves; of DPDK's drivers the status counts and never the speed, which is 0 on
// ENA. Some have none.
static bool link_now(const struct port *p)
{
	struct rte_eth_link link = {0};
	if (has_interface(p))
		return port_kernel_link(p->config.device);
	return rte_eth_link_get_nowait(p->id, &link) < 0 || link.link_status == RTE_ETH_LINK_UP;
}

// A card whose alarms do not come never says that it has a link: DPDK's drivers are believed once they have said so.
static void watch_link(struct port *p)
{
	bool link = link_now(p);
	p->links |= link || has_interface(p);
	atomic_store_explicit(&p->sends, link || !p->links, memory_order_relaxed);
	if (link == p->link)
		return;
	p->link = link;
	if (link)
		port_say(p, PORT_LINK_UP, "%s: link up", p->config.name);
	else
		port_say(p, PORT_LINK_DOWN, "%s: no link: nothing comes in or goes out until it is back%s%s%s",
			 p->config.name, has_interface(p) ? " (ip link show " : "",
			 has_interface(p) ? p->config.device : "", has_interface(p) ? ")" : "");
}

// Whether it still is the interface that was opened: one that was deleted and made again has another index.
static bool interface_there(const struct port *p)
{
	return !has_interface(p) || port_kernel_index(p->config.device) == p->ifindex;
}

static void leave(struct port *p)
{
	port_lower(p);
	p->link = false;
	p->away_s = 0;
}

static int come_back(struct port *p, enum port_event_kind kind)
{
	char why[256];
	const struct port_why to = {why, sizeof(why)};
	int rc = kind == PORT_RESET ? port_reset(p, &to) : port_attach(p, &to);
	if (rc < 0) {
		p->away_s++;
		if (kind == PORT_RESET)
			port_say(p, PORT_GONE, "%s", why);
		return rc;
	}
	port_raise(p);
	port_say(p, kind, kind == PORT_BACK ? "%s: back after %u s" : "%s: was reset", p->config.name, p->away_s);
	return 0;
}

// Somebody set another MTU: rings and buffers are for the old one.
static bool resized(const struct port *p)
{
	uint16_t mtu;
	return port_kinds[p->config.type].kernel && port_kernel_mtu(p->config.device, &mtu) == 0 && mtu != p->mtu;
}

// What port_giant.c could not stop. Said once.
static void watch_length(struct port *p)
{
	if (p->long_said || port_too_long(p) == 0)
		return;
	p->long_said = true;
	port_say(p, PORT_NOTE,
		 "%s: frames longer than the MTU of %u come in and are dropped (ethtool -K %s gro off lro off; where "
		 "they are sent, tso off gso off)",
		 p->config.name, p->mtu, p->config.device);
}

int port_tick(struct port *p)
{
	port_hold_answer(p->hold);
	if (!atomic_load(&p->up))
		return come_back(p, PORT_BACK);
	if (p->config.type == PORT_PCI)
		rte_timer_manage(); // ENA's watchdog runs in it, on the thread that started the port
	enum signal heard = (enum signal)atomic_exchange(&p->signal, SIGNAL_NONE);
	if (heard == SIGNAL_REMOVED || !interface_there(p)) {
		leave(p);
		port_detach(p);
		port_say(p, PORT_GONE, "%s: %s is gone; looked for each second", p->config.name,
			 p->config.device[0] ? p->config.device : "its device");
		return -ENODEV;
	}
	if (heard == SIGNAL_RESET || resized(p) || (p->xsk && !port_xsk_attached(p->xsk))) {
		leave(p);
		return come_back(p, PORT_RESET);
	}
	p->ring_full += port_kernel_packet_dropped(p->sockets, p->nsockets);
	watch_length(p);
	watch_link(p);
	return 0;
}
