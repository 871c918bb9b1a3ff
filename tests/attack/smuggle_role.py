# SPDX-License-Identifier: BSD-3-Clause
"""Who is the client, and what does it speak? A name smuggled where the box may take the wrong side for the one who asks (ports of
services on the client's side, a middle without a beginning, answers that come first), or the wrong protocol for the one that is
spoken, because of what the server has said, of the port, or of what came before on the same connection."""
from book import Book
from payload import APPLICATION, CARRIERS, HTTP_OK, dns, framed, get, server_hello, tls
from scene import SERVER

CASES = Book("role.")
case = CASES.case


def cut(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


# ---- ports ------------------------------------------------------------------------------------------------------------

PORTS = {"service_to_high": (443, 40000), "service_both": (80, 443), "dns_to_high": (53, 33000), "high_both": (50000, 60000), "same": (443, 443)}
for ports, (sport, port) in PORTS.items():
    for carrier, (_, says) in CARRIERS.items():
        @case(f"ports.{ports}/{carrier}")
        def _(s, sport=sport, port=port, says=says):
            s.conn(port, sport=sport).open().said(*cut(says(s.host), 30))

        @case(f"ports.{ports}.midstream/{carrier}")
        def _(s, sport=sport, port=port, says=says):
            s.conn(port, sport=sport).said(*cut(says(s.host), 30))

        @case(f"ports.{ports}.answer_first/{carrier}", default="allow")
        def _(s, sport=sport, port=port, says=says):
            # midstream, and an ACK of the server's is what comes first
            c = s.conn(port, sport=sport)
            s.put(c.segment(SERVER, "A", 0))
            c.said(*cut(says(s.host), 30))

    @case(f"ports.{ports}/udp")
    def _(s, sport=sport, port=port):
        s.udp(dns(s.host), port, sport)

    @case(f"ports.{ports}.answer_first/udp", default="allow")
    def _(s, sport=sport, port=port):
        # the server's datagram first
        s.udp(b"\0\1\2\3", port, sport, side=SERVER)
        s.udp(dns(s.host), port, sport)


# ---- what the server says first ---------------------------------------------------------------------------------------

GREETINGS = {
    "smtp": b"220 mail ESMTP\r\n", "imap": b"* OK ready\r\n", "pop3": b"+OK ready\r\n", "ssh": b"SSH-2.0-x\r\n", "http": HTTP_OK,
    "hello": server_hello(), "alert": b"\x15\3\3\0\2\2\x28", "mysql": b"\x4a\0\0\0\x0a8.0.1\0" + bytes(20), "socks": b"\5\0", "zeros": bytes(40),
    "text": b"welcome\r\n", "vnc": b"RFB 003.008\n", "application": APPLICATION, "dns": framed(dns(b"x.test", flags=0x8180)),
}
for greeting, words in GREETINGS.items():
    # a greeting that is judged itself has no name that a default of deny would allow
    refused = {"default": "allow"} if greeting in ("ssh", "dns") else {}
    for carrier, (port, says) in CARRIERS.items():
        @case(f"greeted.{greeting}/{carrier}", **refused)
        def _(s, words=words, port=port, says=says):
            c = s.conn(port).open()
            c.answer(words)
            c.said(*cut(says(s.host), 40))

        @case(f"greeted.{greeting}.whole/{carrier}", **refused)
        def _(s, words=words, port=port, says=says):
            c = s.conn(9999).open()
            c.answer(words)
            c.client(says(s.host))


# ---- what the client said before --------------------------------------------------------------------------------------

# What nobody knows, and then a hello or a request: a STARTTLS of a protocol that is not in the tables. (Behind a protocol that is
# known no server reads another one, unless both have agreed to it.)
BEFORE = {
    "crlf": (b"\r\n", "tls"), "zero": (b"\0", "tls"), "telnet": (b"\xff\xfb\x18\xff\xfd\x03", "tls"), "line": (b"hello there\r\n", "tls http"),
    "lines": (b"hello there\r\nhow are you\r\n", "tls http"), "binary": (bytes(range(128, 168)), "tls"), "heartbeat": (b"\x18\3\1\0\3\1\0\0", "tls"),
    "alert": (b"\x15\3\1\0\2\1\x5a", "tls"), "hello_without": (tls(), "tls"), "proxy1": (b"PROXY UNKNOWN\r\n", "tls http dns"),
    "http": (get(b"nothing.example"), "tls"), "options": (b"OPTIONS * HTTP/1.1\r\nHost: nothing.example\r\n\r\n", "tls http"),
    "starttls": (b"STARTTLS\r\n", "tls"), "imap": (b"a1 STARTTLS\r\n", "tls"), "postgres": (b"\0\0\0\x08\x04\xd2\x16\x2f", "tls"),
    "ehlo": (b"EHLO me\r\n", "tls"), "socks4": (b"\4\1\1\xbb\x0a\1\1\1user\0", "tls http"),
}
for before, (words, carriers) in BEFORE.items():
    for carrier in carriers.split():
        port, says = CARRIERS[carrier]
        for how in ("together", "apart", "answered"):
            @case(f"after.{before}.{how}/{carrier}", default="allow", loose=True)
            def _(s, words=words, port=port, says=says, how=how):
                c = s.conn(port).open()
                if how == "together":
                    c.client(words + says(s.host))
                    return
                c.client(words)
                if how == "answered":
                    c.answer(b"yes\r\n")
                c.client(says(s.host))


for turn in (2, 5, 20):
    for carrier in ("tls", "http"):
        @case(f"after.turns.{turn}/{carrier}", default="allow")
        def _(s, turn=turn, carrier=carrier):
            # question and answer, and then a hello in pieces
            port, says = CARRIERS[carrier]
            c = s.conn(7000).open()
            for n in range(turn):
                c.client(b"question %d?\n" % n)
                c.answer(b"answer %d\n" % n)
            data = says(s.host)
            c.said(*(cut(data, 9) if carrier == "tls" else [data]))
