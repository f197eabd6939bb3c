"""The spool: one directory per submission, which is all the memory that the renderer has."""

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

MAX_AGE_S: Final = 24 * 3600
SUFFIXES: Final = (".mp4", ".png", ".webp")


@dataclass(frozen=True)
class Entry:
    """The directory of one submission."""

    path: Path

    @property
    def request_file(self) -> Path:
        return self.path / "request.json"

    @property
    def lock_file(self) -> Path:
        """Held with flock by the living renderer."""
        return self.path / "lock"

    def exists(self) -> bool:
        return self.request_file.exists()

    def result(self) -> Path | None:
        for suffix in SUFFIXES:
            file = self.path / f"result{suffix}"
            if file.exists():
                return file
        return None

    def failure(self) -> tuple[str, str] | None:
        """Kind and message, when rendering ended in an error."""
        with suppress(FileNotFoundError):
            data = json.loads((self.path / "error").read_text())
            return str(data["kind"]), str(data["message"])
        return None

    def fail(self, kind: str, message: str) -> None:
        write_atomic(self.path / "error", json.dumps({"kind": kind, "message": message}))

    def progress(self) -> float:
        with suppress(FileNotFoundError, ValueError):
            return min(1.0, max(0.0, float((self.path / "progress").read_text())))
        return 0.0

    def is_cancelled(self) -> bool:
        return (self.path / "cancel").exists()

    def cancel(self) -> None:
        (self.path / "cancel").touch()

    def attempts(self) -> int:
        with suppress(FileNotFoundError):
            return (self.path / "attempts").stat().st_size
        return 0

    def count_attempt(self) -> None:
        with (self.path / "attempts").open("ab") as file:
            file.write(b".")

    def is_locked(self) -> bool:
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


class Spool:
    """All entries of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def entry(self, key: str) -> Entry:
        """The entry of a submission key; a key that is no safe file name is hashed."""
        name = (
            key if re.fullmatch(r"[A-Za-z0-9_-]{1,120}", key) else sha256(key.encode()).hexdigest()
        )
        return Entry(self.root / name)

    def prepare(self, key: str, request: Mapping[str, Any], inputs: Sequence[Path]) -> Path:
        """A complete entry under a temporary name; the inputs are the entry's own from here on."""
        draft = self.root / f".draft-{os.getpid()}-{time.monotonic_ns()}"
        draft.mkdir(mode=0o700)
        names: list[str] = []
        for number, source in enumerate(inputs):
            name = f"input-{number}{source.suffix[:8]}"
            try:
                os.link(source, draft / name)
            except OSError:
                shutil.copyfile(source, draft / name)
            names.append(name)
        write_atomic(draft / "request.json", json.dumps({**request, "inputs": names, "key": key}))
        return draft

    def publish(self, draft: Path, entry: Entry) -> None:
        """Give the draft its name; whoever published the same key first is kept."""
        try:
            os.rename(draft, entry.path)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not entry.exists():
                raise

    def discard(self, draft: Path) -> None:
        shutil.rmtree(draft, ignore_errors=True)

    def waiting(self) -> list[Entry]:
        """Unfinished entries, oldest first; some may have a renderer."""
        found = []
        for path in self.root.iterdir():
            entry = Entry(path)
            if path.name.startswith(".") or not entry.exists():
                continue
            if entry.result() or entry.is_cancelled() or entry.failure():
                continue
            with suppress(FileNotFoundError):
                found.append((entry.request_file.stat().st_mtime_ns, entry))
        return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]

    def sweep(self, max_age_s: float = MAX_AGE_S) -> int:
        """Remove what nobody can want any more; returns how many entries went."""
        limit, removed = time.time() - max_age_s, 0
        for path in self.root.iterdir():
            with suppress(FileNotFoundError):
                if path.name == ".slots" or path.stat().st_mtime > limit:
                    continue
                if Entry(path).is_locked():
                    continue
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
        return removed


def write_atomic(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
