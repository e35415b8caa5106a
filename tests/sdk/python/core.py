"""The server under test, and a proxy that notes what is asked of it."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from age_keys import age_keys

HOUR_MS = 3_600_000
# How long the old key goes on signing after the servers are there, its successor being listed already.
LEFT_MS = 4000


@contextlib.contextmanager
def running(settings, database="memory:"):
    """A server on a free port, which is what this answers. It is ended by its own handle."""
    server = subprocess.Popen(
        [os.environ["HANDSTAMP_BIN"], "serve", "--host", "127.0.0.1", "--port", "0", "--database", database],
        env={"PATH": os.environ["PATH"], "REFRESH_TOKEN_ROTATION_GRACE_PERIOD": "0", **settings},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = iter(server.stdout.readline, "")
        ready = next((found for line in lines if (found := re.search(r"^handstamp\b.*?http://[^\s/]+:(\d+)", line))), None)
        assert ready, "the server ended before it was ready"
        yield int(ready[1])
    finally:
        server.terminate()
        server.wait()


class Rotation:
    """Two servers on one database: at the first a key signs for two hours, at the second for one, which is nearly over."""

    def __init__(self, stack):
        self.stack = stack
        self.database = f"{stack.enter_context(tempfile.TemporaryDirectory())}/rotation.db"
        with self.start(2):
            pass
        age_keys(self.database, int(time.time() * 1000) - HOUR_MS + LEFT_MS)
        self.port = stack.enter_context(self.start(2))
        self.before = self.keys(self.port)[0]

    def start(self, hours):
        settings = {"ACCESS_TOKEN_SIGNING_KEY_UPDATE_INTERVAL": str(hours)}
        return running(settings, f"sqlite:{self.database}")

    def change(self):
        """Starts the second server, which makes a successor at once; answers its port."""
        return self.stack.enter_context(self.start(1))

    @staticmethod
    def keys(port):
        """The keys that follow each other."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/jwks.json") as answer:
            return [key for key in json.load(answer)["keys"] if key["kid"].startswith("d-")]


class Proxy:
    """Passes requests on to `target`, and notes the last parts of their paths and the protocols that they name."""

    def __init__(self, target):
        self.target = target
        self.requests = []
        self.versions = set()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                proxy.requests.append(self.path.split("?")[0].split("/")[-1])
                if version := self.headers.get("cdi-version"):
                    proxy.versions.add(version)
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                connection = http.client.HTTPConnection("127.0.0.1", proxy.target)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    async def during(self, action):
        """What `action` answers, and what it asks for."""
        self.requests.clear()
        result = await action
        return result, list(self.requests)
