# SPDX-License-Identifier: BSD-3-Clause
"""One HTTP/3 GET with aioquic's client, on a socket that hears ICMP: what its kernel was told, and how soon, is the last line.
usage: h3_client.py CERT ADDRESS PORT NAME"""
import asyncio
import sys
import time

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

CERT, ADDRESS, PORT, NAME = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.done = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        for e in self.http.handle_event(event):
            if isinstance(e, DataReceived) and e.stream_ended and not self.done.done():
                self.done.set_result(e.data)

    def error_received(self, error):
        if not self.done.done():
            self.done.set_exception(error)


async def main():
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=True, server_name=NAME)
    configuration.load_verify_locations(CERT)
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Client(QuicConnection(configuration=configuration)), remote_addr=(ADDRESS, PORT))
    begun = time.monotonic()
    try:
        client.connect(transport.get_extra_info("peername"))
        connected = asyncio.ensure_future(client.wait_connected())
        await asyncio.wait({connected, client.done}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        if client.done.done():
            client.done.result()
        stream = client._quic.get_next_available_stream_id()
        client.http.send_headers(stream, [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", NAME.encode()),
                                          (b":path", b"/")], True)
        client.transmit()
        print(await asyncio.wait_for(client.done, 3))
    except OSError as e:
        sys.exit("unreachable after %.1f ms: %s" % ((time.monotonic() - begun) * 1000, e))


asyncio.run(main())
