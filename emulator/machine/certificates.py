"""
A certificate authority for one state folder, and the server certificate that it signs.

Python 3.13 verifies strictly (RFC 5280), so key identifiers and usages are all present.
"""

import datetime
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=365)
RENEW = datetime.timedelta(days=30)
UNUSED = """
content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """The paths: the authority, the authority with certifi's roots, the server's pair."""

    ca: Path
    bundle: Path
    server: Path
    server_key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS context of our servers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the TLS context of our own clients."""
        return ssl.create_default_context(cafile=str(self.ca))


def certificates(folder: Path, now: datetime.datetime) -> Certificates:
    """Return the certificates in *folder*; make new ones if there are none or they expire soon."""
    found = Certificates(
        folder / "ca.pem", folder / "ca-bundle.pem", folder / "server.pem", folder / "server.key"
    )
    if not _fresh(found.server, now):
        _make(found, now)
    roots = Path(certifi.where()).read_bytes()
    found.bundle.write_bytes(roots + b"\n" + found.ca.read_bytes())
    return found


def _fresh(server: Path, now: datetime.datetime) -> bool:
    if not server.exists():
        return False
    return x509.load_pem_x509_certificate(server.read_bytes()).not_valid_after_utc > now + RENEW


def _make(files: Certificates, now: datetime.datetime) -> None:
    """Write the files, the server's certificate last: if it exists, all exist."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("gitslot local platform CA")
    authority = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority)
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), address]
    server = (
        _builder(_name("localhost"), ca_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issued_by, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    _write_key(files.server_key, key)
    files.server.write_bytes(server.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    pem, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, pem, plain))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    signs, unused = signs_certificates, dict.fromkeys(UNUSED.split(), False)
    return x509.KeyUsage(digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, **unused)
