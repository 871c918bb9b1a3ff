# SPDX-License-Identifier: BSD-3-Clause
"""The server of `scripts/demo live`: a page over HTTP and TLS, an address for every name. usage: demo_server.py ADDRESS CERT KEY"""
import http.server
import socketserver
import ssl
import sys
import threading


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<html>hello from the server</html>\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Names(socketserver.BaseRequestHandler):
    def handle(self):
        query, s = self.request
        end = query.index(b"\0", 12) + 5
        s.sendto(query[:2] + b"\x81\x80" + query[4:6] + b"\0\1\0\0\0\0" + query[12:end]
                 + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x4d\0\x02", self.client_address)


address, cert, key = sys.argv[1:]
tls = http.server.ThreadingHTTPServer((address, 443), Page)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
tls.socket = context.wrap_socket(tls.socket, server_side=True)
threading.Thread(target=tls.serve_forever, daemon=True).start()
threading.Thread(target=http.server.ThreadingHTTPServer((address, 80), Page).serve_forever, daemon=True).start()
socketserver.ThreadingUDPServer((address, 53), Names).serve_forever()
