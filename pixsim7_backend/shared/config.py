"""Settings: read once from the environment and `.env`, checked, and refused in one sentence."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class BadSettings(Exception):
    """A setting is wrong; the message is one sentence that names it and what is allowed."""


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "pixsim7"


class Settings(BaseSettings):
    """Everything that can be set. Names are `PIXSIM7_<FIELD>` unless an alias is given."""

    model_config = SettingsConfigDict(
        env_prefix="PIXSIM7_", env_file=".env", extra="ignore", populate_by_name=True
    )

    env: Literal["production", "test"] = "production"
    data_dir: Path = Field(default_factory=_default_data_dir)
    """Embedded database, media, keys and spool live here."""
    database_url: str | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "PIXSIM7_DATABASE_URL")
    )
    """`postgresql://…` of an own server; without it an embedded one is started."""
    storage_url: str | None = Field(
        default=None, validation_alias=AliasChoices("STORAGE_URL", "PIXSIM7_STORAGE_URL")
    )
    """`s3://bucket/prefix`, `gs://…`, `az://…` or `file:///…`; without it, `data_dir/media`."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    public_url: str | None = None
    """How browsers and vendors reach this server; webhooks need it."""
    instance_name: str = Field(default="PixSim7", min_length=1, max_length=60)
    """What people see as the name of this installation."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"

    database_pool_size: int = Field(default=10, ge=2, le=100)
    worker_concurrency: int = Field(default=40, ge=20, le=500)
    """Tasks that one worker process runs at once."""
    skip_tasks: Annotated[frozenset[str], NoDecode] = frozenset()
    """Tasks that this worker leaves to others, such as `ingest,derive` on a small machine."""
    poll_pace: float = Field(default=1.0, gt=0, le=100)
    """Multiplies how long providers are left alone between status calls; below 1 asks more."""
    media_concurrency: int = Field(default=2, ge=1, le=32)
    """Media tool children at once, per worker process."""
    render_concurrency: int = Field(default=2, ge=1, le=32)
    """Films that the built-in renderer makes at once, per worker process."""

    allow_private_origins: Annotated[frozenset[str], NoDecode] = frozenset()
    """Origins on private addresses that may be called: a simulator, a ComfyUI server."""
    allow_private_webhooks: Annotated[frozenset[str], NoDecode] = frozenset()
    """Origins on private addresses that people's webhooks may be sent to."""
    allowed_hosts: Annotated[frozenset[str], NoDecode] = frozenset()
    """Host names this server answers to, beside the public URL's and loopback."""

    max_upload_bytes: int = Field(default=500 * 2**20, ge=1)
    max_result_bytes: int = Field(default=2 * 2**30, ge=1)
    event_retention_days: int = Field(default=30, ge=1)
    doubt_deadline_s: float | None = Field(default=None, gt=0)
    """How long an unknown outcome is looked into; by default what the provider's class says."""
    reservation_lease_s: float = Field(default=60.0, ge=1)
    """What a silent worker was sending, polling or fetching is taken up by others after this."""
    task_lease_s: float = Field(default=30.0, ge=1)
    """A worker silent for this long is taken for dead, and its tasks run elsewhere."""
    sweep_interval_s: float = Field(default=5.0, ge=0.1, le=60)
    """How often each worker looks for what was lost: wake-ups, and the leases of the dead."""

    default_max_daily_jobs: int | None = Field(default=500, ge=0)
    default_max_concurrent_jobs: int | None = Field(default=20, ge=0)
    default_max_storage_bytes: int | None = Field(default=200 * 2**30, ge=0)
    default_max_assets: int | None = Field(default=200_000, ge=0)
    default_max_accounts: int | None = Field(default=20, ge=0)

    @field_validator(
        "allow_private_origins",
        "allow_private_webhooks",
        "allowed_hosts",
        "skip_tasks",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("database_url")
    @classmethod
    def _postgres_only(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return value

    @model_validator(mode="after")
    def _fail_points_in_tests_only(self) -> "Settings":
        if self.env != "test" and "PIXSIM7_FAIL_POINTS" in os.environ:
            raise ValueError("PIXSIM7_FAIL_POINTS is for tests; set PIXSIM7_ENV=test or remove it")
        return self


def load_settings(**overrides: object) -> Settings:
    """Read the settings; raises `BadSettings` with one sentence per wrong one."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = []
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else ""
            env_name = name if name.isupper() or not name else f"PIXSIM7_{name.upper()}"
            message = item["msg"].removeprefix("Value error, ")
            problems.append(f"{env_name}: {message}" if env_name else message)
        raise BadSettings("; ".join(problems)) from None
