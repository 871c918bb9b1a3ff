# SPDX-License-Identifier: BSD-3-Clause
"""A name smuggled by TCP: split, reordered, sent twice with other bytes, behind decoys that only one of both readers takes,
after ends that were none. Each with every carrier of payload.py."""
import struct

from book import Book
from payload import APPLICATION, server_hello
from scene import GONE, HELD, SAME

CASES = Book()
case = CASES.by_carrier


def cut(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


def at(data, size):
    return [(i, data[i : i + size]) for i in range(0, len(data), size)]


def stamps(value):
    return struct.pack("!BBBBII", 1, 1, 8, 10, value, 0)


MD5 = bytes([19, 18]) + bytes(16) + b"\1\1"
AO = bytes([29, 16, 1, 1]) + bytes(12)


@case("tcp.whole")
def _(s, port, says):
    s.conn(port).open().client(says(s.host))


@case("tcp.one_byte")
def _(s, port, says):
    s.conn(port).open().said(*cut(says(s.host), 1))


@case("tcp.two_pieces")
def _(s, port, says):
    data = says(s.host)
    middle = data.find(s.host.split(b".")[0]) + 4
    s.conn(port).open().said(data[:middle], data[middle:])


@case("tcp.reversed")
def _(s, port, says):
    c = s.conn(port).open()
    for i, p in reversed(at(says(s.host), 10)):
        c.client(p, at=i)


@case("tcp.shuffled")
def _(s, port, says):
    c, pieces = s.conn(port).open(), at(says(s.host), 3)
    s.random.shuffle(pieces)
    for i, p in pieces:
        c.client(p, at=i)


@case("tcp.shuffled_twice")
def _(s, port, says):
    c, pieces = s.conn(port).open(), at(says(s.host), 7) * 2
    s.random.shuffle(pieces)
    for i, p in pieces:
        c.client(p, at=i)


@case("tcp.last_first_late")
def _(s, port, says):
    # the hole is filled after two seconds
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[8:], at=8)
    s.wait(2)
    c.client(data[:8], at=0)


@case("tcp.hole_of_300_segments", carriers=("tls", "http"))
def _(s, port, says):
    # behind the hole more segments than one waits for; then it is filled
    data = says(s.host)
    c = s.conn(port).open()
    for n in range(300):
        i = 8 + n % (len(data) - 8)
        c.client(data[i : i + 1], at=i)
    c.client(data[:8], at=0)


@case("tcp.sent_again")
def _(s, port, says):
    c, data = s.conn(port).open(), says(s.host)
    c.client(data)
    for wait in (0.2, 0.4, 0.8):
        s.wait(wait)
        c.client(data, at=0)


@case("tcp.sent_again_longer")
def _(s, port, says):
    c, data = s.conn(port).open(), says(s.host)
    for n in (12, 30, len(data) - 5, len(data)):
        c.client(data[:n], at=0)


@case("tcp.midstream")
def _(s, port, says):
    s.conn(port).said(*cut(says(s.host), 20))


@case("tcp.client_only")
def _(s, port, says):
    c = s.conn(port)
    c.syn()
    c.client(flags="A")
    c.said(*cut(says(s.host), 20))


@case("tcp.flags_of_all_kinds")
def _(s, port, says):
    c = s.conn(port).open()
    for i, p in enumerate(cut(says(s.host), 9)):
        c.client(p, flags=("A", "PA", "AE", "AC", "PAEC")[i % 5])


@case("tcp.fin_with_the_end")
def _(s, port, says):
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:15])
    c.client(data[15:], flags="FPA")


# ---- decoys: a segment with another name, which one of both readers takes ----------------------------------------

