"""A server that runs tasks of a registered type: standard library only, the signature checked as the docs say.

/sum answers at once, /later takes the task (202), /broken/<n> answers 503 to the first <n> requests of a task.
Every request is a line of JSON on standard output; the first line is the port.
"""
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = b"a-key-for-tests"
TRIES = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        when = self.headers["aob-timestamp"]
        expected = "v1=" + hmac.new(SECRET, when.encode() + b"." + body, hashlib.sha256).hexdigest()
        fresh = abs(time.time() - int(when)) < 300
        signed = hmac.compare_digest(expected, self.headers["aob-signature"]) and fresh
        task = json.loads(body)
        key = self.headers["idempotency-key"]
        print(json.dumps({"path": self.path, "signed": signed, "key": key, "task": task}), flush=True)
        if not signed:
            return self.reply(401, {"error": "the signature is not right"})
        if self.path == "/sum":
            return self.reply(200, {"sum": task["input"]["n"] + 1, "key": key})
        if self.path == "/later":
            return self.reply(202, None)
        TRIES[key] = TRIES.get(key, 0) + 1
        if TRIES[key] <= int(self.path.rsplit("/", 1)[1]):
            return self.reply(503, {"error": "busy"})
        return self.reply(200, {"tries": TRIES[key]})

    def reply(self, status, value):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
sys.stdout.flush()
server.serve_forever()
