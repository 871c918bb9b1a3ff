# SPDX-License-Identifier: BSD-3-Clause
"""Random policies over what tests/captures say: rng is asked for all that varies; more: conditions beside those here, as functions."""


def condition(rng, more=()):
    pick = rng.choice
    return pick([*more,
        lambda: ("host", {"suffix": pick([".test", "example.test", "est", "fd99::2"])}),
        lambda: ("host", pick(["www.example.test", "www.example.test", "other.test"])),
        lambda: ("host", {"present": pick([True, False])}),
        lambda: ("host", {"in": "names"}),
        lambda: ("src", pick(["10.99.0.1", "10.0.0.0/8", "fd99::/64", "192.0.2.1"])),
        lambda: ("dst", {"in": "nets"}),
        lambda: ("dport", pick([80, 443, 53, 22, 25, [80, 443], {"range": "1-1023"}, {"not": 53}])),
        lambda: ("proto", pick(["tcp", "udp"])),
        lambda: ("app", pick(["tls", "http", "dns", "quic", "ssh", ["http", "tls"]])),
        lambda: ("http.path", pick([{"regex": "^/[a-z]*$"}, {"prefix": "/"}, {"contains": "old"}, "/"])),
        lambda: ("http.method", pick(["GET", "POST", {"not": "GET"}])),
        lambda: ("tls.alpn", pick(["h2", "http/1.1", {"present": False}])),
        lambda: ("dns.qname", {"contains": pick(["e", "www", "x"])}),
        lambda: ("dns.qtype", pick(["A", "AAAA", ["A", "HTTPS"]])),
        lambda: ("ip.version", pick([4, 6])),
    ])()


def rule(rng, i, more=()):
    action = rng.choice(["allow", "deny", "deny", "tag", "alert"])
    made = {"id": f"r{i}", "action": action, "when": dict(condition(rng, more) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])))}
    if rng.random() < 0.15:
        made["when"]["any"] = [dict([condition(rng, more)]) for _ in range(2)]
    if action == "tag":
        made["tag"] = rng.choice("ab")
    elif rng.random() < 0.1:
        made["when"]["tag"] = rng.choice("ab")
    if action == "deny" and rng.random() < 0.3:
        made["respond"] = "drop"
    if rng.random() < 0.1:
        made["mode"] = "shadow"
    return made


def policy(rng, more=()):
    return {"default": {"action": rng.choice(["allow", "deny"])},
            "sets": {"names": {"type": "domain", "items": ["example.test", "=other.test"]}, "nets": {"type": "net", "items": ["10.99.0.0/24", "fd99::/16"]}},
            "rules": [rule(rng, i, more) for i in range(rng.randint(2, 9))]}
