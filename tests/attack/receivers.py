# SPDX-License-Identifier: BSD-3-Clause
"""Models of TCP receivers: from the segments that reach a server, the bytes that its program can read. A model is a rule for
overlaps (whose bytes win in the queue: Novak and Sturges, Target-Based TCP Stream Reassembly, 2007), a set of checks by which
it discards segments, what it does with urgent bytes, and how far away it is (a segment of a low TTL does not reach it).
MODELS are the real ones and many between: each check alone, and all but each.

What is read stays: a byte that was in order belongs to the program, but in the model "last", for which it does only when the
server has acknowledged it. `anything` is no receiver but all of them: at every place each byte that ever came."""
import collections
import struct

from wire import total

OVERLAPS = {  # begin and end of the new segment, begin and end of the one that holds the byte: does the new one win?
    "first": lambda nb, ne, ob, oe: False,
    "last": lambda nb, ne, ob, oe: True,
    "bsd": lambda nb, ne, ob, oe: nb < ob,  # and Windows before Vista
    "linux": lambda nb, ne, ob, oe: nb < ob or nb == ob and ne > oe,
    "windows": lambda nb, ne, ob, oe: False,  # since Vista
}
CHECKS = frozenset("checksum flags ack ackvalue paws signature rst fin syn syndata".split())
FIN, SYN, RST, ACK, URG = 1, 2, 4, 16, 32
FAR = 1 << 20  # bytes further from the first one than this are in no window
Model = collections.namedtuple("Model", "overlap checks urgent ttl", defaults=("inline", 0))
Segment = collections.namedtuple("Segment", "client seq ack flags urg options data sound ttl")

MODELS = ([Model(o, c, "inline", t) for o in OVERLAPS for c in (CHECKS, frozenset()) for t in (0, 32)]
          + [Model(o, c) for o in ("first", "last") for k in sorted(CHECKS) for c in (CHECKS - {k}, frozenset({k}))]
          + [Model(o, c, u) for o in ("first", "last") for c in (CHECKS, frozenset()) for u in ("before", "at")])


def options(b):
    found, at = {}, 0
    while at < len(b) and b[at]:
        if b[at] == 1:
            at += 1
            continue
        if at + 1 >= len(b) or b[at + 1] < 2:
            break
        found[b[at]] = b[at + 2 : at + b[at + 1]]
        at += b[at + 1]
    return found


def segment(d, client):
    """a Segment out of a datagram, or None"""
    b = d.data
    if len(b) < 20:
        return None
    _, _, seq, ack, offset, flags, _, _, urg = struct.unpack("!HHIIBBHHH", b[:20])
    n = (offset >> 4) * 4
    if n < 20 or n > len(b):
        return None
    ends = b"".join(bytes(map(int, a.split("."))) if "." in a else ip6(a) for a in (d.src, d.dst))
    sound = d.sound and total(ends + struct.pack("!IHH", len(b), 0, 6) + b) == 0
    return Segment(client, seq, ack, flags, urg, options(b[20:n]), b[n:], sound, d.ttl)


def ip6(a):
    import ipaddress
    return ipaddress.ip_address(a).packed


def signed(x):
    return (x + 0x80000000 & 0xFFFFFFFF) - 0x80000000


class Queue:
    """The bytes of one direction of one connection."""

    def __init__(self, base, model):
        self.base, self.model, self.next, self.acked = base, model, 0, 0
        self.data, self.owner, self.urgent = {}, {}, set()
        self.stamp, self.signs, self.closed = None, False, False

    def insert(self, at, data):
        wins, end = OVERLAPS[self.model.overlap], at + len(data)
        stays = self.acked if self.model.overlap == "last" else self.next
        for i, b in enumerate(data, at):
            if i < 0 or (i < stays and i in self.data):
                continue
            if i not in self.owner or wins(at, end, *self.owner[i]):
                self.data[i], self.owner[i] = b, (at, end)
        while self.next in self.data:
            self.next += 1

    def read(self):
        return bytes(self.data[i] for i in range(self.next) if i not in self.urgent)


