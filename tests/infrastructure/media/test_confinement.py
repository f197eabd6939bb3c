"""Children that die, hang or are taken over; and what the kernel keeps them from."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixsim7_backend.infrastructure.media import answers
from pixsim7_backend.infrastructure.media.confine import landlock_abi
from pixsim7_backend.infrastructure.media.model import Limits, MediaToolFailed
from pixsim7_backend.infrastructure.media.runner import MediaTools

_INTRUDER = """
import json, os, socket, sys
from pixsim7_backend.infrastructure.media import confine
isolated = confine.leave_the_network()
kept = os.open(sys.argv[1] + "/input", os.O_RDONLY)
confine.limit(memory=1 << 30, cpu_s=5, file_size=1000, processes=None)
locked = confine.close_the_files(sys.argv[1] + "/out")
def attempt(work):
    try:
        work()
    except OSError as error:
        return type(error).__name__
    return "done"
def connect():
    with socket.socket() as s:
        s.settimeout(2)
        s.connect(("127.0.0.1", int(sys.argv[2])))
results = {
    "isolated": isolated,
    "locked": locked,
    "read": attempt(lambda: open("/etc/passwd").read()),
    "read_input_dir": attempt(lambda: os.listdir(sys.argv[1])),
    "write": attempt(lambda: open(sys.argv[1] + "/evil", "w")),
    "run": attempt(lambda: os.execv("/bin/true", ["true"])),
    "kill": attempt(lambda: os.kill(os.getppid(), 0)),
    "connect": attempt(connect),
    "kept": os.read(kept, 5).decode(),
    "output": attempt(lambda: open(sys.argv[1] + "/out/poster.webp", "w").write("x")),
}
print(json.dumps(results))
"""


def _children(tools: MediaTools) -> list[int]:
    helper = tools._helper
    assert helper is not None
    pid = helper._process.pid
    return [int(item) for item in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


async def _child_of(tools: MediaTools) -> int:
    for _ in range(500):
        if tools._helper is not None and (found := _children(tools)):
            return found[0]
        await asyncio.sleep(0.005)
    raise AssertionError("no child appeared")


@pytest.fixture
async def own_tools() -> Any:
    async with MediaTools(max_parallel=2) as tools:
        yield tools


@pytest.fixture
def out(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


async def test_what_a_confined_process_can_still_do(
    tmp_path: Path, out: Path, listener: int, own_tools: MediaTools
) -> None:
    (tmp_path / "input").write_text("input")
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _INTRUDER, str(tmp_path), str(listener)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    got = json.loads(done.stdout)
    assert (got["kept"], got["output"]) == ("input", "done")
    confinement = await own_tools.confinement()
    assert (confinement.files == "landlock") == got["locked"] == bool(landlock_abi())
    assert (confinement.network == "namespace") == got["isolated"]
    if got["locked"]:
        for name in ("read", "read_input_dir", "write", "run"):
            assert got[name] == "PermissionError", name
        assert not (tmp_path / "evil").exists()
    if landlock_abi() >= 6:
        assert got["kill"] == "PermissionError"
    if confinement.network != "open":
        assert got["connect"] != "done"


async def test_a_killed_child_is_one_failed_job(
    own_tools: MediaTools, hd: Path, mp4: Path, out: Path
) -> None:
    info = await own_tools.probe(hd)
    job = asyncio.create_task(own_tools.derive(hd, out, info))
    os.kill(await _child_of(own_tools), signal.SIGKILL)
    with pytest.raises(MediaToolFailed, match="killed"):
        await job
    assert (await own_tools.probe(mp4)).width == 320


async def test_a_dead_helper_is_replaced(
    own_tools: MediaTools, hd: Path, mp4: Path, out: Path
) -> None:
    info = await own_tools.probe(hd)
    job = asyncio.create_task(own_tools.derive(hd, out, info))
    child = await _child_of(own_tools)
    helper = own_tools._helper
    assert helper is not None
    os.kill(helper._process.pid, signal.SIGKILL)
    with pytest.raises(MediaToolFailed, match="helper process died"):
        await job
    assert (await own_tools.probe(mp4)).width == 320
    await _gone(child)


async def _gone(pid: int) -> None:
    for _ in range(300):
        try:
            state = _proc(pid, "stat").decode().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the process lives on")


async def test_a_cancelled_job_is_stopped(
    own_tools: MediaTools, hd: Path, mp4: Path, out: Path
) -> None:
    info = await own_tools.probe(hd)
    job = asyncio.create_task(own_tools.derive(hd, out, info))
    child = await _child_of(own_tools)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    await _gone(child)
    assert (await own_tools.probe(mp4)).width == 320


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(wall_s=0.02, cpu_s=10), "too long"),
        (Limits(wall_s=10, cpu_s=10, memory_bytes=260 * 1024**2), "memory|decoded|Errno|Error"),
        (Limits(wall_s=10, cpu_s=10, file_bytes=2000), "wrote too much|Error"),
    ],
)
async def test_limits(hd: Path, mp4: Path, out: Path, limits: Limits, reason: str) -> None:
    async with MediaTools(derive_limits=limits) as tools:
        info = await tools.probe(hd)
        with pytest.raises(MediaToolFailed, match=reason):
            await tools.derive(hd, out, info)
        assert (await tools.probe(mp4)).width == 320


async def test_the_helper_ends_with_its_owner(mp4: Path) -> None:
    tools = MediaTools()
    await tools.probe(mp4)
    assert tools._helper is not None
    pid = tools._helper._process.pid
    await tools.aclose()
    await _gone(pid)


async def test_the_helper_inherits_nothing(own_tools: MediaTools, mp4: Path) -> None:
    os.environ["PIXSIM7_TEST_SECRET"] = "hunter2"
    try:
        await own_tools.probe(mp4)
    finally:
        del os.environ["PIXSIM7_TEST_SECRET"]
    assert own_tools._helper is not None
    pid = own_tools._helper._process.pid
    assert b"hunter2" not in _proc(pid, "environ")
    targets = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    kinds = {target.split(":")[0] for target in targets}
    assert kinds <= {"pipe", "socket", "/dev/null", "anon_inode"}


def _answer(**changes: Any) -> dict[str, Any]:
    return {"mime": "video/mp4", "size_bytes": 5, "rotation": 0, "width": 2, "height": 2} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"mime": "text/html"},
        {"width": -1},
        {"width": "2"},
        {"duration_s": float("inf")},
        {"duration_s": float("nan")},
        {"codec": "<script>"},
        {"size_bytes": True},
        {"mime": ["video/mp4"]},
    ],
)
def test_strange_facts_are_not_believed(changes: dict[str, Any]) -> None:
    assert answers.media_info(_answer()).width == 2
    with pytest.raises(MediaToolFailed):
        answers.media_info(_answer(**changes))


def test_strange_files_are_not_believed(out: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    good = {"name": "poster.webp", "mime": "image/webp", "width": 4, "height": 4}
    (out / "poster.webp").symlink_to(secret)
    for poster in (
        good,
        good | {"name": "../secret"},
        good | {"name": "thumb-240.webp"},
        good | {"mime": "text/html"},
        good | {"width": 0},
        "poster.webp",
    ):
        with pytest.raises(MediaToolFailed):
            answers.derivatives({"poster": poster}, out)
    (out / "poster.webp").unlink()
    os.link(secret, out / "poster.webp")
    with pytest.raises(MediaToolFailed):
        answers.derivatives({"poster": good}, out)
    with pytest.raises(MediaToolFailed):
        answers.derivatives({"colour": "red;}"}, out)
