"""A server of EST (RFC 7030), of Python's standard library and the openssl command alone, from the RFC's text.

server.py FOLDER HOST: prints its port, then a line for each request. In FOLDER are ca.crt, ca.key, server.crt,
server.key; `mode`, if there, says what it does instead of what it should: `later` (202), `day` (202, for a day), `refuse` (403), `silent`,
`approve` (202 until the same request comes again), `stranger` (issues for another key), `ber` (indefinite lengths, as Bouncy Castle writes them).
"""
import base64
import http.server
import os
import ssl
import subprocess
import sys
import tempfile

seen = set()
folder, host = sys.argv[1:3]
login = "Basic " + base64.b64encode(b"node:secret").decode()


def at(name):
    return os.path.join(folder, name)


def openssl(*args, data=b""):
    return subprocess.run(["openssl", *args], input=data, stdout=subprocess.PIPE, check=True).stdout


def certs_only(*pem):
    """RFC 7030 4.1.3, 4.2.3: a certs-only CMC Simple PKI Response, base64."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(pem))
        file.flush()
        der = openssl("crl2pkcs7", "-nocrl", "-certfile", file.name, "-outform", "DER")
    return der


def indefinite(der):
    """The same with a length of indefinite form for the three outermost wrappers."""

    def split(data):
        size = data[1]
        start = 2
        if size & 0x80:
            count = size & 0x7F
            start = 2 + count
            size = int.from_bytes(data[2:start], "big")
        return data[0], data[start:start + size], data[start + size:]

    def wrap(tag, content):
        return bytes([tag, 0x80]) + content + b"\0\0"

    _, content, _ = split(der)
    _, oid, rest = split(content)
    head = content[:len(content) - len(rest)]
    _, explicit, _ = split(rest)
    _, signed, _ = split(explicit)
    return wrap(0x30, head + wrap(0xA0, wrap(0x30, signed)))


def subject(pem, kind):
    out = openssl(kind, "-noout", "-subject", data=pem)
    return out.split(b"subject=", 1)[1].strip()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def say(self, status, body=b"", **headers):
        print(self.command, self.path, status, flush=True)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def mode(self):
        try:
            with open(at("mode")) as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    def certificates(self, der):
        if self.mode() == "ber":
            der = indefinite(der)
        self.say(200, base64.encodebytes(der), Content_Type="application/pkcs7-mime; smime-type=certs-only",
                 Content_Transfer_Encoding="base64")

    def do_GET(self):
        if self.path != "/.well-known/est/cacerts":
            return self.say(404)
        with open(at("ca.crt"), "rb") as file:
            self.certificates(certs_only(file.read()))

    def do_POST(self):
        mode = self.mode()
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        shown = self.connection.getpeercert(True)
        if self.headers["Content-Type"] != "application/pkcs10":
            return self.say(415)
        if mode in ("later", "day"):
            return self.say(202, Retry_After="120" if mode == "later" else "86400")
        if mode == "approve" and body not in seen:
            seen.add(body)
            return self.say(202, Retry_After="120")
        if mode == "refuse":
            return self.say(403)
        if mode == "silent":
            return None
        der = base64.b64decode(body, validate=True)
        # Refused unless its own key has signed it.
        pem = openssl("req", "-inform", "DER", "-verify", data=der)
        if self.path == "/.well-known/est/simplereenroll":
            if shown is None:
                return self.say(401)
            # 4.2.2: subject and names are those of the certificate that is renewed.
            present = ssl.DER_cert_to_PEM_cert(shown).encode()
            if subject(present, "x509") != subject(pem, "req"):
                return self.say(400)
        elif self.path == "/.well-known/est/simpleenroll":
            if shown is None and self.headers["Authorization"] != login:
                return self.say(401, WWW_Authenticate='Basic realm="est"')
        else:
            return self.say(404)
        with tempfile.NamedTemporaryFile() as file:
            if mode == "stranger":
                pem = openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                              "-keyout", "/dev/null", "-subj", "/CN=km-a", "-addext", "subjectAltName=DNS:km-a")
            file.write(pem)
            file.flush()
            issued = openssl("x509", "-req", "-in", file.name, "-CA", at("ca.crt"), "-CAkey", at("ca.key"),
                             "-days", "90", "-copy_extensions", "copy")
        # 4.2.3: the answer has the certificate alone.
        self.certificates(certs_only(issued))


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(at("server.crt"), at("server.key"))
context.load_verify_locations(at("ca.crt"))
context.verify_mode = ssl.CERT_OPTIONAL
server = http.server.ThreadingHTTPServer((host, 0), Handler)
server.daemon_threads = True
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
server.serve_forever()
