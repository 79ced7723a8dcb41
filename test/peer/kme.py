#!/usr/bin/env python3
"""A pair of KMEs by ETSI GS QKD 014 V1.1.1, from the standard alone, in Python's standard library.

  kme.py FOLDER [SETTING=VALUE ...]

FOLDER has ca.crt, and kme.crt and kme.key, which both KMEs show. The SAE of the end A is the master. The first line
of standard output is {"a": PORT, "b": PORT}; then each line of standard input is a command in JSON, and is answered by
a line of JSON. Commands and settings: README.md.
"""

import base64
import hashlib
import http.server
import json
import os
import ssl
import sys
import threading
import time
import urllib.parse
import uuid

SETTINGS = {
    # Dialects.
    "http": "1.1", "chunked": 0, "upper": 0, "size": 256, "fixed": 0, "get_only": 0, "want_master": 0,
    "empty": 503, "unknown": 400, "most": 128, "sae_in": "any", "texts": 0,
    # Supply: `auto` keys are there whenever one looks; else those of the command "make".
    "auto": 0,
    # Misbehaviours: parts of requests (0 to 1), or times in s.
    "fewer": 0.0, "cut": 0.0, "silent": 0.0, "busy": 0.0, "repeat": 0.0, "lag": 0.0, "late": 0.0, "expire": 0.0,
    "per_second": 0, "seed": 1,
    # The next answer to such a request is nonsense, once: `status`, `enc_keys` or `dec_keys`, and which.
    "odd_of": "", "odd": "", "odd_end": 0,
}


ONE = "00000000-0000-4000-8000-000000000000"
ODD = {
    "nothing": (200, None),
    "list": (200, []),
    "text": (200, "keys"),
    "no_key": (200, {"keys": [{"key_ID": ONE}]}),
    "no_base64": (200, {"keys": [{"key_ID": ONE, "key": "*" * 44}]}),
    "no_uuid": (200, {"keys": [{"key_ID": "1", "key": "AAAA"}]}),
    "no_length": (200, {"keys": [{"key_ID": ONE, "key": ""}]}),
    "numbers": (200, {"key_size": -1, "stored_key_count": "many"}),
    "teapot": (418, {"message": "short and stout"}),
}