def discarded(q, s, model, server_next):
    """does the model discard this segment, by one of its checks?"""
    on = model.checks
    if s.ttl < model.ttl or ("checksum" in on and not s.sound):
        return True
    if "flags" in on and (not s.flags & 0x3F or s.flags & SYN and s.flags & (FIN | RST)):
        return True
    if q is None or s.flags & SYN:
        return False
    if "ack" in on and not s.flags & (ACK | RST):
        return True
    if "ackvalue" in on and s.flags & ACK and server_next is not None and not -65536 < signed(s.ack - server_next) <= 0:
        return True
    if "signature" in on and (19 in s.options or 29 in s.options) != q.signs:
        return True
    stamp = s.options.get(8)
    if "paws" in on and stamp and q.stamp is not None and not s.flags & RST:
        return signed(int.from_bytes(stamp[:4], "big") - q.stamp) < 0
    return False


def begun(queues, s, model, rest):
    """the connection that a segment belongs to, begun where it begins one"""
    q = queues[-1] if queues else None
    if s.flags & SYN and not s.flags & RST:
        base = s.seq + 1 & 0xFFFFFFFF
        if q is None or q.closed or base != q.base and "syn" not in model.checks:
            q = Queue(base, model)
            q.signs = 19 in s.options or 29 in s.options
            queues.append(q)
    elif q is None:  # midstream: it begins with the lowest byte before the next SYN
        base = s.seq
        for later in rest:
            if later.client and later.flags & SYN:
                break
            if later.client and later.data and -FAR < signed(later.seq - base) < 0:
                base = later.seq
        q = Queue(base, model)
        queues.append(q)
    return q


def receive(segments, model):
    """-> the streams of bytes that the server's programs read, one a connection"""
    queues, server_next = [], None
    for n, s in enumerate(segments):
        q = queues[-1] if queues else None
        if not s.client:
            end = s.seq + len(s.data) + bool(s.flags & SYN) + bool(s.flags & FIN) & 0xFFFFFFFF
            if not s.flags & RST and (server_next is None or s.flags & SYN or signed(end - server_next) > 0):
                server_next = end
            if q and s.flags & ACK and 0 < signed(s.ack - q.base) <= q.next + 1:
                q.acked = max(q.acked, signed(s.ack - q.base))
            continue
        if discarded(q, s, model, server_next):
            continue
        q = begun(queues, s, model, segments[n:])
        at = signed(s.seq - q.base) + bool(s.flags & SYN)
        if abs(at) > FAR or (s.flags & SYN and (s.seq + 1 & 0xFFFFFFFF) != q.base):
            continue
        if s.flags & RST:
            q.closed |= "rst" in model.checks and at == q.next
            continue
        if q.closed or s.flags & SYN and "syndata" in model.checks:
            continue
        if 8 in s.options and at <= q.next:
            q.stamp = int.from_bytes(s.options[8][:4], "big")
        if s.flags & URG and model.urgent != "inline":
            q.urgent.add(at + s.urg - (model.urgent == "before"))
        q.insert(at, s.data)
        if s.flags & FIN and "fin" in model.checks and at + len(s.data) == q.next:
            q.closed = True
    return [q.read() for q in queues]


def anything(segments):
    """-> for each connection the set of bytes that came for each place"""
    lenient = Model("first", frozenset())
    queues, sets = [], []
    for n, s in enumerate(segments):
        if not s.client:
            q = queues[-1] if queues else None
            if q and s.flags & ACK and 0 < signed(s.ack - q.base) <= FAR:
                q.acked = max(q.acked, signed(s.ack - q.base))
            continue
        q = begun(queues, s, lenient, segments[n:])
        if len(sets) < len(queues):
            sets.append({})
        at = signed(s.seq - q.base) + bool(s.flags & SYN)
        if abs(at) > FAR:
            continue
        for i, b in enumerate(s.data, at):
            if i >= 0 and not (i < q.acked and i in sets[-1]):
                sets[-1].setdefault(i, set()).add(b)
    return sets


def spelled(places, word):
    """can the word be read, from the first place on without a hole, taking at each any of its bytes? Letters of either case."""
    both = [{ord(c.lower()), ord(c.upper())} for c in word.decode("latin-1")]
    end = next(i for i in range(len(places) + 1) if i not in places)  # nobody reads on behind a hole
    for at in range(end - len(word) + 1):
        if all(both[i] & places[at + i] for i in range(len(word))):
            return True
    return False
