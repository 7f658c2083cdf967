"""The certificate with which console and browser phones speak https and wss: checked before anything starts, and a
self-signed one for a beginning.

A browser gives a page the microphone only over https (or on the machine itself), so desks on other machines need one.
"""

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput

DAYS = 825  # the longest that Apple's systems take, also of a certificate that a person trusted by hand
SOON = timedelta(days=14)
_REMEDY = "Set BACKOFFICE_TLS_CERT and BACKOFFICE_TLS_KEY right, or run `backoffice tls make`."


class BadCertificate(BadInput):
    """The certificate cannot be used."""

    code = "BAD_CERTIFICATE"


@dataclass(frozen=True)
class Certificate:
    """Of the first certificate in the file. `names`: host names and addresses for which browsers take it."""

    names: tuple[str, ...]
    valid_until: datetime
    sha256: str

    def ends_soon(self, wall: datetime) -> bool:
        return self.valid_until - wall < SOON


def on(settings: Settings) -> bool:
    return settings.tls_cert is not None


def check(settings: Settings, wall: datetime) -> Certificate | None:
    """None without TLS. Raises BadCertificate, which names the setting: a file is missing or no PEM, the key is not the
    certificate's or has a password, it has ended or not begun."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    cert = _certificate(settings.tls_cert)
    key = _key(settings.tls_key)
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != cert.public_key().public_bytes(*form):
        raise BadCertificate(
            f"The key {settings.tls_key} is not that of the certificate {settings.tls_cert}.", remedy=_REMEDY,
            field="tls_key",
        )  # fmt: skip
    begins, ends = cert.not_valid_before_utc, cert.not_valid_after_utc
    remedy = "Get a new one from who issued it, or run `backoffice tls make`."
    if wall >= ends:
        raise BadCertificate(
            f"The certificate {settings.tls_cert} ended on {ends:%Y-%m-%d}.", remedy=remedy, field="tls_cert"
        )
    if wall < begins:
        raise BadCertificate(
            f"The certificate {settings.tls_cert} is not valid before {begins:%Y-%m-%d}.",
            remedy=remedy,
            field="tls_cert",
        )
    return Certificate(_names(cert), ends, cert.fingerprint(hashes.SHA256()).hex(":").upper())


def pem(settings: Settings) -> str:
    """Chain and key in one text, as Asterisk wants them; after `check`."""
    assert settings.tls_cert is not None  # noqa: S101 (callers ask `on`)
    assert settings.tls_key is not None  # noqa: S101
    return "".join(file.read_text(encoding="ascii").strip() + "\n" for file in (settings.tls_cert, settings.tls_key))


def make(settings: Settings, hosts: Sequence[str], wall: datetime) -> tuple[Path, Path]:
    """A key and a self-signed certificate for these hosts, this machine's name and its own addresses, in `<data>/tls`.

    Raises BadInput when there are some already, or a host is neither a name nor an address.
    """
    folder = settings.data / "tls"
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    if cert_file.exists() or key_file.exists():
        raise BadInput(
            f"There is a certificate in {folder} already.", remedy="Move it away first, if it shall be replaced."
        )
    wanted = dict.fromkeys([*hosts, settings.bind, socket.gethostname(), "localhost", "127.0.0.1"])
    names = [_general(host) for host in wanted if host != "0.0.0.0"]  # noqa: S104 (compared, not bound)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "BackOffice for Bank")])
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(wall - timedelta(minutes=5))
        .not_valid_after(wall + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    cert = builder.sign(key, hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    _write(key_file, key.private_bytes(serialization.Encoding.PEM, *plain), 0o600)
    _write(cert_file, cert.public_bytes(serialization.Encoding.PEM), 0o644)
    return cert_file, key_file


def _write(file: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(data)


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host.encode("idna").decode("ascii"))
    except (UnicodeError, ValueError):
        raise BadInput(f"“{host}” is neither a host's name nor an address.", field="host") from None


def _names(cert: x509.Certificate) -> tuple[str, ...]:
    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(one) for kind in (x509.DNSName, x509.IPAddress) for one in found.get_values_for_type(kind))


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadCertificate(
            f"{setting} names {file}, which cannot be read: {error.strerror}.", remedy=_REMEDY, field=setting.lower()
        ) from None


def _certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(_read(file, "BACKOFFICE_TLS_CERT"))[0]
    except ValueError:
        raise BadCertificate(f"{file} holds no certificate in PEM.", remedy=_REMEDY, field="tls_cert") from None


def _key(file: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(_read(file, "BACKOFFICE_TLS_KEY"), None)
    except TypeError:
        raise BadCertificate(
            f"The key {file} has a password; a server starts without one.",
            remedy="Take the password away with `openssl pkey`.", field="tls_key",
        ) from None  # fmt: skip
    except ValueError:
        raise BadCertificate(f"{file} holds no private key in PEM.", remedy=_REMEDY, field="tls_key") from None
