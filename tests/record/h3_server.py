# SPDX-License-Identifier: BSD-3-Clause
"""An HTTP/3 server (aioquic) that answers every request with a small page. usage: h3_server.py CERT KEY [ADDRESS [PORT]]"""
import asyncio
import sys

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated


class Page(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = None

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        for e in self.http.handle_event(event) if self.http else []:
            if isinstance(e, HeadersReceived):
                self.http.send_headers(e.stream_id, [(b":status", b"200"), (b"content-type", b"text/html")])
                self.http.send_data(e.stream_id, b"<!doctype html><title>h3</title>hello", True)
        self.transmit()


async def main():
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=False)
    configuration.load_cert_chain(sys.argv[1], sys.argv[2])
    at = (sys.argv[3:] + ["10.99.0.2", 4433][len(sys.argv) - 3:])
    await serve(at[0], int(at[1]), configuration=configuration, create_protocol=Page)
    await asyncio.Future()


asyncio.run(main())
