"""One simulated world: everything that requests share."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from pixsim7_simulator.accounts import Accounts
from pixsim7_simulator.clock import Clock
from pixsim7_simulator.config import Config, Settings
from pixsim7_simulator.faults import Faults
from pixsim7_simulator.generations import Generation, Generations, new_id
from pixsim7_simulator.journal import Journal
from pixsim7_simulator.media import MediaStore
from pixsim7_simulator.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Upload:
    id: int
    account: str
    kind: Literal["image", "video", "audio"]
    width: int
    height: int
    seconds: float
    name: str
    content_type: str
    token: str
    sha256: str


@dataclass(slots=True)
class Uploads:
    """Uploaded inputs by id; equal bytes are kept once."""

    _by_id: dict[int, Upload] = field(default_factory=dict)
    _by_token: dict[str, Upload] = field(default_factory=dict)
    _bytes: dict[str, bytes] = field(default_factory=dict)

    def put(
        self,
        account: str,
        content: bytes,
        *,
        kind: Literal["image", "video", "audio"],
        size: tuple[int, int],
        seconds: float,
        name: str,
        content_type: str,
    ) -> Upload:
        digest = hashlib.sha256(content).hexdigest()
        self._bytes.setdefault(digest, content)
        token = secrets.token_urlsafe(16)
        upload = Upload(new_id(), account, kind, *size, seconds, name, content_type, token, digest)
        self._by_id[upload.id] = self._by_token[token] = upload
        return upload

    def get(self, upload_id: int) -> Upload | None:
        return self._by_id.get(upload_id)

    def by_token(self, token: str) -> tuple[Upload, bytes] | None:
        upload = self._by_token.get(token)
        return (upload, self._bytes[upload.sha256]) if upload else None

    def clear(self) -> None:
        self._by_id.clear()
        self._by_token.clear()
        self._bytes.clear()


class World:
    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.settings: Settings = config.settings.model_copy()
        self.clock = clock or Clock()
        self.journal = Journal(config.journal_path, synchronous=config.synchronous)
        self.accounts = Accounts(config.accounts)
        self.generations = Generations(self.clock, self.journal, self.settings)
        self.faults = Faults()
        self.faults.install(config.rules)
        self.media = MediaStore()
        self.uploads = Uploads()
        self.webhooks = Webhooks(self.clock, self.journal, self.settings)
        self.generations.on_finished(self.webhooks.finished)
        self.seen_traces: dict[tuple[str, str], tuple[float, dict[str, int]]] = {}

    def origin(self, request: web.Request) -> str:
        return self.settings.public_url or f"{request.scheme}://{request.host}"

    async def file(self, generation: Generation) -> bytes:
        return await self.media.get(generation.order.media, f"{generation.id}")

    async def reset(self) -> None:
        """Back to what the configuration said, with an empty journal."""
        await self.webhooks.cancel()
        self.generations.clear()
        self.uploads.clear()
        self.seen_traces.clear()
        self.faults.remove()
        self.faults.install(self.config.rules)
        self.accounts.clear()
        for spec in self.config.accounts:
            self.accounts.put(spec)
        for name, value in self.config.settings:
            setattr(self.settings, name, value)
        await self.journal.clear()

    async def close(self) -> None:
        await self.webhooks.close()
        self.generations.close()
        self.media.close()
        await self.journal.close()
