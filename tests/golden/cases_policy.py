# SPDX-License-Identifier: BSD-3-Clause
"""Policies in line: each field as the condition of an alert that must fire, and of one that must not; what each action does; what
records say of it."""
import cases_dns as dns
import cases_http as http
import cases_quic as quic
import cases_tls as tls
from aead import crypto, initial
from handshakes import extension, hello, message, records, sni
from packets import eth, ip4, ip6, proto, tag, tcp, udp

A, B = "10.0.0.1", "10.0.0.2"
SECURE = ["tcp", A, 40000, B, 443]
CLEAR = ["tcp", A, 40000, B, 80]
ASK = ["udp", A, 40000, B, 53]

HELLO = records(message(1, hello(sni(b"One.Example"), extension(16, b"\0\x0c\2h2\x08http/1.1"))))
AGREED = tls.AGREED
GET = (b"GET http://www.example.test:8080/a/../b%2e?q=1 HTTP/1.1\r\nHost: www.example.test:8080\r\nUser-Agent: curl/8\r\n"
       b"X-Token:  secret \r\nX-Token: other\r\n\r\n")
PLAIN = b"GET /index HTTP/1.1\r\nHost: plain.example.test\r\n\r\n"
OTHER = PLAIN.replace(b"plain", b"other")
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
QUERY = dns.query("www.example.test")
ANSWER = dns.head(flags=0x8180, an=1) + dns.question("www.example.test") + dns.rr(b"\xc0\x0c", 1, bytes([192, 0, 2, 7]))


def at(side, flags, seq, ack, data=b""):
    """a segment of http.talk's connection"""
    ends, ports = ((A, B), (B, A))[side], ((40000, 80), (80, 40000))[side]
    return eth(ip4(*ends, tcp(*ports, flags, seq, ack, data)))


def server_ends(asked, answer):
    return [at(1, "FPA", 5001, 1001 + len(asked), answer)]


def alerts(**fields):
    """A rule for each condition, named as it is."""
    return {"rules": [{"id": k, "action": "alert", "when": w} for k, w in fields.items()]}


def verdict(value, rule, tuple_, of):
    return {"field": "verdict", "value": value, "rule": rule, "tuple": tuple_, "of": of}


def alert(rule, tuple_):
    return {"field": "alert", "value": rule, "tuple": tuple_}


def fields(frames, tuple_, true, false):
    """All of `true` fire, none of `false` does."""
    policy = {"sets": {"internal": {"type": "net", "items": ["10.0.0.1/32"]}},
              **alerts(**{f"t{i}": w for i, w in enumerate(true)}, **{f"f{i}": w for i, w in enumerate(false)})}
    return {"frames": frames, "policy": policy, "args": ["-p", "{}/policy.json"], "drops": {}, "same": True,
            "facts": [alert(f"t{i}", tuple_) for i in range(len(true))],
            "no_facts": [{"field": "alert", "value": f"f{i}"} for i in range(len(false))]}


def acts(frames, by, drops, facts, rules=None, **more):
    case = {"frames": frames, "policy": {"rules": by, **more}, "args": ["-p", "{}/policy.json"], "drops": drops, "facts": facts}
    return case if rules is None else case | {"rules": rules}


def exceeded(rule, frames, bytes_):
    return {"field": "anomaly", "value": "limit.exceeded", "reason": "LIMIT_EXCEEDED", "rule": rule, "frames": frames, "bytes": bytes_}


def pieces(*parts, before=b""):
    """A connection to port 9 whose client's segments are (offset, bytes), after `before`."""
    out = [eth(ip4(A, B, tcp(40000, 9, "S", 100))), eth(ip4(B, A, tcp(9, 40000, "SA", 500, 101))),
           eth(ip4(A, B, tcp(40000, 9, "A", 101, 501)))]
    if before:
        out.append(eth(ip4(A, B, tcp(40000, 9, "PA", 101, 501, before))))
    out += [eth(ip4(A, B, tcp(40000, 9, "PA", 101 + len(before) + at, 501, p))) for at, p in parts]
    return out


NINE = ["tcp", A, 40000, B, 9]
EVIL = [{"id": "evil", "action": "deny", "respond": "drop", "when": {"payload": {"contains": "EVILWORD"}}}]


def answered(message_):
    return eth(ip4(B, A, udp(53, 40000, message_)))


