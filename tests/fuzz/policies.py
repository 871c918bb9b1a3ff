# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_policy: the policies of the tests, each rule and each set of them as a policy of its own (the target passes
over a text whose regexes are heavy together), set files, and what is no JSON."""
import json
import pathlib

TESTS = pathlib.Path(__file__).resolve().parents[1]
PIECES = [
    b'{"default":{"action":"deny","respond":"drop"},"version":1e0,"rules":[{"id":"\\u00e4\\ud83d\\ude00\\/\\"\\\\\\b\\f\\n\\r\\t","action":"alert"}]}',
    b'{"rules":[{"id":"a","action":"alert","id":"b"}],"rules":[]}', b'{"r":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"a":10}}',
    b'"\\ud800"', b'"\\udc00\\u12g4"', b'"\\x"', b'"\xc3"', b'"\xed\xa0\x80"', b'"\xf0\x9f\x98\x80"', b"\xff", b'"tab\t"', b'"open', b'"\\',
    b"-", b"-0.5e+3", b"1.", b"1e", b"01", b"18446744073709551616", b"0.1E-9", b"nul", b"true", b"[null,false]", b"[1,]", b"[1 2]", b"{1:2}",
    b'{"a" 1}', b'{"a":1,}', b'{"a":1 "b":2}', b"// no", b"# no", b"'no'", b"\xef\xbb\xbf{}", b"{}{}", b" \t\r\n{}\n", b"[" * 70, b"[" * 60 + b"]" * 60,
    b'{"~a/b":{"~":[{"/":"x"}]}}', b"[[[[]]]]]", b'{"default":"deny"}', b'{"rules":{}}', b'{"version":"1"}', b'{"sets":[]}', b'{"undecided":7}',
]
RULES = [
    '"reason":"' + "x" * 1100 + '"', '"tag":""', '"action":"limit","rate":"10Gbps"', '"action":"limit","rate":"5pps"', '"action":"mirror","sink":"s","before":9',
    '"action":"alert","severity":1', '"sid":7', '"respond":{"sinkhole":"192.0.2.1"}', '"respond":{"sinkhole":"x","also":1}', '"sinkhole":"192.0.2.1"',
    '"expires":"2027-02-30T18:00:00Z"', '"time":{"days":"sat-mon","from":"22:00","to":"06:00","zone":"Europe/Berlin"}', '"mode":"shadow","log":"flow","sample":3',
]
NAMES = ["a.example", ".a.example", "*.a.example", "a..b", "", "-", "xn--bcher-kva.example", "Bücher.example.", "192.0.2.1", "[::1]", "a:80", "http://a/", "a b", "x" * 64 + ".example"]
ADDRESSES = ["10.0.0.0/8", "10.0.0.1/8", "192.0.2.1", "::1", "::1/64", "2001:db8::/32", "10.0.0.0/33", "::/129", "10.0", "x", "fe80::%1", "::ffff:10.0.0.1"]
VALUES = {
    "src": ADDRESSES, "host": NAMES, "dns.qname": NAMES, "dport": [80, "80", 65536, -1, 1.5, None], "ttl": [7, 256], "proto": ["tcp", "TPC", 6, 256], "ip.version": [4, 5],
    "http.status": [200, 1000], "tls.ech": [True, "yes"], "tls.version": ["1.2", "TLS 1.3", "ssl3", 1.1, "DTLS 1.2", "1.9", 772], "quic.version": [1, "draft-29", "Q046", "T051", "0x1a2a3a4a", "draft-x", "0X1"],
    "dns.qtype": ["A", "https", "TYPE65280", 99, "TYPE65536", "ZZZ"], "http.ambiguous": ["cl-te", "x"], "tcp.flags": ["syn", "syn+ack"], "vlan": [4095, 4096], "vni": [16777216],
    "payload": ["x", "\u0000"], "tls.ja3": ["E7D705A3286E19EA42F587B344EE6865", "x"], "tls.ja4": ["t13d1516H2_8daaf6152771_b186095e22b6"], "url": ["u", ""], "tag": ["t"], "http.header.X-A": ["v"], "http.header.": ["v"],
    "http.header.A B": ["v"], "hots": ["v"], "time": ["noon", {"days": "mon", "from": "01:00", "to": "02:00"}], "tenant": [1 << 63], "direction": ["out"], "app": ["tls"], "flow.seen": ["both"],
}


def tests_of(value):
    yield value
    yield [value, value]
    for op in ("in", "prefix", "suffix", "contains", "regex"):
        yield {op: value}
    yield from ({"not": value}, {"not": {"present": True}}, {"present": False}, {"all": [value, {"not": value}]}, {"any": [value]}, {"contains": value, "nocase": True}, {"prefix": value, "suffix": value}, {})
    yield from ({"range": [1, 2]}, {"range": [2, 1]}, {"range": "1-2"}, {"range": "x"}, {"range": [1]}, {"in": "s"}, {"in": "nowhere"}, {"nocase": True}, {"regex": "a(b", "nocase": 1}, {"all": []}, [])


def policy(when, sets=None):
    return json.dumps({"sets": sets or {}, "rules": [{"id": "r", "action": "deny", "when": when}]}, ensure_ascii=False).encode(errors="surrogatepass")


def whole():
    deep = "a.example"
    for _ in range(12):
        deep = {"not": deep}
    anys = {"host": "a.example"}
    for _ in range(12):
        anys = {"any": [anys]}
    sets = {"s": {"type": "domain", "items": ["a.example"]}}
    for field, values in VALUES.items():
        for value in values:
            yield policy({field: value}, sets)
        for test in tests_of(values[0]):
            yield policy({field: test}, sets)
    yield from (policy({"host": deep}), policy(anys), policy({"any": []}), policy({"any": [{"dport": 25}, {"dport": 80, "any": [{"host": "a.example"}]}]}), policy([]), policy({"host": [[["a.example"]]]}))
    for kind, items in (("net", ADDRESSES), ("domain", NAMES), ("string", ["a", 7, ""]), ("port", [80, "80-90", "90-80", 65536, "x", 1.5]), ("ja3", ["E7D705A3286E19EA42F587B344EE6865", "x"]),
                        ("ja4", ["t13d1516h2_8daaf6152771_b186095e22b6", "x"]), ("domian", ["a"])):
        yield policy({"host": {"in": "n"}, "src": {"in": "n"}, "dport": {"in": "n"}, "tls.ja4": {"in": "n"}}, {"n": {"type": kind, "items": items}})
    for set_ in ({"type": "net", "items": []}, {"type": "net", "items": [], "file": "x"}, {"items": []}, {"type": "net"}, {"type": "net", "items": 7}, {"tpye": "net"}, [], {"type": "domain", "file": "x.txt"}, {"type": "domain", "file": "/"}):
        yield policy({"src": {"in": "n"}}, {"n": set_})
    for rule in RULES:
        for action in ("deny", "alert"):
            yield f'{{"rules":[{{"id":"a","action":"{action}",{rule}}},{{"id":"a","action":"{action}",{rule}}}]}}'.encode()


def split(text):
    """each rule and each set by itself"""
    try:
        p = json.loads(text)
    except ValueError:
        return
    if not isinstance(p, dict) or not isinstance(p.get("rules", []), list):
        return
    for rule in p.get("rules", []):
        yield json.dumps(dict(sets=p.get("sets", {}), rules=[rule]), ensure_ascii=False).encode(errors="surrogatepass")
    for name, items in p.get("sets", {}).items():
        yield json.dumps({"sets": {name: items}}, ensure_ascii=False).encode(errors="surrogatepass")


def seeds():
    texts = [p.read_bytes() for p in sorted(TESTS.glob("policy/*.json")) + sorted(TESTS.glob("policy/cases/*.json"))]
    sets = [p.read_bytes() for p in sorted(TESTS.glob("policy/*.txt"))]
    sets += [b"10.0.0.0/8 # ten\nfd00::/8\n192.0.2.1\n", b"80\n8000-8100\n", b"t13d1516h2_8daaf6152771_b186095e22b6\n", b"e7d705a3286e19ea42f587b344ee6865\r\n"]
    sets += [b"\xef\xbb\xbfa.example\n", b"x" * 5000 + b"\n", b"a.example\n" * 500, b"a.example \x01\n\0", b"\n\n# \n"]
    return texts + [one for t in texts for one in split(t)] + PIECES + list(whole()) + [bytes([kind]) + s for s in sets for kind in range(6)]
