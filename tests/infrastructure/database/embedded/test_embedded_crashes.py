"""The embedded PostgreSQL comes back after any crash and explains what it cannot do."""

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pixsim7_backend.infrastructure.database import embedded_files
from pixsim7_backend.infrastructure.database.embedded import (
    EmbeddedError,
    EmbeddedPostgres,
)
from pixsim7_backend.infrastructure.database.embedded_owner import ServerUser, let_reach
from tests.infrastructure.database.embedded.helpers import (
    Spawn,
    ask,
    children,
    is_root,
    mode,
    postmaster,
    wait_up,
)


class TestCrashes:
    @pytest.mark.parametrize("only_postmaster", [True, False])
    async def test_everything_killed(
        self,
        data_dir: Path,
        spawn: Spawn,
        only_postmaster: bool,
    ) -> None:
        other = spawn("durable")
        wait_up(other)
        mine = EmbeddedPostgres(data_dir)
        server = mine.start()
        await ask(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        pid = postmaster(data_dir)
        victims = [pid]
        if not only_postmaster:
            victims += children(pid)
        other.kill()
        for victim in victims:
            with suppress(ProcessLookupError):  # children end by themselves without their parent
                os.kill(victim, signal.SIGKILL)
        again = EmbeddedPostgres(data_dir)
        server = again.start()
        assert await ask(server.url, "SELECT answer FROM kept") == "42"
        assert postmaster(data_dir) != pid
        mine.stop()
        again.stop()
        assert not again.is_running()

    def test_process_id_in_stale_files_belongs_to_somebody_else(self, data_dir: Path) -> None:
        mine = EmbeddedPostgres(data_dir, durable=False)
        mine.start()
        stale = (data_dir / "cluster" / "postmaster.pid").read_text()
        mine.stop()
        text = stale.replace(stale.split("\n")[0], str(os.getpid()), 1)
        (data_dir / "cluster" / "postmaster.pid").write_text(text)
        (data_dir / "run" / ".s.PGSQL.5432.lock").write_text(text)
        mine.start()
        mine.stop()

    def test_half_made_cluster_is_made_anew(self, new_dir: Path) -> None:
        (new_dir / "staging-old" / "cluster").mkdir(parents=True)
        mine = EmbeddedPostgres(new_dir, durable=False)
        mine.start()
        mine.stop()
        assert not (new_dir / "staging-old").exists()

    def test_bootstrap_cut_short_is_finished(self, data_dir: Path) -> None:
        mine = EmbeddedPostgres(data_dir, durable=False)
        mine.start()
        mine.stop()
        (data_dir / "bootstrapped").unlink()
        mine.start()
        mine.stop()
        assert (data_dir / "bootstrapped").exists()

    def test_a_server_that_cannot_start_says_why(self, data_dir: Path) -> None:
        mine = EmbeddedPostgres(data_dir, durable=False)
        mine.start()
        mine.stop()
        (data_dir / "cluster" / "global" / "pg_control").unlink()
        began = time.monotonic()
        with pytest.raises(EmbeddedError, match="pg_control"):
            mine.start()
        assert time.monotonic() - began < 5


class TestPlaces:
    async def test_path_too_long_for_a_socket(self, new_dir: Path) -> None:
        long_dir = new_dir / ("d" * 90) / "it's, a path"
        mine = EmbeddedPostgres(long_dir, durable=False)
        server = mine.start()
        socket_dir = Path((long_dir / "socket_dir").read_text())
        assert mode(socket_dir) == 0o700
        assert await ask(server.url, "SELECT 1") == "1"
        mine.stop()
        mine.start()
        assert Path((long_dir / "socket_dir").read_text()) == socket_dir
        mine.stop()
        shutil.rmtree(socket_dir)

    def test_missing_passwords_are_explained(self, data_dir: Path) -> None:
        mine = EmbeddedPostgres(data_dir, durable=False)
        mine.start()
        mine.stop()
        (data_dir / "passwords.json").unlink()
        with pytest.raises(EmbeddedError, match="restore it"):
            mine.start()

    def test_other_major_version_is_refused(self, data_dir: Path) -> None:
        mine = EmbeddedPostgres(data_dir, durable=False)
        mine.start()
        mine.stop()
        (data_dir / "cluster" / "PG_VERSION").write_text("17\n")
        with pytest.raises(EmbeddedError, match="PostgreSQL 17"):
            mine.start()

    @pytest.mark.skipif(not is_root, reason="needs root")
    def test_only_the_server_user_is_let_through_a_private_parent(self, new_dir: Path) -> None:
        parent = new_dir.parent
        parent.chmod(0o700)
        mine = EmbeddedPostgres(new_dir, durable=False)
        mine.start()
        mine.stop()
        assert parent.stat().st_mode & 0o007 == 0

    @pytest.mark.skipif(not is_root, reason="needs root")
    def test_nobody_is_let_into_no_private_directory(self, data_dir: Path) -> None:
        data_dir.parent.chmod(0o700)
        with pytest.raises(EmbeddedError, match="chmod o\\+x"):
            let_reach(ServerUser("nobody", 65534, 65534), [data_dir.parent])

    def test_log_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded_files, "_LOG_LIMIT", 1000)
        monkeypatch.setattr(embedded_files, "_LOG_KEPT", 100)
        log = tmp_path / "postgres.log"
        log.write_text("a line of log\n" * 200)
        with embedded_files.open_log(log) as file:
            file.write(b"new\n")
        assert log.stat().st_size < 120
        assert log.read_text().startswith("a line of log\n")
        assert log.read_text().endswith("new\n")
