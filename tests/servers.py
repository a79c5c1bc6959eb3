"""Small TLS servers for tests: 127.0.0.1, a free port, a certificate of their own."""

import datetime
import gzip
import ipaddress
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOCALHOST = "127.0.0.1"


def certificate(folder: Path, *more: str) -> tuple[Path, Path]:
    """Write a self-signed certificate for this machine and *more* names; return it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # OpenSSL finds an issuer by its name: several in one bundle have names of their own.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"localhost {serial:x}")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.DNSName(each) for each in ("localhost", *more)]
    names = [*hosts, x509.IPAddress(ipaddress.ip_address(LOCALHOST))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, private


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the server's one function."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the headers to be acknowledged

    def answer(self) -> None:
        """Answer with what the function returns: status, headers, body; or hang up."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        found = self.server.respond(self, body)  # type: ignore[attr-defined]
        if found is None:
            self.close_connection = True
            return
        status, headers, content = found
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:  # that of an answer to HEAD is its blob's
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """One thread a connection; a client that hangs up is no news."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


type Answer = tuple[int, dict[str, str], bytes] | None


@contextmanager
def serving(folder: Path, respond: Callable[[Handler, bytes], Answer]) -> Iterator[str]:
    """Serve *respond* over TLS and yield the address; the certificate stands in *folder*."""
    cert, key = certificate(folder)
    server = Server((LOCALHOST, 0), Handler)
    server.respond = respond  # type: ignore[attr-defined]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def git_backend(
    repository: Path, env: Mapping[str, str], handler: Handler, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Answer as git's own server does for *repository*: status, headers, body."""
    path, _, query = handler.path.partition("?")
    if handler.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    done = subprocess.run(
        ["git", "http-backend"],
        env={
            **env,
            "GIT_PROJECT_ROOT": str(repository.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": handler.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        },
        input=body,
        capture_output=True,
        check=False,  # it fails where it refuses what was asked for, and says so in its answer
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return int(headers.pop("Status", "200").split()[0]), headers, content
