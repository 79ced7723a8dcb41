"""The other end of Ck over TCP, from Q.4164 Appendix I and Python's standard library alone: KM or controller.

It knows the draft and nothing else: no name of a protocol in TLS, MessageIDs from 1 on both sides, lists of plain texts,
responses that are numbers. Prints what it sees, a JSON object a line. Arguments: client|server, folder with ca.crt,
peer.crt and peer.key, port.
"""
import json
import socket
import ssl
import struct
import sys

role, folder, port = sys.argv[1:]
HEAD = struct.Struct(">HIHH")


def tell(what, **seen):
    print(json.dumps({"what": what, **seen}), flush=True)


def send(line, message_id, code, message):
    payload = json.dumps(message).encode()
    line.sendall(HEAD.pack(1, message_id, code, len(payload)) + payload)


def exactly(line, length):
    data = b""
    while len(data) < length:
        more = line.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def receive(line):
    version, message_id, code, length = HEAD.unpack(exactly(line, HEAD.size))
    message = json.loads(exactly(line, length))
    tell(f"0x{code:04X}", id=message_id, version=version, message=message)
    return message_id, code, message


def context(purpose):
    made = ssl.create_default_context(purpose, cafile=f"{folder}/ca.crt")
    made.load_cert_chain(f"{folder}/peer.crt", f"{folder}/peer.key")
    return made


def client():
    with socket.create_connection(("127.0.0.1", int(port))) as plain:
        tls = context(ssl.Purpose.SERVER_AUTH)
        with tls.wrap_socket(plain, server_hostname="controller.example") as line:
            destination = {"source_kma_id": "kma-p", "destination_kma_id": "kma-c", "extension": []}
            send(line, 1, 0x1401, destination)
            receive(line)
            send(line, 2, 0x1403, destination)
            message_id, _, _ = receive(line)
            send(line, message_id, 0x1405, {"response": 0, "key_relay_request_id": None})
            message_id, _, _ = receive(line)
            send(line, message_id, 0x140B, {"key_ids": ["key-1", "key-2"], "response": 0})
            message_id, _, _ = receive(line)
            send(line, message_id, 0x140D, {"response": "the key is gone"})
            send(line, 3, 0x1403, {"source_kma_id": "kma-p"})
            receive(line)


def server():
    tls = context(ssl.Purpose.CLIENT_AUTH)
    tls.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tell("listening", port=listening.getsockname()[1])
        plain, _ = listening.accept()
        with tls.wrap_socket(plain, server_side=True) as line:
            message_id, _, _ = receive(line)
            # One of its own, under the same MessageID as the KM's command.
            send(line, message_id, 0x410C, {
                "source_kma_id": "kma-a", "destination_kma_id": "kma-c", "key_ids": "key-1"
            })
            receive(line)
            send(line, message_id, 0x4107, {
                "session_id": "session-9", "response": "Success", "destination_km_id": "km-c", "colour": "red"
            })
            receive(line)


try:
    client() if role == "client" else server()
except EOFError:
    tell("closed")
