#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The judge judged: its models of receivers against tables of others, its readers against examples of RFCs. A judge that reads
nothing lets everything pass."""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import initials  # noqa: E402
import judge  # noqa: E402
import names  # noqa: E402
import receivers  # noqa: E402
import wire  # noqa: E402
from receivers import ACK, CHECKS, FIN, RST, SYN, URG, Model, Segment, receive  # noqa: E402
from scene import DENIED  # noqa: E402
from packets import eth, ip4, ip6, tcp, udp, vxlan  # noqa: E402
from aead import crypto, initial, initial_keys  # noqa: E402
from payload import client_hello, dns, get, labels, tls  # noqa: E402

STRICT, LENIENT = CHECKS, frozenset()


def seg(at, data, flags=ACK, **more):
    """a client's segment; the SYN has 1000"""
    fields = dict(client=True, seq=1001 + at & 0xFFFFFFFF, ack=5001, flags=flags, urg=0, options={}, data=data, sound=True, ttl=64)
    return Segment(**{**fields, **more})


SYN_ = seg(-1, b"", SYN)


def server(ack, flags=ACK):
    return Segment(False, 5001, 1001 + ack, flags, 0, {}, b"", True, 64)


def reads(overlap, *segments, checks=STRICT, **more):
    return receive([SYN_, *segments], Model(overlap, checks, **more))[0]


class Fragments(unittest.TestCase):
    # Shankar and Paxson, Active Mapping, table 1: six fragments by offset and length in units of 8 bytes
    PATTERN = [(0, 3, b"1"), (4, 2, b"2"), (6, 3, b"3"), (1, 4, b"4"), (6, 3, b"5"), (9, 3, b"6")]
    EXPECTED = {"bsd": b"111442333666", "bsd-right": b"144422555666", "linux": b"111442555666", "first": b"111422333666",
                "last": b"144442555666"}

    def test_policies(self):
        for policy, expected in self.EXPECTED.items():
            packets = [(0, ip4("10.0.0.1", "10.0.0.2", b * 8 * n, off=8 * at, more=at + n < 12, number=17)) for at, n, b in self.PATTERN]
            whole = wire.datagrams(packets, policy)
            self.assertEqual([d.data for d in whole], [b"".join(bytes([c]) * 8 for c in expected)], policy)


class Overlaps(unittest.TestCase):
    """Ptacek and Newsham 1998, 5.4.1 (forward overlap); Novak and Sturges 2007, 3.2: in the queue, before it is in order."""

    def both(self, first, second, begin=b"abc"):
        return {o: reads(o, seg(*first), seg(*second), seg(0, begin)) for o in receivers.OVERLAPS}

    def test_begins_before(self):
        # BSD and Linux favour the one that begins earlier, Windows the one that came first
        self.assertEqual(self.both((5, b"OOO"), (3, b"NNNN")),
                         {"first": b"abcNNOOO", "last": b"abcNNNNO", "bsd": b"abcNNNNO", "linux": b"abcNNNNO", "windows": b"abcNNOOO"})

    def test_begins_the_same(self):
        # and is longer: Linux favours it
        self.assertEqual(self.both((3, b"OOO"), (3, b"NNNN")),
                         {"first": b"abcOOON", "last": b"abcNNNN", "bsd": b"abcOOON", "linux": b"abcNNNN", "windows": b"abcOOON"})
        self.assertEqual(self.both((3, b"OOO"), (3, b"NNN"))["linux"], b"abcOOO")

    def test_begins_behind(self):
        for overlap, stream in self.both((3, b"OOO"), (4, b"NNN")).items():
            self.assertEqual(stream, b"abcONNN" if overlap == "last" else b"abcOOON", overlap)

    def test_in_order_is_read(self):
        # what the program has, it has; in the model "last" only what is acknowledged
        for overlap in receivers.OVERLAPS:
            self.assertEqual(reads(overlap, seg(0, b"abc"), seg(0, b"xyz")), b"xyz" if overlap == "last" else b"abc")
            self.assertEqual(reads(overlap, seg(0, b"abc"), server(3), seg(0, b"xyzd")), b"abcd")