DECOYS = {
    # name: how it is spoiled, what becomes of it in the twin (None: as the bytes that came first say)
    "ttl": (dict(ip={"ttl": 1}), None),
    "checksum": (dict(csum_is=0x1234), GONE),
    "no_ack": (dict(flags="P"), GONE),
    "ack_ahead": (dict(ack=0x10000000), GONE),
    "ack_old": (dict(ack=-0x10000000), GONE),
    "no_flags": (dict(flags=""), GONE),
    "syn_fin": (dict(flags="SFA"), GONE),
    "syn_rst": (dict(flags="SRA"), GONE),
    "md5": (dict(options=MD5), GONE),
    "ao": (dict(options=AO), GONE),
    "stale": (dict(options=stamps(1)), GONE),
    "far_ahead": (dict(shift=0x01000000), HELD),
    "before_first": (dict(shift=-2000), SAME),
}


def decoy(kind, order):
    def story(s, port, says):
        how, twin = DECOYS[kind]
        how = dict(how)
        c = s.conn(port, options=(lambda: stamps(1000)) if kind == "stale" else None).open()
        shift = how.pop("shift", 0)
        real, false = says(s.host), says(s.other)

        def lie():
            c.client(false, at=shift + ("S" in how.get("flags", "")), twin=twin, **how)

        if order == "before":
            lie()
        if order == "between":
            c.client(real[:10])
            lie()
            c.client(real[10:])
        else:
            c.client(real)
        if order == "after":
            lie()

    return story


for kind in DECOYS:
    for order in ("before", "after", "between"):
        case(f"tcp.decoy.{kind}.{order}")(decoy(kind, order))


@case("tcp.decoy.ip_checksum", versions=(4,))
def _(s, port, says):
    c = s.conn(port).open()
    c.client(says(s.other), at=0, ip={"csum_is": 0x1234}, twin=GONE)
    c.client(says(s.host))


@case("tcp.decoy.bytes_of_name")
def _(s, port, says):
    # only the name's bytes are sent falsely, far from the receiver, one by one
    c, real, false = s.conn(port).open(), says(s.host), says(s.other)
    for i, (a, b) in enumerate(zip(real, false)):
        if a != b:
            c.client(bytes([b]), at=i, ip={"ttl": 2})
        c.client(bytes([a]), at=i)


# ---- ends that are none -----------------------------------------------------------------------------------------------

ENDS = {
    "rst_far": (dict(flags="R", at=0x10000000), GONE),
    "rst_checksum": (dict(flags="R", csum_is=0x1234), GONE),
    "rst_beside": (dict(flags="R", at=9), SAME),
    "rst_ttl": (dict(flags="R", ip={"ttl": 1}), SAME),
    "rst_ack_ttl": (dict(flags="RA", ip={"ttl": 1}), SAME),
    "fin_far": (dict(flags="FA", at=0x01000000), SAME),
    "fin_checksum": (dict(flags="FA", csum_is=0x1234), GONE),
    "fin_no_ack": (dict(flags="F"), GONE),
    "fin_ttl": (dict(flags="FA", ip={"ttl": 1}), SAME),
    "fin_data_ttl": (dict(flags="FA", ip={"ttl": 1}, data=b"x"), None),
}


def end(kind, where):
    def story(s, port, says):
        how, twin = ENDS[kind]
        how, twin = dict(how), HELD if kind == "fin_far" and where == "within" else twin
        data, real = how.pop("data", b""), says(s.host)
        c = s.conn(port).open()
        n = {"before": 0, "within": 12}[where]
        if n:
            c.client(real[:n])
        place = c.next[1]
        c.client(data, **dict(dict(at=place), **how), twin=twin)
        # what stands behind a FIN that was read goes
        c.client(real[n:], at=place, gone="fin_" in kind and "ttl" in kind and bool(n or data))

    return story


for kind in ENDS:
    for where in ("before", "within"):
        cut_off = "fin_" in kind and "ttl" in kind and (where == "within" or "data" in kind)  # the twin names nobody before its end
        case(f"tcp.end.{kind}.{where}", **({"default": "allow"} if cut_off else {}))(end(kind, where))


@case("tcp.end.server_resets")
def _(s, port, says):
    # in the capture the server's; its receiver may be another
    c = s.conn(port).open()
    c.answer(flags="RA")
    c.client(says(s.host))


