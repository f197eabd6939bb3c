"""For the gateway's tests: a raw server that records every byte, scripted names, a gateway."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.http_policy import AddressPolicy


class Recorder:
    """Reads for a server and keeps what came."""

    def __init__(
        self, inner: asyncio.StreamReader, seen: bytearray, arrived: asyncio.Event
    ) -> None:
        self._inner = inner
        self._seen = seen
        self._arrived = arrived

    async def read(self, most: int) -> bytes:
        return self._keep(await self._inner.read(most))

    async def readuntil(self, end: bytes) -> bytes:
        return self._keep(await self._inner.readuntil(end))

    def _keep(self, data: bytes) -> bytes:
        self._seen += data
        self._arrived.set()
        return data


Answer = Callable[["RawServer", Recorder, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """What arrived, by connection, byte for byte."""

    origin: str = ""
    connections: list[bytearray] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def received(self) -> bytes:
        return b"".join(map(bytes, self.connections))

    @property
    def requests(self) -> int:
        return self.received.count(b" HTTP/1.1\r\n")


@asynccontextmanager
async def raw_server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    state = RawServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = bytearray()
        state.connections.append(seen)
        try:
            await answer(state, Recorder(reader, seen, state.arrived), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            state.ended.set()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    state.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()


def says(raw: bytes, *, close: bool = True) -> Answer:
    """Read the head of each request, then send `raw`."""

    async def answer(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw)
            await writer.drain()
            if close:
                return

    return answer


async def reads_only(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
    """Take everything and never answer."""
    while await reader.read(65536):
        pass


async def resets(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
    """Read the request, then cut the connection."""
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


class Names(AbstractResolver):
    """Answers from a script; a name with several scripts gives the next one each time."""

    def __init__(self, **scripts: list[list[str]]) -> None:
        self._scripts = scripts
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        script = self._scripts[host.partition(".")[0]]
        answers = script.pop(0) if len(script) > 1 else script[0]
        return [
            ResolveResult(
                hostname=host,
                host=ip,
                port=port,
                family=socket.AF_INET6 if ":" in ip else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for ip in answers
        ]

    async def close(self) -> None:
        pass


OK = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"id": "v1"}'


@asynccontextmanager
async def gateway(*allowed: str, names: Names | None = None) -> AsyncIterator[HttpGateway]:
    made = HttpGateway(
        policy=AddressPolicy(allow_private_origins=allowed),
        user_agent="pixsim7-test",
        resolver=names,
    )
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[RawServer, HttpGateway]]:
    async with raw_server(answer) as server, gateway(server.origin) as made:
        yield server, made


def free_origin() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def tls_contexts(
    folder: Path, name: str, asked: list[str]
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client's and a server's side of a certificate for `name`; `asked` collects the SNI."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "both.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    server.sni_callback = lambda _socket, asked_name, _context: asked.append(asked_name)
    return ssl.create_default_context(cafile=str(pem)), server
