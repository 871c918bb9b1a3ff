# SPDX-License-Identifier: BSD-3-Clause
"""Fail modes, each as it is not by default; the frames are those of the cases where it is."""
import cases_dns as dns
import cases_flow as flow
import cases_hold as hold
import cases_http as http
import cases_policy as policy
import cases_quic as quic
import cases_tls as tls
from cases_stream import GET, OPEN, c
from handshakes import fragment, sni
from packets import eth, ip4, udp

# whoever looks for what was refused by default
ASK = {"default": {"action": "deny", "respond": "drop"}, "rules": [
    {"id": "good", "action": "allow", "when": {"host": "good.example"}},
    {"id": "no-name", "action": "allow", "when": {"app": "tls", "host": {"present": False}, "tls.sni": {"present": False}}}]}
AMBIGUOUS = {"rules": [{"id": "smuggled", "action": "deny", "respond": "drop", "when": {"http.ambiguous": "cl-te"}}]}
NONE = [{"field": "tls.sni"}, {"field": "host"}]
BAD_NAME = {"field": "anomaly", "value": "tls.bad_name"}
CLOSES = http.talk((0, http.POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), (1, http.OK),
                   (0, b"GET /3 HTTP/1.1\r\n" + http.HOST + b"\r\n"))
LOST = http.talk((0, http.CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"))


def mode(case, key, value, **more):
    """a case of the default, where that is not"""
    return {**case, "args": case.get("args", []) + ["--fail", f"{key}={value}"], "drops": {}, **more}


def judged(policy, key, value, frames, **more):
    return {"frames": frames, "policy": policy, "args": ["-p", "{}/policy.json", "--fail", f"{key}={value}"], "drops": {}, **more}


CASES = {
    "fail_http_pass": {"frames": CLOSES, "args": ["--fail", "http_ambiguous=pass"], "drops": {}, "same": True,
                       "facts": [http.fact("http.ambiguous", "cl-te"), http.fact("anomaly", "http.ambiguous"),
                                 http.fact("http.uri", "/3")]},
    # each that closes
    "fail_http_pass_all": {"frames": [f for i, (_, sent) in enumerate(http.CLOSES) for f in http.talk((0, sent), sport=42000 + i)],
                           "args": ["--fail", "http_ambiguous=pass"], "drops": {}, "same": True,
                           "facts": [http.fact("http.ambiguous", cause) for cause, _ in http.CLOSES], "most": 8192},
    # what cannot be read on goes on, where the policy let its request
    "fail_http_pass_open": judged({"rules": [{"id": "no", "action": "deny", "when": {"host": "denied.example"}}]}, "http_ambiguous",
                                  "pass", LOST, same=True, facts=[http.fact("http.ambiguous", "chunk-size")]),
    # but a rule has its word
    "fail_http_pass_denied": judged(AMBIGUOUS, "http_ambiguous", "pass", CLOSES, drops={"POLICY_DENY": [4, 5, 6, 7, 8, 9]}),
    "fail_tls_absent": {"frames": tls.talk((0, tls.client(sni(b"good.example"), sni(b"evil.example"))), (0, -1)),
                        "args": ["--fail", "tls_bad_name=absent"], "drops": {}, "same": True, "facts": [BAD_NAME], "no_facts": NONE},
    "fail_tls_absent_nul": {"frames": tls.talk((0, tls.client(sni(b"good.example\0.evil.example"))), (0, b"\x17\3\3\0\1x")),
                            "args": ["--fail", "tls_bad_name=absent"], "drops": {}, "same": True, "facts": [BAD_NAME], "no_facts": NONE},
    "fail_tls_absent_long": {"frames": tls.talk((0, tls.client(sni(tls.LONG)))),
                             "args": ["--fail", "tls_bad_name=absent"], "drops": {}, "same": True, "facts": [BAD_NAME], "no_facts": NONE},
    # neither of two is the name, not even one that is allowed
    "fail_tls_absent_judged": judged(ASK, "tls_bad_name", "absent",
                                     tls.talk((0, tls.client(sni(b"good.example"), sni(b"evil.example")))), same=True,
                                     facts=[BAD_NAME], no_facts=NONE),
    "fail_dtls_absent": {"frames": [tls.datagram(0, fragment(tls.TWICE, 0, len(tls.TWICE)))] * 2,
                         "args": ["--fail", "tls_bad_name=absent"], "drops": {}, "same": True,
                         "facts": [tls.fact("anomaly", "tls.bad_name", tls.DTUPLE)], "no_facts": NONE},
    "fail_quic_absent": {"frames": [quic.to_server(quic.q043(quic.chlo(SNI=b"good.example\0.evil.example", PAD=b"x" * 900)))],
                         "args": ["--fail", "tls_bad_name=absent"], "drops": {}, "same": True, "facts": [BAD_NAME],
                         "no_facts": NONE + [{"field": "quic.sni"}]},
    "fail_dns_pass": mode(dns.CASES["dns_bad_name"], "dns_bad_name", "pass", no_facts=[
        {"field": "dns.qname", "value": v} for v in ("www", "hidden.example", "evil.example", "")]),
    # a denied name is denied, whatever stands beside it
    "fail_dns_pass_judged": judged({"rules": [{"id": "good", "action": "deny", "respond": "drop", "when": {"host": "good.example"}}]},
                                   "dns_bad_name", "pass",
                                   [dns.datagram(dns.LOOP), dns.datagram(dns.head(qd=2) + dns.question("good.example") + b"\xc0\x2a" + dns.TAIL)],
                                   drops={"POLICY_DENY": [2]}, rules={"good": [2]}),
    "fail_depth_open": {**hold.CASES["hold_depth"], "args": ["-p", "{}/policy.json", "--fail", "decap_depth=open"], "drops": {},
                        "counters": {"decap_depth": 1}},
    # no SYN: the data, its answer, an RST; then one that has
    "fail_midstream_drop": {
        "frames": [flow.ask("decoy.example", sport=41000), flow.answer("decoy.example", dport=41000), flow.c("R", 40, sport=41000),
                   *flow.open_(), flow.ask("real.example"), flow.answer("real.example"),
                   flow.s("SA", 0, 1, dport=43000), flow.s("PA", 1, 1, b"HTTP/1.1 204 No Content\r\n\r\n", dport=43000),
                   eth(ip4("10.0.0.1", "10.0.0.2", udp(1, 2, b"datagram")))],
        "args": ["--fail", "midstream=drop"], "drops": {"FLOW_TCP_MIDSTREAM": [1, 2, 3]}, "counters": {"flows": 3}, "same": True,
        "facts": flow.REAL, "no_facts": flow.NO_DECOY},
    # TCP, UDP, and what has no flow
    "fail_no_policy_closed": {
        "frames": [*flow.open_(), flow.ask("real.example"), eth(ip4("10.0.0.1", "10.0.0.2", udp(1, 2, b"datagram"))),
                   b"\xff" * 6 + b"\2\0\0\0\0\1" + b"\x08\x06" + bytes(28)],
        "args": ["--fail", "no_policy=closed"], "drops": {"POLICY_NONE": [1, 2, 3, 4, 5, 6]}, "same": True, "facts": [{"field": "flow"}]},
    "fail_memory_open": {**policy.CASES["policy_memory"], "args": ["-p", "{}/policy.json", "--fail", "out_of_memory=open"], "drops": {}},
    "fail_hold_drop": {**hold.CASES["hold_exceeded"],
                       "args": ["-p", "{}/policy.json", "--hold-bytes", "24", "--fail", "hold_exceeded=drop"]},
    "fail_hold_pass": judged({"default": {"action": "deny", "respond": "drop"},
                              "rules": [{"id": "a", "action": "allow", "when": {"host": "allowed.example"}}]}, "hold_exceeded", "pass",
                             OPEN + [eth(c(0, GET[:20])), eth(c(20, GET[20:40]))], same=True),
}
CASES["fail_hold_pass"]["args"] += ["--hold-bytes", "24"]
