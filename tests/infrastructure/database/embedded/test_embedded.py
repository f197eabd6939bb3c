"""The embedded PostgreSQL: private, and shared between processes."""

import os
import re
from pathlib import Path

import asyncpg
import pytest

from pixsim7_backend.infrastructure.database.embedded import (
    EmbeddedPostgres,
    EmbeddedServer,
)
from tests.infrastructure.database.embedded.helpers import (
    Spawn,
    ask,
    is_root,
    mode,
    postmaster,
    wait_up,
)


class TestWhatItIs:
    async def test_application_role_owns_its_database_and_nothing_more(
        self, server: EmbeddedServer
    ) -> None:
        query = """SELECT concat_ws(',', current_user, rolsuper, rolcreatedb, rolcreaterole,
                   pg_get_userbyid(datdba)) FROM pg_roles, pg_database
                   WHERE rolname = current_user AND datname = current_database()"""
        assert await ask(server.url, query) == "pixsim7,f,f,f,pixsim7"
        await ask(server.url, "CREATE TABLE IF NOT EXISTS made_here (id int)")

    async def test_settings(self, server: EmbeddedServer) -> None:
        for name, value in {
            "listen_addresses": "",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "max_connections": "200",
            "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256",
        }.items():
            assert await ask(server.admin_url, f"SELECT current_setting('{name}')") == value
        locale = "SELECT datlocprovider::text || datlocale FROM pg_database LIMIT 1"
        assert await ask(server.admin_url, locale) == "bC.UTF-8"

    async def test_durable_by_default(self, data_dir: Path) -> None:
        postgres = EmbeddedPostgres(data_dir)
        server = postgres.start()
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await ask(server.url, f"SELECT current_setting('{name}')") == "on"
        postgres.stop()

    async def test_a_wrong_password_is_refused(self, server: EmbeddedServer) -> None:
        wrong = re.sub(r":[^:@]+@", ":wrong@", server.url)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(wrong, "SELECT 1")

    async def test_other_databases_are_closed_to_the_application(
        self, server: EmbeddedServer
    ) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(server.url.replace("@/pixsim7?", "@/postgres?"), "SELECT 1")

    def test_files_are_private(self, server: EmbeddedServer) -> None:
        for name in ("passwords.json", "postgres.log", "start.lock"):
            assert mode(server.data_dir / name) == 0o600
        for name in ("cluster", "run"):
            assert mode(server.data_dir / name) == 0o700
        assert not list(server.data_dir.glob("staging-*"))

    def test_passwords_stay_out_of_repr_and_log(self, server: EmbeddedServer) -> None:
        passwords = re.findall(r'": "([^"]+)"', (server.data_dir / "passwords.json").read_text())
        shown = repr(server) + str(server) + (server.data_dir / "postgres.log").read_text()
        assert len(passwords) == 2
        assert not any(password in shown for password in passwords)

    def test_the_server_inherits_no_secret(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIXSIM7_MASTER_KEY", "canary-of-the-environment")
        postgres = EmbeddedPostgres(data_dir, durable=False)
        postgres.start()
        environment = Path(f"/proc/{postmaster(data_dir)}/environ").read_bytes()
        postgres.stop()
        assert b"canary" not in environment

    @pytest.mark.skipif(not is_root, reason="needs root")
    def test_does_not_run_as_root(self, server: EmbeddedServer) -> None:
        assert Path(f"/proc/{postmaster(server.data_dir)}").stat().st_uid != 0


class TestSharing:
    def test_the_last_one_out_stops_it(self, data_dir: Path, spawn: Spawn) -> None:
        mine = EmbeddedPostgres(data_dir, durable=False)
        mine.start()
        pid = postmaster(data_dir)
        other = spawn()
        wait_up(other)
        mine.stop()
        assert mine.is_running()
        assert postmaster(data_dir) == pid
        other.communicate()
        assert not mine.is_running()

    def test_a_killed_user_holds_nothing(self, data_dir: Path, spawn: Spawn) -> None:
        starter = spawn()
        wait_up(starter)
        mine = EmbeddedPostgres(data_dir, durable=False)
        mine.start()
        starter.kill()
        starter.wait()
        assert mine.is_running()
        mine.stop()
        assert not mine.is_running()

    def test_started_by_several_at_once(self, data_dir: Path, spawn: Spawn) -> None:
        processes = [spawn() for _ in range(4)]
        for process in processes:
            wait_up(process)
        log = (data_dir / "postgres.log").read_text()
        assert log.count("ready to accept connections") == 1
        for process in processes:
            process.communicate()
        assert not EmbeddedPostgres(data_dir).is_running()

    def test_ctrl_c_in_our_terminal_does_not_reach_it(self, data_dir: Path, spawn: Spawn) -> None:
        wait_up(spawn())
        pid = postmaster(data_dir)
        assert os.getsid(pid) == pid

    def test_stop_without_start_is_harmless(self, new_dir: Path) -> None:
        EmbeddedPostgres(new_dir).stop()
        assert not new_dir.exists()
