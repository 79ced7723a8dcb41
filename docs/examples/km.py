#!/usr/bin/env python3
"""A key manager for the node in 40 lines: Kq-1 over TLS, keys in memory, one line for each.

    scripts/certificates certs --km km && python3 docs/examples/km.py 9443 certs km

What it lacks to be one: it forgets at the end, and nobody asks it for a key. See docs/test-your-km.md.
"""
import base64, hashlib, json, socketserver, ssl, struct, sys

HEADER = struct.Struct(">HIHH")  # version, MessageID, command, length (Annex A)
SUPPLY, RESPONSE = 1, 2
store = {}


def take(message):
    """What becomes of a key. A repeat is a success; another key of that ID is not (Table 2)."""
    key_id, key = message["key_ID"], base64.b64decode(message["key"], validate=True)
    digest = message.get("hash_value", "")
    if digest and digest != "sha-256:" + hashlib.sha256(key).hexdigest():
        return "hash_mismatch"
    if store.setdefault(key_id, key) != key:
        return "duplicate_key_ID"
    print(f"{key_id} {message['key_length']} bit, {len(store)} keys", flush=True)
    return "success"


class Node(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(HEADER.size)) == HEADER.size:
            version, message_id, command, length = HEADER.unpack(head)
            body = self.rfile.read(length)
            if version != 1 or command != SUPPLY:
                return
            message = json.loads(body)
            answer = {"key_ID": message.get("key_ID", ""), "response": take(message)}
            payload = json.dumps(answer).encode()
            self.wfile.write(HEADER.pack(1, message_id, RESPONSE, len(payload)) + payload)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


port, folder, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=f"{folder}/ca.crt")
tls.minimum_version, tls.verify_mode = ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED
tls.load_cert_chain(f"{folder}/{name}.crt", f"{folder}/{name}.key")
server = Server(("", port), Node)
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
