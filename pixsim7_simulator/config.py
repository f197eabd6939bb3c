"""What a simulator can be told: accounts, settings that may change, where the journal goes."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pixsim7_simulator.faults import Rule

Seconds = Annotated[float, Field(ge=0)]


class WebhookSpec(BaseModel):
    """A webhook as the owner registered it in the vendor's dashboard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    url: str
    secret: str


class AccountSpec(BaseModel):
    """One API key; `credits` is a short way to fill the package balance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    credits: int = 0
    monthly: int = 0
    package: int = 0
    concurrent: int = Field(default=5, ge=0)
    state: Literal["active", "disabled"] = "active"
    templates: tuple[int, ...] = ()
    webhooks: tuple[WebhookSpec, ...] = ()


class Settings(BaseModel):
    """Defaults of the simulated world; every field can be patched through the control API."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    generation_seconds: Seconds | None = None  # None: the dialect's own estimate, for demos
    queue_seconds: Seconds = 0.0
    stuck_release_seconds: Seconds = 600.0
    url_ttl_seconds: Seconds | None = None
    url_expired_status: Literal[403, 404, 410] = 403
    url_refresh: bool = False  # True: each poll of a finished generation renews its link
    first_polls_missing: int = Field(default=0, ge=0)
    duplicate_trace: Literal["replay", "hang", "new"] = "replay"
    trace_window_seconds: Seconds | None = None
    flagged_words: tuple[str, ...] = ("forbidden-word",)  # refused at submit
    filtered_words: tuple[str, ...] = ("filtered-word",)  # accepted, then moderated away
    failing_words: tuple[str, ...] = ("failing-word",)  # accepted, then a technical failure
    flagged_files: tuple[str, ...] = ("forbidden-file",)  # an upload with this in its name
    prompt_max_chars: int = 5000
    image_max_px: int = 10_000
    usage_shows_video_id: bool = False
    media: Literal["real", "tiny"] = "real"
    webhook_delays: tuple[Seconds, ...] = (2, 10, 30, 60, 300, 900, 3600, 14_400)
    public_url: str | None = None  # None: links carry the Host the client used
    control_token: str | None = None


_EFFECTS = (315_446_315_336_768, 302_325_299_692_608)  # as in the PixVerse dialect
DEMO_ACCOUNTS = (
    AccountSpec(key="sk-demo-1", monthly=15_000, package=1_000, concurrent=5, templates=_EFFECTS),
    AccountSpec(key="sk-demo-2", monthly=0, package=2_000, concurrent=2),
)


class Config(BaseModel):
    """Everything a simulator starts with; also the schema of the `--config` file."""

    model_config = ConfigDict(extra="forbid")

    accounts: tuple[AccountSpec, ...] = DEMO_ACCOUNTS
    settings: Settings = Field(default_factory=Settings)
    rules: tuple[Rule, ...] = ()
    journal_path: Path | None = None  # None: kept in memory
    synchronous: Literal["FULL", "NORMAL"] = "FULL"
