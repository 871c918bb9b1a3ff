# SPDX-License-Identifier: BSD-3-Clause
"""A proxy before an S3 server, that does what networks and servers do at their worst, and notes what it was asked. What
stays as it came is signed as it came: the server checks the client's own signature."""
import hashlib
import hmac
import http.client
import http.server
import re
import select
import socket
import struct
import threading
import time
import urllib.parse

ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>x</RequestId></Error>'


def signature(method, path, headers, key_id, secret):
    """of a request as it came, by AWS's rules: written apart from ours"""
    m = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/s3/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)", headers.get("Authorization", ""))
    if not m or m[1] != key_id:
        return None
    where, _, query = path.partition("?")
    low = {k.lower(): " ".join(v.split()) for k, v in headers.items()}
    lines = [method, where, "&".join(sorted(query.split("&"))) if query else "", *("%s:%s" % (h, low[h]) for h in m[4].split(";")), "", m[4],
             low["x-amz-content-sha256"]]
    text = "\n".join(["AWS4-HMAC-SHA256", low["x-amz-date"], "%s/%s/s3/aws4_request" % (m[2], m[3]), hashlib.sha256("\n".join(lines).encode()).hexdigest()])
    k = ("AWS4" + secret).encode()
    for step in (m[2], m[3], "s3", "aws4_request", text):
        k = hmac.new(k, step.encode(), hashlib.sha256).digest()
    return k.hex() == m[5] and m[4].split(";")


class Proxy:
    """rule(request) -> None: pass on; "cut": the connection ends before the server has it; "deaf": after; "half": in the
    middle of the body; "wait": stays without an answer; (status, code): S3's error, or, as bytes, the body of
    an answer that is no S3's; a dict: headers to pass on instead; a function: what it makes of the answer's headers"""

    def __init__(self, server, rule=lambda q: None):
        self.rule, self.seen, self.lock, proxy = rule, [], threading.Lock(), self
        self.waits = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            log_message = lambda *a: None

            def end(self):  # a reset, not a polite end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                self.rfile = self.wfile = open("/dev/null", "r+b")

            def one(self):
                n = int(self.headers.get("Content-Length") or 0)
                q = {"method": self.command, "path": self.path, "headers": dict(self.headers), "n": n, "at": time.monotonic()}
                url = urllib.parse.urlsplit(self.path)
                q["query"] = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
                q["key"] = urllib.parse.unquote(url.path).split("/", 2)[-1]
                q["kind"] = ("list" if self.command == "GET" and "uploads" in q["query"] else "create" if "uploads" in q["query"] else
                             "part" if "partNumber" in q["query"] else "complete" if self.command == "POST" else
                             "abort" if self.command == "DELETE" else "put" if self.command == "PUT" else "other")
                with proxy.lock:
                    how = proxy.rule(q)
                    q["how"] = how
                    proxy.seen.append(q)
                if how == "half":
                    self.rfile.read(n // 2)
                    return self.end()
                body = self.rfile.read(n)
                if how == "cut":
                    return self.end()
                if how == "wait":
                    proxy.waits.set()
                    threading.Event().wait()
                if isinstance(how, tuple) and isinstance(how[1], bytes):
                    return self.answer(*how, {"Content-Type": "text/html"})
                if isinstance(how, tuple):
                    return self.answer(how[0], (ERROR % (how[1], "of the test")).encode(), how[2] if len(how) > 2 else {})
                c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                c.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for k, v in (how if isinstance(how, dict) else q["headers"]).items():
                    c.putheader(k, v)
                c.endheaders()
                for i in range(0, n, 65536):  # a server that says no without having heard it all is heard
                    if select.select([c.sock], [], [], 0)[0]:
                        break
                    c.sock.sendall(body[i : i + 65536])
                r = c.getresponse()
                text = r.read()
                if how == "wait after":
                    proxy.waits.set()
                    threading.Event().wait()
                if how == "deaf":
                    return self.end()
                q["status"] = r.status
                headers = dict(r.getheaders())
                self.answer(r.status, text, how(headers) if callable(how) else headers)

            def answer(self, status, body, headers):
                self.send_response_only(status)
                for k, v in headers.items():
                    if k.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(k, v)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = one

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True
            handle_error = lambda *a: None

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def kinds(self, kind):
        return [q for q in self.seen if q["kind"] == kind]