@case("tcp.end.server_closes")
def _(s, port, says):
    # half-closed: the server still reads
    c = s.conn(port).open()
    c.answer(flags="FA")
    c.client(flags="A")
    c.client(says(s.host))


@case("tcp.end.syn_again", carriers=("tls", "http"))
def _(s, port, says):
    # a SYN on a live key earns a challenge ACK
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:20])
    s.put(c.segment(1, "S", 70000))
    c.client(data[20:])


# ---- overlaps: where the second piece lies to the first, whose bytes are the real ones, in order or behind a hole ----

def overlap(kind, real_first, hole):
    def story(s, port, says):
        real, false = says(s.host), says(s.other)
        name = next(i for i, (a, b) in enumerate(zip(real, false)) if a != b) - 1
        end = len(real) - 2
        a, b = name, name + 9
        second = {"same": (a, b), "before": (a - 4, b - 3), "behind": (a + 3, min(b + 4, end)), "around": (a - 4, min(b + 4, end)),
                  "inside": (a + 2, b - 2), "front": (a, b - 3), "back": (a + 3, b), "longer": (a, min(b + 4, end)),
                  "earlier": (a - 4, b)}[kind]
        c = s.conn(port).open()
        spoiled = real[: second[0]] + false[slice(*second)] + real[second[1] :]
        x, y = (real, false) if real_first else (spoiled, real)
        if not hole:
            c.client(real[:a], at=0)
        c.client(x[a:b], at=a)
        c.client(y[slice(*second)], at=second[0])
        if hole:
            c.client(real[:a], at=0)
        c.client(real[min(b, second[1]) :], at=min(b, second[1]))

    return story


for kind in ("same", "before", "behind", "around", "inside", "front", "back", "longer", "earlier"):
    for real_first in (True, False):
        for hole in (True, False):
            # what comes out where the false bytes came first is a name of neither kind: a default of deny refuses it
            case("tcp.overlap.%s.%s.%s" % (kind, "real_first" if real_first else "real_last", "hole" if hole else "in_order"),
                 **({} if real_first else {"default": "allow"}))(overlap(kind, real_first, hole))


@case("tcp.overlap.acknowledged", carriers=("tls", "http"), harmless=True)
def _(s, port, says):
    # what the server has acknowledged is old: nobody reads the other bytes that come for it
    c, real, false = s.conn(port).open(), says(s.host), says(s.other)
    half = len(real) // 2
    c.client(false[:half], at=0)
    c.answer(flags="A", ack=half)
    c.client(real[:half], at=0, twin=HELD)
    c.client(false[half:], at=half)


@case("tcp.overlap.acked_by_client_only", carriers=("tls", "http"))
def _(s, port, says):
    # the ACK of bytes that never came
    c, real, false = s.conn(port).open(), says(s.host), says(s.other)
    c.client(false, at=0, ip={"ttl": 1})
    c.client(real, at=0)
    c.client(real, at=0)


# ---- data in SYN, urgent bytes, sequence numbers, probes, ports used again --------------------------------------------

@case("tcp.syn_data.whole")
def _(s, port, says):
    c = s.conn(port)
    c.syn(says(s.host))
    n = c.next[1]
    c.synack(ack=n)
    c.client(flags="A")


@case("tcp.syn_data.half")
def _(s, port, says):
    c, data = s.conn(port), says(s.host)
    c.syn(data[:20])
    c.synack(ack=20)
    c.client(data[20:])


@case("tcp.syn_data.refused")
def _(s, port, says):
    # the server does not take it, the client sends it again
    c, data = s.conn(port), says(s.host)
    c.syn(data[:20])
    c.synack(ack=0)
    c.client(data, at=0)


@case("tcp.syn_data.decoy")
def _(s, port, says):
    # another name in the SYN, which the server does not take
    c = s.conn(port)
    c.syn(says(s.other))
    c.synack(ack=0)
    c.client(says(s.host), at=0)


