"""`MediaTools`: examine files and make their derivatives in confined processes."""

import asyncio
import contextlib
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any, Self

import pixsim7_backend
from pixsim7_backend.infrastructure.database.guard import assert_no_transaction
from pixsim7_backend.infrastructure.media.answers import derivatives, media_info
from pixsim7_backend.infrastructure.media.model import (
    Confinement,
    Derivatives,
    Limits,
    MediaInfo,
    MediaRejected,
    MediaToolFailed,
)

_TOOL = "pixsim7_backend.infrastructure.media.tool"
_START_S = 30.0
_GRACE_S = 10.0  # beyond a job's own limit, before the helper itself counts as hung
PROBE_LIMITS = Limits(wall_s=60, cpu_s=60)
DERIVE_LIMITS = Limits(wall_s=120, cpu_s=120)

_Message = dict[str, Any]


class MediaTools:
    """Starts its helper at the first job and again after it died. Use one per process."""

    def __init__(
        self,
        *,
        max_parallel: int | None = None,
        probe_limits: Limits = PROBE_LIMITS,
        derive_limits: Limits = DERIVE_LIMITS,
    ) -> None:
        self._slots = asyncio.Semaphore(max_parallel or max(2, os.cpu_count() or 1))
        self._limits = {"probe": probe_limits, "derive": derive_limits}
        self._starting = asyncio.Lock()
        self._helper: _Helper | None = None

    async def probe(self, path: Path) -> MediaInfo:
        """Read the file to its end. `MediaRejected` when it is not whole, usable media."""
        return media_info(await self._job("probe", path, None))

    async def derive(self, path: Path, out_dir: Path, info: MediaInfo) -> Derivatives:
        """Write poster, thumbnails and preview into `out_dir`, which must be empty."""
        if info.media_type not in ("image", "video"):
            return Derivatives()
        answer = await self._job("derive", path, out_dir)
        return await asyncio.to_thread(derivatives, answer, out_dir)

    async def confinement(self) -> Confinement:
        """How well this machine lets us lock the tools in (for `doctor`)."""
        return (await self._ready()).confinement

    async def aclose(self) -> None:
        if self._helper is not None:
            await self._helper.stop()
            self._helper = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _job(self, command: str, path: Path, out_dir: Path | None) -> _Message:
        assert_no_transaction("media tools")
        limits = self._limits[command]
        here = Path.cwd()
        async with self._slots:
            helper = await self._ready()
            answer = await helper.ask(
                {
                    "command": command,
                    "path": str(here / path),
                    "out_dir": None if out_dir is None else str(here / out_dir),
                    "limits": {
                        "wall_s": limits.wall_s,
                        "cpu_s": limits.cpu_s,
                        "memory_bytes": limits.memory_bytes,
                        "file_bytes": limits.file_bytes,
                    },
                },
                timeout_s=limits.wall_s + _GRACE_S,
            )
        if "rejected" in answer:
            raise MediaRejected(_plain(answer["rejected"]))
        if "result" not in answer:
            raise MediaToolFailed(f"The media tool failed: {_plain(answer.get('failed'))}.")
        result = answer["result"]
        return result if isinstance(result, dict) else {}

    async def _ready(self) -> "_Helper":
        async with self._starting:
            if self._helper is None or not self._helper.alive:
                if self._helper is not None:
                    await self._helper.stop()
                self._helper = await _Helper.start()
            return self._helper


class _Helper:
    """The running helper process and who waits for which answer."""

    def __init__(self, process: asyncio.subprocess.Process, hello: _Message) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[_Message]] = {}
        self._ids = itertools.count(1)
        landlock = int(hello.get("landlock", 0))
        self.confinement = Confinement(
            network="namespace" if hello.get("network") else "landlock" if landlock > 3 else "open",
            files="landlock" if landlock else "open",
        )
        self.alive = True
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls) -> "_Helper":
        root = Path(pixsim7_backend.__file__).parents[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-B", "-m", _TOOL),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={
                "PYTHONPATH": str(root),
                "LANG": "C.UTF-8",
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
            },
            cwd="/",
            start_new_session=True,
            limit=1024 * 1024,
        )
        assert process.stdout is not None  # noqa: S101 - we asked for the pipe
        try:
            hello = json.loads(await asyncio.wait_for(process.stdout.readline(), _START_S))
        except (ValueError, TimeoutError) as error:
            _kill(process)
            await process.wait()
            raise MediaToolFailed(
                f"The media tool did not start; `python -m {_TOOL}` shows why."
            ) from error
        except asyncio.CancelledError:
            _kill(process)
            raise
        return cls(process, hello)

    async def ask(self, message: _Message, *, timeout_s: float) -> _Message:
        """Send one job and wait for its answer; a caller that leaves stops the job."""
        if not self.alive:
            return {"failed": "its helper process died"}
        number = next(self._ids)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._send({**message, "id": number})
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError as error:
            _kill(self._process)
            raise MediaToolFailed("The media tool hung.") from error
        except asyncio.CancelledError:
            self._send({"command": "cancel", "id": number})
            raise
        finally:
            self._waiting.pop(number, None)

    def _send(self, message: _Message) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing() and self.alive:
            stdin.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - we asked for the pipe
        try:
            while line := await self._process.stdout.readline():
                answer = json.loads(line)
                future = self._waiting.get(answer.get("id"))
                if future is not None and not future.done():
                    future.set_result(answer)
        except ValueError:
            _kill(self._process)
        finally:
            self.alive = False
            for future in self._waiting.values():
                if not future.done():
                    future.set_result({"failed": "its helper process died"})

    async def stop(self) -> None:
        """Closing its input ends the helper, which kills its jobs."""
        self.alive = False
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            _kill(self._process)
            await self._process.wait()
        await self._reader


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def _plain(text: object) -> str:
    """A sentence from the child, made harmless."""
    return "".join(letter for letter in str(text)[:300] if letter.isprintable())