class Checks(unittest.TestCase):
    DECOYS = {"checksum": dict(sound=False), "ack": dict(flags=0x08), "ackvalue": dict(ack=0x20000000), "signature": dict(options={19: b""}),
              "flags": dict(flags=SYN | FIN | ACK)}

    def test_each(self):
        for check, spoiled in self.DECOYS.items():
            at = 1 if spoiled.get("flags", 0) & SYN else 0
            false = seg(0, b"FALSE", **spoiled)
            if at:
                false = false._replace(seq=1000)
            segments = [server(0), false, seg(0, b"real!")]
            self.assertEqual(reads("first", *segments), b"real!", check)
            self.assertEqual(reads("first", *segments, checks=frozenset({check})), b"real!", check)
            self.assertEqual(reads("first", *segments, checks=LENIENT), b"FALSE", check)

    def test_paws(self):
        old, new = ({8: (n).to_bytes(4, "big") + bytes(4)} for n in (5, 9))
        segments = [seg(0, b"a", options=new), seg(1, b"FALSE", options=old), seg(1, b"real", options=new)]
        self.assertEqual(reads("first", *segments), b"areal")
        self.assertEqual(reads("first", *segments, checks=LENIENT), b"aFALSE")

    def test_ttl(self):
        segments = [seg(0, b"FALSE", ttl=3), seg(0, b"real!")]
        self.assertEqual(reads("first", *segments), b"FALSE")
        self.assertEqual(reads("first", *segments, ttl=32), b"real!")

    def test_ends(self):
        # RFC 5961 3.2: exactly the next number; RFC 9293 3.10.7.4: nothing behind a FIN
        for flags, at, strict in ((RST, 1, b"a"), (RST, 3, b"ab"), (FIN | ACK, 1, b"a"), (FIN | ACK, 9, b"ab")):
            segments = [seg(0, b"a"), seg(at, b"", flags), seg(1, b"b")]
            self.assertEqual(reads("first", *segments), strict)
            self.assertEqual(reads("first", *segments, checks=LENIENT), b"ab")

    def test_syn(self):
        # data in it (RFC 7413); another one on a live key is challenged (RFC 5961 4)
        self.assertEqual(receive([SYN_._replace(data=b"ab"), seg(2, b"c")], Model("first", LENIENT)), [b"abc"])
        self.assertEqual(receive([SYN_._replace(data=b"ab"), seg(0, b"xy")], Model("first", STRICT)), [b"xy"])
        again = [SYN_, seg(0, b"a"), SYN_._replace(seq=9000), seg(0, b"new", seq=9001)]
        self.assertEqual(receive(again, Model("first", LENIENT)), [b"a", b"new"])
        self.assertEqual(receive(again, Model("first", STRICT)), [b"a"])

    def test_wrap(self):
        syn = SYN_._replace(seq=0xFFFFFFFE)
        self.assertEqual(receive([syn, seg(0, b"c", seq=1), seg(0, b"ab", seq=0xFFFFFFFF)], Model("first", STRICT)), [b"abc"])

    def test_urgent(self):
        # RFC 6093: in line, the byte before the pointer, the byte at it
        for urgent, stream in (("inline", b"abXcd"), ("before", b"abcd"), ("at", b"abXd")):
            self.assertEqual(reads("first", seg(0, b"abXcd", ACK | URG, urg=3), urgent=urgent), stream)

    def test_anything(self):
        places = receivers.anything([SYN_, seg(0, b"blXcked.example"), seg(0, b"xxoxxxxxxxxxxxx")])[0]
        self.assertTrue(receivers.spelled(places, b"blocked.example"))
        self.assertFalse(receivers.spelled(places, b"bloZked.example"))


class Readers(unittest.TestCase):
    def test_paths(self):
        # RFC 3986 5.2.4 and 6.2.2
        for target, path in ((b"/a/b/c/./../../g", b"/a/g"), (b"/%66orbidden?x", b"/forbidden"), (b"//x///y", b"/x/y"),
                             (b"http://h/x;v=1/../y", b"/y"), (b"/../..", b"/")):
            self.assertEqual(names.path_of(target), path)

    def test_text(self):
        for data in (get(b"BLOCKED.example"), get(b"%62locked.example"), get(b"a", b"/x/%2e%2e//forbidden;p"), tls(b"blocked.example"),
                     tls(b"blocked.example", size=1), b"STLS\r\n" + tls(b"www.blocked.example", size=3)):
            self.assertIsNotNone(names.in_stream(data, DENIED), data)
        for data in (get(b"allowed.example", b"/forbidde"), tls(b"allowed.example", size=1), b"", b"\x16\3\1"):
            self.assertIsNone(names.in_stream(data, DENIED), data)

    def test_dns(self):
        # RFC 1035 4.1.4: compression
        pointed = dns(b"allowed.example", qd=2) + b"\7blocked\xc0\x14\0\1\0\1"
        for message in (dns(b"bLocked.example"), dns(b"x.blocked.example", qd=0), pointed):
            self.assertIsNotNone(names.in_datagrams([message], DENIED))
        self.assertIsNone(names.in_datagrams([dns(b"allowed.example")], DENIED))
        self.assertEqual(list(names.dns_names(pointed)), [b"allowed.example", b"blocked.example"])
        self.assertEqual(labels(b"a.b"), b"\1a\1b\0")

    def test_quic(self):
        # RFC 9001 A.1, RFC 9369 A.1
        dcid = bytes.fromhex("8394c8f03e515708")
        self.assertEqual([k.hex() for k in initial_keys(dcid)],
                         ["1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"])
        self.assertEqual([k.hex() for k in initial_keys(dcid, 0x6B3343CF)],
                         ["8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"])
        hello = client_hello(b"blocked.example")
        a, b = initial(crypto(hello, 50), dcid), initial(crypto(hello, 0, 50), dcid, number=1)
        found = initials.hellos([(True, a + b)])
        self.assertEqual([bytes(p[i][0] for i in range(len(p))) for p in found], [hello])
        self.assertEqual(initials.hellos([(True, a[:-1] + b"!")]), [])

    def test_frames(self):
        # a tunnel in a tunnel, an extension header, two tags
        inside = ip6("fd00::1:1", "fd00::1:2", tcp(4000, 80, "PA", 1, 1, get(b"blocked.example")), next_header=60, chain=b"\6\0\1\4\0\0\0\0")
        within = eth(ip4("172.16.1.1", "172.16.1.2", udp(5000, 4789, vxlan(1, eth(inside)))))
        tagged = within[:12] + b"\x88\xa8\0\1\x81\0\0\2" + within[12:]
        for frame in (eth(inside), within, tagged):
            self.assertIsNotNone(judge.readable([frame]))
            self.assertEqual(wire.number(frame), 1)
        self.assertIsNone(judge.readable([eth(ip4("10.0.1.2", "10.0.1.1", tcp(80, 4000, "PA", 1, 1, get(b"blocked.example"))))]))


if __name__ == "__main__":
    unittest.main()
