"""Forks worker processes: the command `pixsim7 worker`, without its second of imports.

Started once per test run as `python -m tests.workers.zygote`. Each line on standard input is
`{"env": {...}, "log": path}` and makes one process; each line on standard output is
`{"pid": ...}` for a process made, or `{"ended": pid, "status": ...}` for one that has ended.
"""

import json
import os
import selectors
import signal
import sys
from typing import Any

from pixsim7_backend.cli.app import main


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _become_worker(order: dict[str, Any]) -> None:
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["env"])
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.argv = ["pixsim7", "worker"]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def serve() -> None:
    """Until standard input ends."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = selectors.DefaultSelector()
    waiting.register(sys.stdin, selectors.EVENT_READ)
    waiting.register(reader, selectors.EVENT_READ)
    while True:
        ready = {key.fileobj for key, _ in waiting.select()}
        if reader in ready:
            os.read(reader, 4096)
            _reap()
        if sys.stdin in ready:
            line = os.read(0, 1 << 20).decode()
            if not line:
                return
            for order in line.splitlines():
                pid = os.fork()
                if pid == 0:
                    os.close(reader)
                    os.close(writer)
                    _become_worker(json.loads(order))
                _say({"pid": pid})


if __name__ == "__main__":
    serve()
