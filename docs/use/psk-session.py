#!/usr/bin/env python3
"""Turns an answer of a KM (ETSI GS QKD 014, one key) into a file for `openssl -psk_session`; prints the key's ID."""
import base64, json, os, sys, time

def der(tag, body):
    size = len(body)
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    head = bytes([size]) if size < 128 else bytes([0x80 | len(digits)]) + digits
    return bytes([tag]) + head + body

def integer(number):
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))

(key,) = json.load(sys.stdin)["keys"]
session = der(0x30, b"".join([
    integer(1),                               # version of the format
    integer(0x0304),                          # TLS 1.3
    der(0x04, b"\x13\x02"),                   # TLS_AES_256_GCM_SHA384
    der(0x04, b""),                           # no session ID
    der(0x04, base64.b64decode(key["key"])),
    der(0xA1, integer(int(time.time()))),
    der(0xA2, integer(3600)),                 # s that it may be used
]))
pem = base64.encodebytes(session).decode()
try:
    os.remove(sys.argv[1])                    # one that is there would keep its mode
except FileNotFoundError:
    pass
with open(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
    file.write(f"-----BEGIN SSL SESSION PARAMETERS-----\n{pem}-----END SSL SESSION PARAMETERS-----\n")
print(key["key_ID"])