def short(frame, n):
    """of which the first n bytes were captured"""
    return frame[:n], None, len(frame)


ACK = at(0, "A", 1001, 5001)
SIX = ip6("fd00::1", "fd00::2", udp(4000, 53, QUERY), next_header=60, chain=b"\x11\1" + bytes(14))
# whole; before its ports; behind its ports, before its flags; UDP before its ports; within the headers before the protocol; before the addresses;
# a tunnel whose inner segment has no ports
CUT = [ACK, short(ACK, 36), short(ACK, 40), short(eth(ip4(A, B, udp(4000, 53, QUERY))), 36), short(eth(SIX, 0x86DD), 60), short(ACK, 28),
       short(eth(ip4("192.0.2.1", "192.0.2.2", proto(4, ip4(A, B, tcp(40000, 80, "A", 1001, 5001))))), 56)]


def cut(by, drops, rules, *args, **more):
    return {"frames": CUT, "policy": {"rules": by, **more}, "args": ["-p", "{}/policy.json", *args], "drops": drops, "rules": rules,
            "counters": {"frames_cut": 6}, "facts": []}


CASES = {
    # frames that the snap length cut before their ports: what is left of them is judged
    "policy_cut": cut(
        [{"id": "tunnel", "action": "deny", "when": {"src": "192.0.2.1"}}, {"id": "udp", "action": "deny", "when": {"proto": "udp"}},
         {"id": "port", "action": "deny", "when": {"proto": "tcp", "dport": 80}}, {"id": "a", "action": "alert", "when": {"src": A}}],
        {"POLICY_DENY": [1, 3, 4, 7]}, {"port": [1, 3], "udp": [4], "tunnel": [7]}) | {
            "facts": [verdict("deny", "udp", ["udp", A, 0, B, 0], "flow"), verdict("allow", "default", ["tcp", A, 0, B, 0], "flow"),
                      verdict("deny", "tunnel", ["ipip", "192.0.2.1", 0, "192.0.2.2", 0], "flow")]},
    "policy_cut_inner": cut(
        [{"id": "net", "action": "deny", "when": {"dst": [B, "fd00::2"], "ip.version": {"range": "4-6"}}}],
        {"POLICY_DENY": [1, 2, 3, 4, 5, 7]}, {"net": [1, 2, 3, 4, 5, 7]}),
    "policy_cut_default": cut(
        [{"id": "net", "action": "allow", "when": {"src": A, "proto": "tcp"}}],
        {"POLICY_DENY": [4, 5, 6, 7]}, {"default": [4, 5, 6, 7]}, default={"action": "deny"}),
    "policy_cut_drop": cut(
        [{"id": "net", "action": "allow", "when": {"src": A, "proto": "tcp"}}, {"id": "port", "action": "deny", "when": {"dport": 53}}],
        {"POLICY_HOLD": [4, 5, 6]}, {"default": [4, 5, 6]}, "--fail", "hold_exceeded=drop"),
    "policy_cut_pass": cut(
        [{"id": "net", "action": "allow", "when": {"src": A, "proto": "tcp"}}, {"id": "port", "action": "allow", "when": {"dport": 53}}],
        {"POLICY_DENY": [7]}, {"default": [7]}, "--fail", "hold_exceeded=pass", default={"action": "deny"}),
    "policy_first_packet": fields(
        [eth(tag(7, ip4(A, B, udp(4000, 5000, b"nobody's"), ttl=61)), 0x8100)], ["udp", A, 4000, B, 5000],
        [{"src": "10.0.0.0/8"}, {"dst": B}, {"sport": 4000}, {"dport": {"range": [4990, 5010]}}, {"proto": "udp"}, {"ip.version": 4},
         {"ttl": 61}, {"tcp.flags": {"present": False}}, {"tenant": 7}, {"vni": {"present": False}},
         {"direction": "out"}, {"decap.deeper": False}],
        [{"src": B}, {"ttl": 64}, {"tcp.flags": "syn"}, {"direction": "in"}, {"tenant": {"present": False}}, {"ip.version": 6}]),
    "policy_first_flags": fields(
        tls.talk((0, HELLO), (1, AGREED)), SECURE,
        [{"tcp.flags": "syn"}, {"tcp.flags": {"not": "ack"}}, {"tcp.flags": "syn", "ttl": 64, "tls.sni": "one.example"}],
        [{"tcp.flags": "ack", "tls.sni": "one.example"}, {"ttl": 63, "tls.sni": "one.example"}]),
    "policy_tls": fields(
        tls.talk((0, HELLO), (1, AGREED)), SECURE,
        [{"app": "tls"}, {"host": "one.example"}, {"tls.sni": {"suffix": ".example"}}, {"tls.alpn": "h2"}, {"tls.alpn": "http/1.1"},
         {"tls.version": "1.3"}, {"tls.ech": False}, {"tls.ja3": {"present": True}}, {"tls.ja4": {"prefix": "t12d"}},
         {"http.method": {"present": False}}, {"dns.qname": {"present": False}}, {"quic.version": {"present": False}}, {"flow.seen": "both"},
         {"stream.ambiguous": False}, {"host": "one.example", "direction": "out"}],
        [{"app": "http"}, {"host": "two.example"}, {"tls.version": "1.2"}, {"tls.ech": True}, {"tls.ja3": "0" * 32},
         {"http.status": {"present": True}}, {"tls.alpn": {"not": "h2"}}, {"flow.seen": "client"}, {"stream.ambiguous": True}]),
    "policy_http": fields(
        http.talk((0, GET), (1, NOT_FOUND)), CLEAR,
        [{"app": "http"}, {"host": "www.example.test"}, {"http.host": "www.example.test"}, {"http.method": "GET"},
         {"http.uri": {"contains": "a/../b"}}, {"http.path": "/b."}, {"http.user_agent": "curl/8"},
         {"http.header.X-Token": "secret"}, {"http.header.x-token": "other"}, {"http.header.x-none": {"present": False}},
         {"url": {"prefix": "http://www.example.test:8080/a"}}, {"http.status": 404}, {"http.ambiguous": {"present": False}},
         {"tls.sni": {"present": False}}],
        [{"http.header.x-token": "third"}, {"http.header.x-none": {"present": True}}, {"http.status": 200}, {"http.path": "/a"},
         {"http.ambiguous": "cl-te"}]),
    "policy_url": fields(
        http.talk((0, PLAIN), (1, NOT_FOUND)), CLEAR, [{"url": "http://plain.example.test/index"}], [{"url": "http://plain.example.test/"}]),
    "policy_dns": fields(
        [dns.datagram(QUERY), answered(ANSWER)], ASK,
        [{"app": "dns"}, {"dns.qname": "www.example.test"}, {"host": "www.example.test"}, {"dns.qtype": "A"}, {"dns.qtype": 1},
         {"dns.answer": "192.0.2.7"}],
        [{"dns.qtype": "AAAA"}, {"dns.answer": "192.0.2.8"}, {"host": "example.test"}]),
    "policy_ssh": fields(
        tls.talk((1, b"SSH-2.0-server_1\r\n"), (0, b"SSH-2.0-client_2 hi\r\n")), SECURE,
        [{"app": "ssh"}, {"ssh.software": "client_2"}, {"host": {"present": False}}], [{"ssh.software": "server_1"}]),
    "policy_deny_port": acts(
        tls.talk((0, HELLO), (1, AGREED)), [{"id": "p", "action": "deny", "when": {"dport": 443}, "respond": "drop"}],
        {"POLICY_DENY": [1, 2, 3, 4, 5]}, [verdict("deny", "p", SECURE, "flow")]),
    "policy_deny_name": acts(
        tls.talk((0, HELLO), (1, AGREED)), [{"id": "n", "action": "deny", "when": {"host": "one.example"}, "respond": "drop"}],
        {"POLICY_DENY": [4, 5]}, [verdict("deny", "n", SECURE, "tls"), verdict("deny", "n", SECURE, "flow")]),
    # a length that two readers see differently, and a byte behind the head: the policy's word comes first, no part leaves
    "policy_deny_ambiguous": acts(
        http.talk((0, b"GET / HTTP/1.1\r\nHost: one.example\r\nContent-Length: +0\r\n\r\nX")),
        [{"id": "n", "action": "deny", "when": {"host": "one.example"}, "respond": "drop"}],
        {"POLICY_DENY": [4, 5, 6, 7]}, [verdict("deny", "n", CLEAR, "http")]),
    # no place for a page: the server has said more than it was asked for, or its FIN. A reset to both ends
    "policy_page_unasked": acts(
        http.talk((1, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"), (0, PLAIN))[:5],
        [{"id": "n", "action": "deny", "when": {"host": "plain.example.test"}}], {"POLICY_DENY": [5]}, [verdict("deny", "n", CLEAR, "http")]) | {"own": 2},
    "policy_page_after_fin": acts(
        http.talk((0, PLAIN))[:4] + server_ends(PLAIN, http.OK) + [at(0, "PA", 1001 + len(PLAIN), 5002 + len(http.OK), OTHER)],
        [{"id": "n", "action": "deny", "when": {"host": "other.example.test"}}], {"POLICY_DENY": [6]}, [verdict("deny", "n", CLEAR, "http")]) | {"own": 2},
    "policy_page_fin_alone": acts(
        http.talk((0, PLAIN))[:3] + server_ends(b"", b"") + [at(0, "PA", 1001, 5002, PLAIN)],
        [{"id": "n", "action": "deny", "when": {"host": "plain.example.test"}}], {"POLICY_DENY": [5]}, [verdict("deny", "n", CLEAR, "http")]) | {"own": 2},
    # nothing is read of what answers the denied request, nor what comes behind it, wherever a burst ends
    "policy_page_answered": acts(
        http.talk((0, PLAIN), (1, b"nonsense\r\n\r\n"), (0, OTHER), (1, NOT_FOUND)),
        [{"id": "n", "action": "deny", "when": {"host": "plain.example.test"}}], {"POLICY_DENY": list(range(4, 11))},
        [verdict("deny", "n", CLEAR, "http")]) | {"own": 4, "no_facts": [{"field": "http.status"}, {"field": "host", "value": "other.example.test"}]},
    "policy_page_cut": acts(
        http.talk((0, OTHER), (0, PLAIN), (1, b"HTTP/1.1 200 OK\r\n\r\nhello"), (1, NOT_FOUND)),
        [{"id": "n", "action": "deny", "when": {"host": "plain.example.test"}}], {"POLICY_DENY": list(range(5, 11))},
        [verdict("deny", "n", CLEAR, "http")]) | {"own": 4},
    "policy_deny_query": acts(
        [dns.datagram(QUERY), dns.datagram(dns.query("other.example.test")), dns.datagram(QUERY)],
        [{"id": "q", "action": "deny", "when": {"dns.qname": "www.example.test"}, "respond": "drop"}],
        {"POLICY_DENY": [1, 3]},
        [verdict("deny", "q", ASK, "dns"), verdict("allow", "default", ASK, "dns"), verdict("deny", "q", ASK, "flow")]),
    "policy_first_match": acts(
        tls.talk((0, HELLO), (1, AGREED)),
        [{"id": "a", "action": "allow", "when": {"host": "one.example"}}, {"id": "n", "action": "deny", "when": {"host": {"suffix": ".example"}}}],
        {}, [verdict("allow", "a", SECURE, "tls")]),
    "policy_revised": acts(
        http.talk((0, PLAIN), (1, NOT_FOUND)),
        [{"id": "s", "action": "deny", "when": {"http.status": 404}, "respond": "drop"}],
        {"POLICY_DENY": [5, 6, 7, 8]}, [verdict("deny", "s", CLEAR, "http")]),
    "policy_tag": acts(
        tls.talk((0, HELLO), (1, AGREED)),
        [{"id": "mark", "action": "tag", "tag": "odd", "when": {"tls.alpn": "h2"}},
         {"id": "n", "action": "deny", "when": {"tag": "odd", "host": "one.example"}, "respond": "drop"}],
        {"POLICY_DENY": [4, 5]}, [{"field": "tag", "value": "odd", "tuple": SECURE}, verdict("deny", "n", SECURE, "tls")]),
    # true of the first packet: said of the flow and of its transactions; an alert on such a tag speaks once
    "policy_tag_flow": acts(
        tls.talk((0, HELLO), (1, AGREED)),
        [{"id": "mark", "action": "tag", "tag": "web", "when": {"dport": 443}},
         {"id": "pay", "action": "alert", "when": {"payload": {"contains": "nothing like this"}}},
         {"id": "see", "action": "alert", "when": {"tag": "web"}}],
        {}, [{"field": "tag", "value": "web", "tuple": SECURE}, {"field": "tag", "value": "web", "tuple": SECURE},
             alert("see", SECURE), verdict("allow", "default", SECURE, "tls")]),
    "policy_shadow": acts(
        tls.talk((0, HELLO), (1, AGREED)), [{"id": "n", "action": "deny", "mode": "shadow", "when": {"host": "one.example"}}],
        {}, [verdict("allow", "default", SECURE, "tls") | {"would": "deny", "would_rule": "n"}]),
    "policy_alert_denied": acts(
        tls.talk((0, HELLO), (1, AGREED)),
        [{"id": "see", "action": "alert", "severity": 2, "when": {"host": "one.example"}},
         {"id": "n", "action": "deny", "when": {"host": "one.example"}, "respond": "drop"},
         {"id": "below", "action": "alert", "when": {"host": "one.example"}}],
        {"POLICY_DENY": [4, 5]}, [alert("see", SECURE), verdict("deny", "n", SECURE, "tls")]),
    # two at once, then what a second brings; what is dropped is told at the first, a second later, and at the end
    "policy_limit": acts(
        [(eth(ip4(A, B, udp(40000, 9, b"x" * 20))), t / 10) for t in (0, 1, 2, 3, 4, 11, 12, 13, 14)],
        [{"id": "slow", "action": "limit", "rate": "1pps", "burst": 2, "when": {"dport": 9}}],
        {"LIMIT_EXCEEDED": [3, 4, 5, 7, 8, 9]},
        [exceeded("slow", 1, 62), exceeded("slow", 3, 186), exceeded("slow", 2, 124)],
        rules={"slow": [3, 4, 5, 7, 8, 9]}),
    "policy_undecided": acts(
        tls.talk((0, HELLO), (1, AGREED)), [{"id": "n", "action": "deny", "when": {"host": "two.example"}, "respond": "drop"}],
        {"POLICY_UNDECIDED": [1, 2, 3]}, [verdict("allow", "default", SECURE, "tls")],
        rules={"undecided.handshake": [1, 2, 3]}, undecided={"handshake": "drop"}),
    "policy_memory": acts(
        [quic.to_server(initial(crypto(quic.H, 0, 80), bytes([n + 16]) * 8)) for n in range(20)],
        [{"id": "n", "action": "deny", "when": {"host": "two.example"}, "respond": "drop"}],
        {"POLICY_MEMORY": list(range(1, 20))}, []),
    # half a hello waits in vain: what it lacks is absent, what it is is known
    "policy_absent_quic": acts(
        [(quic.to_server(initial(crypto(quic.H, 60), quic.ID)), 0), (eth(ip4(A, B, udp(1, 9, b"x"))), 11)],
        [{"id": "q", "action": "deny", "when": {"app": "quic"}, "respond": "drop"}],
        {"POLICY_DENY": [1]}, [verdict("deny", "q", ["udp", A, 40000, B, 443], "flow")]),
    "policy_default_deny": acts(
        tls.talk((0, HELLO), (1, AGREED)) + [eth(ip4(A, B, tcp(5000, 25)))], [{"id": "a", "action": "allow", "when": {"host": "one.example", "dport": 443}}],
        {"POLICY_DENY": [6]}, [verdict("allow", "a", SECURE, "tls"), verdict("deny", "default", ["tcp", A, 5000, B, 25], "flow")],
        default={"action": "deny", "respond": "drop"}),
    "policy_payload_split": acts(
        pieces((0, b"\1\2\3EVI"), (6, b"L"), (7, b"WOR"), (10, b"D\0"), (12, b"more")), EVIL,
        {"POLICY_DENY": [7, 8]}, [verdict("deny", "evil", NINE, "flow")]),
    "policy_payload_order": acts(
        pieces((7, b"WORD"), (3, b"EVIL"), (0, b"\1\2\3"), (11, b"more")), EVIL,
        {"POLICY_DENY": [6, 7]}, [verdict("deny", "evil", NINE, "flow")]),
    "policy_payload_depth": acts(
        pieces((0, bytes(60)), (60, b"\0\0EVILWORD")), EVIL, {}, [verdict("allow", "default", NINE, "flow")]),
    "policy_payload_datagram": acts(
        [eth(ip4(A, B, udp(40000, 9, d))) for d in (b"EVIL", b"WORD", b"an EVILWORD", b"after")], EVIL,
        {"POLICY_DENY": [3, 4]}, [verdict("deny", "evil", ["udp", A, 40000, B, 9], "flow")]),
    "policy_payload_body": acts(
        http.talk((0, PLAIN), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n123EVIL"), (1, b"WORD4567890123456789"[:13])),
        [{"id": "see", "action": "alert", "when": {"payload": {"regex": "EVIL(WORD)?456", "nocase": True}}},
         {"id": "both", "action": "alert", "when": {"payload": {"prefix": "GET /index"}, "http.path": "/index"}},
         {"id": "not", "action": "alert", "when": {"payload": {"prefix": "index"}}}], {},
        [alert("see", CLEAR), alert("both", CLEAR)]),
    "policy_connect": acts(
        http.talk((0, b"CONNECT outer.example:443 HTTP/1.1\r\nHost: outer.example:443\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n"), (0, HELLO)),
        [{"id": "both", "action": "deny", "respond": "drop", "when": {"host": "outer.example", "tls.sni": "one.example"}}],
        {"POLICY_DENY": [6, 7, 8, 9]}, [verdict("allow", "default", CLEAR, "http"), verdict("deny", "both", CLEAR, "tls")]),
    "policy_connect_refused": acts(
        http.talk((0, b"CONNECT outer.example:443 HTTP/1.1\r\nHost: outer.example:443\r\n\r\n"),
                  (1, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), (0, PLAIN)),
        [{"id": "both", "action": "deny", "respond": "drop", "when": {"host": "outer.example", "http.method": "GET"}}],
        {}, [verdict("allow", "default", CLEAR, "http")]),
    "policy_socks": acts(
        http.talk((0, b"\5\1\0"), (1, b"\5\0"), (0, b"\5\1\0\3\x0dOuter.example\1\xbb"), (1, b"\5\0\0\1\x0a\0\0\2\1\xbb"), (0, HELLO),
                  port=1080),
        [{"id": "both", "action": "deny", "respond": "drop", "when": {"host": "outer.example", "tls.sni": "one.example"}}],
        {"POLICY_DENY": [8, 9, 10, 11]}, [verdict("deny", "both", ["tcp", A, 40000, B, 1080], "tls")]),
    "policy_socks_target": acts(
        http.talk((0, b"\5\1\0"), (1, b"\5\0"), (0, b"\5\1\0\3\x0dOuter.example\1\xbb"), (1, b"\5\0\0\1\x0a\0\0\2\1\xbb"), port=1080),
        [{"id": "outer", "action": "deny", "respond": "drop", "when": {"host": "outer.example"}}],
        {"POLICY_DENY": [6, 7, 8, 9, 10]}, [verdict("deny", "outer", ["tcp", A, 40000, B, 1080], "flow")]),
    "policy_outer_layer": acts(
        [eth(ip4("192.0.2.1", "192.0.2.2", proto(4, ip4(A, B, udp(4000, 5000, b"inside"))))), eth(ip4(A, B, udp(4000, 5000, b"bare")))],
        [{"id": "tunnel", "action": "deny", "respond": "drop", "when": {"dst": "192.0.2.2"}}],
        {"POLICY_DENY": [1]}, [{"field": "verdict", "value": "deny", "rule": "tunnel", "of": "flow"}]),
    "policy_log_none": acts(
        tls.talk((0, HELLO), (1, AGREED)), [{"id": "a", "action": "allow", "log": "none", "when": {"host": "one.example"}}], {}, []),
}
CASES["policy_deny_name"]["rules"] = {"n": [4, 5]}
CASES["policy_deny_ambiguous"]["own"] = 0
CASES["policy_deny_port"]["rules"] = {"p": [1, 2, 3, 4, 5]}
CASES["policy_deny_query"]["rules"] = {"q": [1, 3]}
CASES["policy_payload_depth"]["args"] += ["--payload-depth", "64"]
CASES["policy_payload_body"]["no_facts"] = [{"field": "alert", "value": "not"}]
CASES["policy_alert_denied"]["no_facts"] = [alert("below", SECURE)]
CASES["policy_log_none"]["no_facts"] = [{"field": "verdict"}, {"field": "tls.sni"}]