@case("tcp.syn_data.twice")
def _(s, port, says):
    c = s.conn(port)
    c.syn(says(s.other))
    c.next[1] = 0
    c.syn(says(s.host))
    c.synack(ack=0)


@case("tcp.urgent.byte_of_name", carriers=("tls", "http"))
def _(s, port, says):
    c, data = s.conn(port).open(), says(s.host)
    c.client(data, flags="PAU", urg=data.find(s.host) + 3)


@case("tcp.urgent.byte_more", carriers=("tls", "http"), default="allow", pieces=True)
def _(s, port, says):
    # without its urgent byte the name is another: byte before the pointer, byte at the pointer
    for sport, off in ((40000, 1), (40001, 0)):
        c, data = s.conn(port, sport=sport).open(), says(s.host)
        n = data.find(s.host) + 3
        c.client(data[:n] + b"x" + data[n:], flags="PAU", urg=n + off)


@case("tcp.urgent.length_of_both", carriers=("tls",), default="allow", pieces=True)
def _(s, port, says):
    # the hello's lengths count the urgent byte out: in line it is broken, out of band it is whole
    c, data = s.conn(port).open(), says(s.host)
    n = data.find(s.host) + 3
    c.said(data[:n])
    c.client(b"x", flags="AU", urg=1)
    c.client(data[n:])


@case("tcp.urgent.ahead", carriers=("tls", "http"))
def _(s, port, says):
    c, data = s.conn(port).open(), says(s.host)
    n = data.find(s.host) + 4
    c.client(flags="AU", urg=n)
    c.client(data)


@case("tcp.wrap")
def _(s, port, says):
    data = says(s.host)
    n = data.lower().find(s.host.split(b".")[0]) + 3
    c = s.conn(port, isn=(1 << 32) - 1 - n).open()
    c.said(*cut(data, 5))


@case("tcp.wrap_reversed")
def _(s, port, says):
    data = says(s.host)
    c = s.conn(port, isn=(1 << 32) - 1 - len(data) // 2, theirs=(1 << 32) - 1).open()
    for i, p in reversed(at(data, 7)):
        c.client(p, at=i)


@case("tcp.keepalive")
def _(s, port, says):
    # one byte of garbage before the next, and none
    c, data = s.conn(port).open(), says(s.host)
    c.client(b"x", flags="A", at=-1, twin=SAME)
    c.client(b"", flags="A", at=-1)
    c.client(data[:20])
    c.client(b"\0", flags="A", at=19)
    c.client(b"", flags="A", at=19)
    c.client(data[20:])


@case("tcp.window_probe")
def _(s, port, says):
    # one byte beyond a closed window: the right one, then a wrong one
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:20])
    c.answer(flags="A", ack=20, window=0)
    c.client(data[20:21], at=20)
    c.client(b"~", at=20)
    c.answer(flags="A", ack=20)
    c.client(data[20:], at=20)


def reuse(how):
    def story(s, port, says):
        c = s.conn(port).open()
        c.client(says(s.other))
        if port == 443:
            c.answer(server_hello())
            c.client(APPLICATION)
        if how == "fin":
            c.close()
            c.client(flags="A")
        elif how == "rst":
            c.client(flags="R")
        elif how == "server_rst":
            c.answer(flags="RA", ack=c.next[1])
        elif how == "long_after":
            s.wait(300)
        d = s.conn(port, isn=900000, theirs=700000)
        if how == "challenged":
            d.syn()
            c.answer(flags="A", ack=c.next[1])
            c.client(flags="R")
        d.open()
        d.said(*cut(says(s.host), 30))

    return story


for how in ("fin", "rst", "server_rst", "long_after", "challenged"):
    case(f"tcp.reuse.{how}")(reuse(how))


@case("tcp.reuse.same_numbers", carriers=("tls", "http"))
def _(s, port, says):
    # the key lingers after a RST, and the client goes on where it stood
    c = s.conn(port).open()
    c.client(says(s.other))
    c.answer(flags="RA", ack=c.next[1])
    c.client(says(s.host))

