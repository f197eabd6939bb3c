"""The media helper: `python -m pixsim7_backend.infrastructure.media.tool`.

One line of JSON per job on stdin, one per answer on stdout. The helper itself never looks into a
file: it has PyAV and Pillow loaded and forks, for each job, a child that gives up everything but
its input descriptor and its output directory, does the job, answers through a pipe and ends. That
costs a few milliseconds where a new interpreter would cost 250, and nothing survives a job.
"""

import importlib
import json
import os
import pkgutil
import resource
import selectors
import signal
import stat
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import av.logging

from pixsim7_backend.infrastructure.media import confine
from pixsim7_backend.infrastructure.media.derive import derive
from pixsim7_backend.infrastructure.media.films import probe_film
from pixsim7_backend.infrastructure.media.pictures import probe_picture
from pixsim7_backend.infrastructure.media.sniff import HEAD_BYTES, Sniffed, sniff
from pixsim7_backend.infrastructure.media.whole import Rejected, check_whole

_MAX_ANSWER = 256 * 1024
_MAX_LINE = 1024 * 1024
_CHILD_PROCESSES = 256  # threads of all jobs together, counted inside our own user namespace

Message = dict[str, Any]


@dataclass
class _Running:
    job_id: int
    pid: int
    deadline: float
    answer: bytearray = field(default_factory=bytearray)
    killed: str | None = None


class Helper:
    """Takes jobs, watches children, reports. Single-threaded on purpose: it forks."""

    def __init__(self, *, isolated: bool) -> None:
        self._isolated = isolated
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, _Running] = {}  # by the pipe's descriptor
        self._input = bytearray()

    def run(self) -> None:
        os.set_blocking(0, False)
        self._selector.register(0, selectors.EVENT_READ)
        try:
            while self._turn():
                pass
        finally:
            for job in self._running.values():
                _kill(job.pid)

    def _turn(self) -> bool:
        """One wait and what followed from it; False when our parent is gone."""
        now = time.monotonic()
        deadlines = [job.deadline for job in self._running.values() if job.killed is None]
        timeout = max(0.0, min(deadlines) - now) if deadlines else None
        for key, _ in self._selector.select(timeout):
            if key.fd == 0:
                if not self._read_jobs():
                    return False
            elif key.fd in self._running:
                self._read_answer(key.fd)
        now = time.monotonic()
        for job in self._running.values():
            if job.killed is None and now >= job.deadline:
                job.killed = "it took too long"
                _kill(job.pid)
        return True

    def _read_jobs(self) -> bool:
        data = os.read(0, 65536)
        self._input += data
        while (end := self._input.find(b"\n")) >= 0:
            line = bytes(self._input[:end])
            del self._input[: end + 1]
            self._take(json.loads(line))
        return bool(data) and len(self._input) <= _MAX_LINE

    def _take(self, message: Message) -> None:
        if message["command"] == "cancel":
            for job in self._running.values():
                if job.job_id == message["id"] and job.killed is None:
                    job.killed = "it was cancelled"
                    _kill(job.pid)
            return
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            _child(message, write_end, self._isolated)
        os.close(write_end)
        os.set_blocking(read_end, False)
        deadline = time.monotonic() + float(message["limits"]["wall_s"])
        self._running[read_end] = _Running(message["id"], pid, deadline)
        self._selector.register(read_end, selectors.EVENT_READ)

    def _read_answer(self, fd: int) -> None:
        job = self._running[fd]
        data = os.read(fd, 65536)
        job.answer += data
        if len(job.answer) > _MAX_ANSWER and job.killed is None:
            job.killed = "its answer is too long"
            _kill(job.pid)
        if data:
            return
        self._selector.unregister(fd)
        os.close(fd)
        del self._running[fd]
        _kill(job.pid)  # also what it may have started
        status = os.waitstatus_to_exitcode(os.waitpid(job.pid, 0)[1])
        say({"id": job.job_id, **_outcome(job, status)})


def _outcome(job: _Running, status: int) -> Message:
    if job.killed is not None:
        return {"failed": job.killed}
    if status == 0:
        try:
            answer = json.loads(job.answer)
        except ValueError:
            return {"failed": "it ended without an answer"}
        return answer if isinstance(answer, dict) else {"failed": "its answer makes no sense"}
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return {"failed": "it was killed, most likely at its limit of time or memory"}
    if status == -signal.SIGXFSZ:
        return {"failed": "it wrote too much"}
    return {"failed": f"it ended with status {status}"}


def _kill(pid: int) -> None:
    """The child and its group. Its id is not reused before we have waited for it."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def say(message: Message) -> None:
    """One line for the parent."""
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def _child(message: Message, write_end: int, isolated: bool) -> None:
    """Never returns: confine, work, answer, end."""
    code = 1
    try:
        os.setsid()
        confine.die_with_parent()
        answer = _answer(message, write_end, isolated)
        text = json.dumps(answer).encode()
        while text:
            text = text[os.write(3, text) :]
        code = 0
    finally:
        os._exit(code)


def _answer(message: Message, write_end: int, isolated: bool) -> Message:
    fd = os.open(message["path"], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError("not a regular file")
    fd = _keep_only(write_end, fd)
    limits, out = message["limits"], message["out_dir"]
    confine.limit(
        memory=limits["memory_bytes"],
        cpu_s=limits["cpu_s"],
        file_size=limits["file_bytes"],
        processes=_CHILD_PROCESSES if isolated else None,
    )
    confine.close_the_files(out)
    try:
        with open(fd, "rb", closefd=False) as file:
            kind = _kind(fd, file.read(HEAD_BYTES))
            if message["command"] == "derive":
                return {"result": derive(fd, file, kind, Path(out))}
            check_whole(file, kind)
            if kind.media_type == "image":
                facts = probe_picture(file, kind)
            else:
                kind, facts = probe_film(fd, kind)
            facts["size_bytes"] = os.fstat(fd).st_size
            return {"result": {"mime": kind.mime, "extension": kind.extension, **facts}}
    except Rejected as error:
        return {"rejected": str(error)}
    except MemoryError:
        return {"failed": "it needs too much memory"}
    except Exception as error:  # anything else that a hostile file can cause
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def _keep_only(write_end: int, input_fd: int) -> int:
    """Descriptors 0-2 lead nowhere, 3 is the answer, 4 the input; nothing else is open."""
    high_write, high_input = os.dup(write_end), os.dup(input_fd)
    while high_write < 5:
        high_write = os.dup(high_write)
    while high_input < 5:
        high_input = os.dup(high_input)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.dup2(high_write, 3)
    os.dup2(high_input, 4)
    os.closerange(5, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return 4


def _kind(fd: int, head: bytes) -> Sniffed:
    if not head:
        raise Rejected("The file is empty.")
    kind = sniff(head)
    if kind is None:
        raise Rejected("The file is not media of a supported kind.")
    return kind


def _load_everything() -> None:
    """PyAV imports parts of itself when they are first needed: too late for a confined child."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):
            importlib.import_module(module.name)


def main() -> None:
    isolated = confine.leave_the_network()
    _load_everything()
    av.logging.set_level(None)
    say({"network": isolated, "landlock": confine.landlock_abi()})
    Helper(isolated=isolated).run()


if __name__ == "__main__":
    if sys.argv[1:]:
        raise SystemExit("usage: python -m pixsim7_backend.infrastructure.media.tool < jobs")
    main()
