"""Certificates that tests issue."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_PEM = serialization.Encoding.PEM

_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as objects and as PEM files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: Path
    key_file: Path

    def context(self, client_ca: Path | None = None) -> ssl.SSLContext:
        """A server's TLS context; with ``client_ca`` it requires a certificate from the client."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert_file, self.key_file)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def issue(
    folder: Path,
    name: str,
    signer: Issued | None = None,
    *,
    host: str = "127.0.0.1",
    valid_hours: float = 1.0,
    password: bytes | None = None,
    names: Sequence[x509.GeneralName] = (),
    key_usage: bool = True,
) -> Issued:
    """Write NAME.pem and NAME.key: a CA without a signer, else a certificate for the address.

    ``names`` are further alternative names. Without ``key_usage`` a CA lacks the extension of that
    name, as many private ones do; Python 3.13 refuses them.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signing_key = signer.key if signer else key
    now = datetime.now(UTC)
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=48))
        .not_valid_after(now + timedelta(hours=valid_hours))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(host)), *names]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
    )
    if signer is None and key_usage:
        unsigned = unsigned.add_extension(_SIGNS, critical=True)
    certificate = unsigned.sign(signing_key, hashes.SHA256())
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(_PEM))
    key_file.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, encryption))
    return Issued(certificate, key, cert_file, key_file)
