"""Settings: a wrong one stops the start with one clear sentence."""

from pathlib import Path

import pytest

from pixsim7_backend.shared.config import BadSettings, load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "STORAGE_URL", "PIXSIM7_PORT", "PIXSIM7_FAIL_POINTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://x", "DATABASE_URL: must start with postgresql://"),
        ("PIXSIM7_PORT", "99999", "PIXSIM7_PORT: Input should be less than or equal to 65535"),
        ("PIXSIM7_LOG_LEVEL", "loud", "PIXSIM7_LOG_LEVEL: Input should be 'debug'"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as raised:
        load_settings()
    assert str(raised.value).startswith(sentence)


def test_fail_points_are_for_tests_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXSIM7_FAIL_POINTS", "submit.after_intent=kill")
    with pytest.raises(BadSettings, match="PIXSIM7_FAIL_POINTS is for tests"):
        load_settings(env="production")
    load_settings(env="test")


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXSIM7_ALLOW_PRIVATE_ORIGINS", "http://127.0.0.1:1/, http://[::1]:2")
    assert load_settings().allow_private_origins == {"http://127.0.0.1:1", "http://[::1]:2"}


def test_a_file_beside_the_program_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PIXSIM7_PORT=8123\nSOMETHING_ELSE=1\n")
    assert load_settings().port == 8123
