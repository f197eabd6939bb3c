"""A start that cannot succeed ends in one sentence and an exit code."""

import socket
from pathlib import Path

import pytest

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.cli import app
from pixsim7_backend.cli.output import CommandFailed, Exit, stop
from pixsim7_backend.cli.serving import CannotListen, Server


async def test_a_used_port_is_named(container: Container) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        container.settings.port = other.getsockname()[1]
        ready: list[str] = []
        with pytest.raises(CannotListen) as refused:
            await Server(container).run(ready.append)
    assert str(refused.value).startswith(
        f"Cannot listen at 127.0.0.1, port {container.settings.port}: Address already in use."
    )
    assert ready == []


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
def test_a_data_directory_that_cannot_be_written_is_named(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "data"
    monkeypatch.setenv("PIXSIM7_DATA_DIR", str(directory))
    monkeypatch.setattr("sys.argv", ["pixsim7", command])
    # Done once for the process, and would outlive this test.
    monkeypatch.setattr(app, "configure_logging", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        app.main()
    assert left.value.code == Exit.USAGE
    said = capsys.readouterr().err
    assert said.startswith(f"PIXSIM7_DATA_DIR: {directory} cannot be written (Not a directory)")
    assert said.count("\n") == 1


def test_a_sentence_keeps_its_code_in_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stop(CommandFailed("The database is away. [database_unavailable]"))
    assert capsys.readouterr().err == "The database is away. [database_unavailable]\n"