class Pair:
    def __init__(self, settings):
        self.lock = threading.RLock()
        self.set = dict(SETTINGS)
        self.change(settings)
        self.stock = []  # (id, key), oldest first
        self.waiting = {}  # id -> (key, from when B has it)
        self.given = {}  # id -> [times at A, times at B, digest]
        self.last = []
        self.requests = []
        self.state = int(self.set["seed"])

    def change(self, settings):
        for name, value in settings.items():
            if name not in SETTINGS:
                raise KeyError(name)
            self.set[name] = type(SETTINGS[name])(value)

    def chance(self, name):
        """Whether it happens now, drawn from the seed."""
        part = self.set[name]
        if part <= 0:
            return False
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) / 2**31 < part

    def make(self, number, bits):
        made = []
        for _ in range(number):
            one = str(uuid.uuid4())
            self.stock.append((one, os.urandom(bits // 8)))
            made.append(one)
        return made

    def fill(self):
        if len(self.stock) < self.set["auto"]:
            self.make(self.set["auto"] - len(self.stock), self.set["size"])

    def spelt(self, one):
        return one.upper() if self.set["upper"] else one

    def count(self, one, end, key):
        entry = self.given.setdefault(one, [0, 0, hashlib.sha256(key).hexdigest()])
        entry[end] += 1

    def container(self, keys):
        pairs = [{"key_ID": self.spelt(one), "key": base64.b64encode(key).decode()} for one, key in keys]
        return {"keys": pairs}

    def status(self):
        self.fill()
        s = self.set
        number = str if s["texts"] else int
        return {"source_KME_ID": "KME-A", "target_KME_ID": "KME-B", "master_SAE_ID": "sae-a",
                "slave_SAE_ID": "sae-b", "key_size": number(s["size"]), "stored_key_count": number(len(self.stock)),
                "max_key_count": number(1_000_000), "max_key_per_request": number(s["most"]),
                "max_key_size": number(s["size"] if s["fixed"] else 8_388_608), "min_key_size": number(8),
                "max_SAE_ID_count": number(0)}

    def enc(self, number, size):
        """Status and body of an answer to enc_keys."""
        s = self.set
        self.fill()
        if size is not None and s["fixed"] and size != s["size"]:
            return 400, {"message": "key size is fixed"}
        if number < 1 or number > s["most"]:
            return 400, {"message": "number is out of range"}
        if self.last and self.chance("repeat"):
            return 200, self.container(self.last)
        if self.chance("fewer"):
            number = max(1, number // 2)
        if len(self.stock) < number and not s["fewer"]:
            return s["empty"], {"message": "not enough keys"}
        keys, self.stock = self.stock[:number], self.stock[number:]
        if not keys:
            return s["empty"], {"message": "no keys"}
        self.last = keys
        for one, key in keys:
            self.count(one, 0, key)
            if not self.chance("expire"):
                self.waiting[one] = (key, time.monotonic() + s["lag"])
        return 200, self.container(keys)

    def dec(self, ids):
        """Status and body of an answer to dec_keys."""
        if self.set["upper"] and any(one != one.upper() for one in ids):
            return self.set["unknown"], {"message": "one or more keys specified are not found on KME"}
        ids = [one.lower() for one in ids]
        now = time.monotonic()
        there = [one for one in ids if one in self.waiting and self.waiting[one][1] <= now]
        if not there or (len(there) < len(ids) and not self.set["fewer"]):
            return self.set["unknown"], {"message": "one or more keys specified are not found on KME"}
        keys = [(one, self.waiting.pop(one)[0]) for one in there]
        for one, key in keys:
            self.count(one, 1, key)
        return 200, self.container(keys)


class Handler(http.server.BaseHTTPRequestHandler):
    end = 0
    timeout = 60

    def log_message(self, *_):
        pass

    @property
    def pair(self):
        return self.server.pair

    def caller(self):
        """The SAE that the client's certificate names."""
        shown = self.connection.getpeercert()
        names = [value for kind, value in shown.get("subjectAltName", ()) if kind == "DNS"]
        common = [value for part in shown["subject"] for kind, value in part if kind == "commonName"]
        found = {"san": names, "cn": common, "any": names + common}[self.pair.set["sae_in"]]
        return found[0] if found else None

    def do_GET(self):
        path, _, query = self.path.partition("?")
        values = {name: given[0] for name, given in urllib.parse.parse_qs(query).items()}
        self.answer("GET", path, values)

    def do_POST(self):
        if self.pair.set["get_only"]:
            self.read()
            return self.say(405, {"message": "GET only"})
        try:
            values = json.loads(self.read() or b"{}")
        except ValueError:
            return self.say(400, {"message": "no JSON"})
        self.answer("POST", self.path, values)

    def read(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, method, path, values):
        pair = self.pair
        parts = path.split("/")
        if pair.set["late"] > 0:
            time.sleep(pair.set["late"])
        with pair.lock:
            if len(parts) != 6 or parts[1:4] != ["api", "v1", "keys"]:
                return self.say(404, {"message": "no such path"})
            if self.caller() != ("sae-a", "sae-b")[self.end] or parts[4] != ("sae-b", "sae-a")[self.end]:
                return self.say(401, None)
            now = time.monotonic()
            pair.requests = [at for at in pair.requests if at > now - 1] + [now]
            if parts[5] != "status" and (pair.chance("busy") or self.limited()):
                return self.say(503, {"message": "busy"}, {"Retry-After": "0"})
            if parts[5] != "status" and pair.chance("silent"):
                return self.cut()
            if parts[5] == pair.set["odd_of"] and self.end == pair.set["odd_end"]:
                pair.set["odd_of"] = ""
                return self.say(*ODD[pair.set["odd"]])
            if parts[5] == "status":
                status, body = 200, pair.status()
            elif parts[5] == "enc_keys" and self.end == 0:
                size = values.get("size")
                status, body = pair.enc(int(values.get("number", 1)), None if size is None else int(size))
            elif parts[5] == "dec_keys" and self.end == 1:
                status, body = self.dec(method, values)
            else:
                return self.say(404, {"message": "no such path"})
            # The keys have left: the answer may be lost all the same.
            if parts[5] != "status" and pair.chance("cut"):
                return self.cut()
        self.say(status, body)

    def limited(self):
        limit = self.pair.set["per_second"]
        return limit > 0 and len(self.pair.requests) > limit

    def dec(self, method, values):
        if method == "GET":
            return self.pair.dec([values.get("key_ID", "")])
        ids = values.get("key_IDs")
        if not isinstance(ids, list) or not ids:
            return 400, {"message": "key_IDs are missing"}
        if self.pair.set["want_master"] and any("master_SAE_ID" not in one for one in ids):
            return 400, {"message": "master_SAE_ID is missing"}
        return self.pair.dec([one["key_ID"] for one in ids])

    def cut(self):
        self.close_connection = True
        self.connection.close()

    def say(self, status, value, headers=()):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, text in dict(headers).items():
            self.send_header(name, text)
        if self.pair.set["chunked"] and self.protocol_version == "HTTP/1.1":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(body), 1000):
                piece = body[at:at + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, pair, end, port, context):
        handler = type("Handler", (Handler,), {
            "end": end, "protocol_version": f"HTTP/{pair.set['http']}", "disable_nagle_algorithm": True,
        })
        super().__init__(("127.0.0.1", port), handler)
        self.pair = pair
        self.context = context
        self.open = set()

    def get_request(self):
        connection, address = self.socket.accept()
        connection.settimeout(60)
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def process_request_thread(self, request, address):
        self.open.add(request)
        try:
            request.do_handshake()
            super().process_request_thread(request, address)
        except OSError:
            request.close()
        finally:
            self.open.discard(request)

    def handle_error(self, request, address):
        pass


def serve(pair, end, port, context):
    server = Server(pair, end, port, context)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def stop(server):
    server.shutdown()
    server.server_close()
    for connection in list(server.open):
        try:
            connection.shutdown(2)
        except OSError:
            pass
        connection.close()


def main():
    folder, *words = sys.argv[1:]
    pair = Pair(dict(word.split("=", 1) for word in words))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=f"{folder}/ca.crt")
    context.load_cert_chain(f"{folder}/kme.crt", f"{folder}/kme.key")
    context.verify_mode = ssl.CERT_REQUIRED
    servers = [serve(pair, end, 0, context) for end in (0, 1)]
    ports = [server.server_address[1] for server in servers]
    print(json.dumps({"a": ports[0], "b": ports[1]}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        with pair.lock:
            answer = {}
            if "set" in command:
                pair.change(command["set"])
            if "make" in command:
                answer["made"] = pair.make(command["make"], command.get("bits", pair.set["size"]))
            if command.get("ledger"):
                answer["given"] = pair.given
            if command.get("keys"):
                known = dict(pair.stock) | {one: key for one, (key, _) in pair.waiting.items()}
                answer["keys"] = {one: known[one].hex() for one in command["keys"] if one in known}
            if command.get("settings"):
                answer["settings"] = pair.set
            if command.get("stock"):
                answer["stock"] = [one for one, _ in pair.stock]
        # Without the lock: a request that is under way may want it.
        for end in command.get("down", []):
            if servers[end] is not None:
                stop(servers[end])
                servers[end] = None
        for end in command.get("up", []):
            if servers[end] is None:
                servers[end] = serve(pair, end, ports[end], context)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
