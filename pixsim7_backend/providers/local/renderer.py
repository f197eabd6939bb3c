"""The child process that renders one spool entry: `python -m …local.renderer <entry> <slots>`."""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pixsim7_backend.providers.local.spool import Entry

PATIENCE_S = 0.05


def take_lock(path: Path, tries: int) -> int | None:
    """An flock that the kernel gives back when this process ends, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(tries):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PATIENCE_S)
        else:
            return descriptor
    os.close(descriptor)
    return None


def wait_for_slot(root: Path, slots: int, entry: Entry) -> bool:
    """Hold one of the machine's slots; False when the entry was cancelled meanwhile."""
    folder = root / ".slots"
    folder.mkdir(mode=0o700, exist_ok=True)
    while not entry.is_cancelled():
        for number in range(slots):
            if take_lock(folder / str(number), 1) is not None:
                return True
        time.sleep(PATIENCE_S * 4)
    return False


def die_with(parent: int) -> None:
    """End this process soon after its parent is gone: nobody would wait for the result."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(3)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


class _Progress:
    """Writes the share of frames done, at most ten times a second."""

    def __init__(self, entry: Entry) -> None:
        self.file = entry.path / "progress"
        self.last = 0.0

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if now - self.last > 0.1 or share >= 1:
            self.last = now
            temporary = self.file.with_name(".progress.tmp")
            temporary.write_text(f"{share:.4f}")
            os.replace(temporary, self.file)


class _Cancelled:
    def __init__(self, entry: Entry) -> None:
        self.entry, self.last, self.answer = entry, 0.0, False

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self.answer and now - self.last > 0.1:
            self.last, self.answer = now, self.entry.is_cancelled()
        return self.answer


def film(entry: Entry, data: dict[str, Any]) -> None:
    """Render the entry; its result or its error file is the answer."""
    # Imported here, so that a child that waits for its turn stays small.
    from pixsim7_backend.providers.local.film import (  # noqa: PLC0415
        FilmCancelled,
        FilmError,
        FilmRequest,
        render,
    )

    inputs = tuple(entry.path / name for name in data["inputs"])
    is_extension = data["operation"] == "video_extend"
    try:
        request = FilmRequest(
            **data["film"],
            operation=data["operation"],
            images=() if is_extension else inputs,
            video=inputs[0] if is_extension and inputs else None,
        )
        render(
            request,
            entry.path / f"result{data['suffix']}",
            progress=_Progress(entry),
            is_cancelled=_Cancelled(entry),
        )
    except FilmCancelled:
        entry.cancel()
    except FilmError as error:
        entry.fail("param", str(error))
    except MemoryError:
        entry.fail("transient", "The renderer ran out of memory.")
    except OSError as error:
        entry.fail("transient", f"The renderer could not write its result ({error.strerror}).")


def main(arguments: list[str]) -> int:
    """Exit code 0 when the entry is settled, 2 when another renderer has it."""
    entry, slots, parent = Entry(Path(arguments[0])), int(arguments[1]), int(arguments[2])
    die_with(parent)
    # Ctrl-C in the terminal reaches the whole group; the parent decides what becomes of us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)
    if take_lock(entry.lock_file, 10) is None:
        return 2
    if entry.result() or entry.failure() or not wait_for_slot(entry.path.parent, slots, entry):
        return 0
    entry.count_attempt()
    film(entry, json.loads(entry.request_file.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
