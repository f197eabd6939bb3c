"""Starts renderers as child processes, a few at a time, and forgets those that ended."""

import os
import subprocess
import sys
import threading

from pixsim7_backend.providers.local.spool import Entry, Spool

MAX_ATTEMPTS = 3


class RenderPool:
    """At most `size` children; a child that dies hurts its own entry only."""

    def __init__(self, spool: Spool, size: int) -> None:
        self.spool, self.size = spool, size
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def is_running(self, entry: Entry) -> bool:
        with self._lock:
            self._reap()
            return entry.path.name in self._children

    def pump(self) -> None:
        """Start renderers for the oldest entries that have none, while there is room."""
        with self._lock:
            self._reap()
            if len(self._children) >= self.size:
                return
            for entry in self.spool.waiting():
                if len(self._children) >= self.size:
                    return
                if entry.path.name in self._children or entry.is_locked():
                    continue
                if entry.attempts() >= MAX_ATTEMPTS:
                    entry.fail("transient", "The renderer died three times on this job.")
                    continue
                self._start(entry)

    def close(self) -> None:
        """End all children; their entries start again at the next poll."""
        with self._lock:
            for child in self._children.values():
                child.kill()
            for child in self._children.values():
                child.wait()
            self._children.clear()

    def _reap(self) -> None:
        ended = [name for name, child in self._children.items() if child.poll() is not None]
        for name in ended:
            del self._children[name]

    def _start(self, entry: Entry) -> None:
        environment = {
            **os.environ,
            # One thread each for painting and encoding is plenty; BLAS must not add its own.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            # Frames are large and short-lived: without these, glibc gives every one of them back
            # to the kernel, and the page faults cost more than the painting.
            "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
            "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
        }
        command = [
            sys.executable,
            "-m",
            "pixsim7_backend.providers.local.renderer",
            str(entry.path),
            str(self.size),
            str(os.getpid()),
        ]
        with (entry.path / "log").open("ab") as log:
            self._children[entry.path.name] = subprocess.Popen(  # noqa: S603 - ours, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )
