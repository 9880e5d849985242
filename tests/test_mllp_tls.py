"""MLLP over TLS: the client certificate is the only credential, and it is checked every time."""

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from app.core.config import Settings
from app.core.errors import OperatorError
from app.domain.vocabulary import Role
from app.interop.hl7v2.mllp import framed
from app.mllp.process import tls_context
from tests.factories.mllp import connected, listening, msa
from tests.factories.senders import SENDERS, change, create_sender
from tests.factories.subjects import register
from tests.interop.hl7v2 import samples


class Authority:
    """A certificate authority that writes certificates and keys into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._signed(name, self._key, days=2, is_ca=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(own.public_bytes(Encoding.PEM))

    def issue(self, name: str, days: int = 1) -> tuple[Path, str]:
        """Write a certificate with its key into one file; give it and the SHA-256."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(name, key, days, is_ca=False)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = self.folder / f"{self.name}-{name}.pem"
        file.write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
        return file, hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, days: int, is_ca: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_common_name(name))
            .issuer_name(_common_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
            )
        )
        return builder.sign(self._key, SHA256())


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    """The authority that the listener trusts."""
    return Authority(tmp_path_factory.mktemp("tls"), "hospital")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Authority:
    """An authority that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("tls"), "stranger")


@pytest.fixture(scope="module")
def server_tls(authority) -> ssl.SSLContext:
    """What the process makes of its three settings."""
    certificate, _ = authority.issue("listener")
    files = {"mllp_tls_cert": certificate, "mllp_tls_key": certificate}
    context = tls_context(Settings(**files, mllp_client_ca=authority.file))
    assert context is not None
    return context


@pytest.fixture
async def address(database, clock, server_tls, api):
    """A listener with TLS, and the first subject."""
    await register(api)
    async with listening(database, clock, tls=server_tls) as address:
        yield address


@pytest.fixture
def client_tls(authority) -> Callable[[Path | None], ssl.SSLContext]:
    """Make the context of a client that shows a certificate, or none."""

    def made(certificate: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=authority.file)
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    return made


async def received(session) -> int:
    """Count the messages that were stored."""
    return await session.scalar(text("SELECT count(*) FROM inbound_message"))


async def test_the_certificate_says_who_sends(address, authority, client_tls, api, session):
    """Two certificates of two senders: each message is stored as its own sender's."""
    lines = {}
    for number in ("1", "2"):
        file, digest = authority.issue(f"lis-{number}")
        await create_sender(
            api, code=f"LIS-0{number}", subject=f"lis-{number}", certificates=[digest]
        )
        lines[f"LIS-0{number}"] = file
    for code, file in lines.items():
        async with connected(address, client_tls(file)) as line:
            assert msa(await line.send(samples.one_result(control_id=code)))[1:3] == ["AA", code]
    query = (
        "SELECT sender.code, control_id FROM inbound_message JOIN sender"
        " ON sender.id = sender_id ORDER BY sender.code"
    )
    found = [tuple(row) for row in await session.execute(text(query))]
    assert found == [("LIS-01", "LIS-01"), ("LIS-02", "LIS-02")]


async def unanswered(address, tls: ssl.SSLContext) -> bool:
    """Tell whether a message gets no answer, be it that the handshake already fails."""
    try:
        async with connected(address, tls) as line:
            await line.put(framed(samples.generic_cbc()))
            return await line.silence() == b""
    except (ssl.SSLError, ConnectionError):
        return True


async def test_who_shows_no_known_certificate_gets_no_answer(
    address, authority, stranger, client_tls, api, session
):
    """No certificate, an expired one, one of another authority, one of no sender: all the same."""
    expired, digest = authority.issue("expired", days=-1)
    foreign, foreign_digest = stranger.issue("lis")
    unknown, _ = authority.issue("unknown")
    await create_sender(api, certificates=[digest, foreign_digest])
    for file in (None, expired, foreign, unknown):
        assert await unanswered(address, client_tls(file)), file
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        async with connected(address) as line:
            await line.send(samples.generic_cbc())
    assert await received(session) == 0


async def test_a_revocation_holds_from_the_next_message(
    address, authority, client_tls, api, session
):
    """A certificate that is taken from its sender opens nothing, even on an open connection."""
    file, digest = authority.issue("lis")
    sender = await create_sender(api, certificates=[digest])
    async with connected(address, client_tls(file)) as line:
        assert msa(await line.send(samples.generic_cbc("1")))[1] == "AA"
        changed = await change(
            api(Role.DATA_MANAGER), f"{SENDERS}/{sender['id']}", sender["version"], certificates=[]
        )
        assert changed.status_code == 200, changed.text
        await line.put(framed(samples.generic_cbc("2")))
        assert await line.silence() == b""
    assert await received(session) == 1


def test_old_versions_of_tls_are_not_spoken(server_tls):
    """TLS 1.2 is the oldest, and a certificate is demanded."""
    assert server_tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert server_tls.verify_mode is ssl.CERT_REQUIRED


def test_tls_is_all_or_nothing(authority, tmp_path):
    """Certificate, key and the clients' authority belong together and have to be readable."""
    certificate, _ = authority.issue("whole")
    assert tls_context(Settings()) is None
    with pytest.raises(OperatorError, match="set all"):
        tls_context(Settings(mllp_tls_cert=certificate, mllp_tls_key=certificate))
    noise = tmp_path / "noise.pem"
    noise.write_text("planted", encoding="utf-8")
    for changed in ("mllp_tls_cert", "mllp_tls_key", "mllp_client_ca"):
        files = {
            "mllp_tls_cert": certificate,
            "mllp_tls_key": certificate,
            "mllp_client_ca": authority.file,
        }
        for path in (noise, tmp_path / "absent.pem"):
            with pytest.raises(OperatorError, match="cannot be read as PEM"):
                tls_context(Settings(**files | {changed: path}))
