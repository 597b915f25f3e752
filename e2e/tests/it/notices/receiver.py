"""A webhook: one JSON line for each request to the file named first, signatures checked with the secret named second.

It answers its first request never, its second with 503, and every other with 200.
"""

import hashlib
import hmac
import http.server
import json
import sys
import threading

LOG, SECRET = sys.argv[1], sys.argv[2].encode()
LOCK = threading.Lock()
SEEN = []


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = self.headers["aob-timestamp"].encode() + b"." + body
        expected = "v1=" + hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
        genuine = hmac.compare_digest(expected, self.headers["aob-signature"])
        with LOCK:
            SEEN.append(None)
            number = len(SEEN)
            line = {"genuine": genuine, "key": self.headers["idempotency-key"], "body": json.loads(body)}
            with open(LOG, "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
        if number == 1:
            threading.Event().wait()
        self.send_response(503 if number == 2 else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
