# SPDX-License-Identifier: BSD-3-Clause
"""A real SMTP server (aiosmtpd) that offers STARTTLS. usage: smtp_server.py CERT KEY"""
import asyncio
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
Controller(Sink(), hostname="10.99.0.2", port=25, tls_context=context).start()
asyncio.new_event_loop().run_forever()
