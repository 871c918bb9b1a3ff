#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Squid asks Sluice about each request: an external ACL helper with channels, so that any number wait at a time.

In squid.conf:
    external_acl_type sluice concurrency=1000 children-max=1 children-startup=1 ttl=0 negative_ttl=0 \\
        %>a %un %>rm %>ru %>ha{User-Agent} /etc/squid/squid_decisions.py -b 10.0.0.5:9092
    acl sluice external sluice
    http_access deny !sluice
    http_access allow localnet

Squid writes `CHANNEL SRC USER METHOD URL AGENT`, each word percent-encoded, `-` for none; the answer is `CHANNEL OK` or
`CHANNEL ERR message=...`, which the page ERR_ACCESS_DENIED shows as %o. Lies beside decisions.py.

usage: squid_decisions.py [-b BROKERS] [-X KEY=VALUE]... [-t SECONDS] [--default allow|deny]"""
import argparse
import os
import sys
import urllib.parse

from decisions import Decisions


def request(words):
    src, user, method, url, agent = [None if w == "-" else urllib.parse.unquote(w) for w in (words + ["-"] * 5)[:5]]
    return {"src": src, "user": user, "method": method, "url": url, "headers": {"User-Agent": agent} if agent else {}}


def main():
    a = argparse.ArgumentParser()
    a.add_argument("-b", "--brokers", default="127.0.0.1:9092")
    a.add_argument("-X", action="append", default=[], metavar="KEY=VALUE")
    a.add_argument("-t", "--timeout", type=float, default=1)
    a.add_argument("--default", choices=["allow", "deny"], default="deny")
    a = a.parse_args()
    sluice = Decisions({"bootstrap.servers": a.brokers, **dict(x.split("=", 1) for x in a.X)}, a.timeout, a.default)

    def answer(channel, d):
        why = urllib.parse.quote("%s (%s)" % (d["reason"] or "refused by policy", d["rule"]))
        # one write a line: Squid 5 loses the channel of one that comes in two pieces, and refuses
        os.write(1, ("%s %s\n" % (channel, "OK" if d["verdict"] == "allow" else "ERR message=" + why)).encode())

    for line in sys.stdin:
        channel, *words = line.split()
        sluice.ask_later(lambda d, channel=channel: answer(channel, d), **request(words))
    sluice.close()


if __name__ == "__main__":
    main()
