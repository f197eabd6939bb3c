"""Signing in, sessions and API tokens."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr

from pixsim7_backend.api.schemas.base import In, Out
from pixsim7_backend.api.schemas.user import QuotaStatus, UserRead

Scope = Literal["read", "generate", "manage"]


class Login(In):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "user@example.com", "password": "…"}]}
    )

    email: str = Field(min_length=1, max_length=320, description="E-mail or username.")
    password: SecretStr = Field(min_length=1, max_length=4096)
    cookie: bool = Field(
        default=False,
        description="For browsers: put the tokens into HttpOnly cookies and not into the answer.",
    )


class Refresh(In):
    refresh_token: SecretStr | None = Field(
        default=None, max_length=512, description="Left out when the cookie carries it."
    )


class Tokens(Out):
    """The tokens are null when they went into cookies."""

    access_token: str | None = Field(description="For `Authorization: Bearer`.")
    refresh_token: str | None = Field(description="Good for one use at `/auth/refresh`.")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - not a secret
    expires_in: int = Field(description="Seconds until the access token ends.")
    user: UserRead


class PasswordChange(In):
    current_password: SecretStr = Field(min_length=1, max_length=4096)
    new_password: SecretStr = Field(min_length=1, max_length=4096)


class SessionRead(Out):
    id: UUID
    is_current: bool = False
    ip: IPv4Address | IPv6Address | str | None
    user_agent: str | None
    device: str = Field(default="", examples=["Firefox on Linux"])
    place: str | None = Field(default=None, description="Not known: addresses are not looked up.")
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class SessionList(Out):
    items: list[SessionRead]


class TokenCreate(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "render farm", "scopes": ["generate"], "expires_in_days": 90}]
        }
    )

    name: str = Field(min_length=1, max_length=100)
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=3,
        description="`generate` and `manage` may read as well.",
    )
    expires_in_days: int = Field(default=90, ge=1, le=365)


class TokenRead(Out):
    id: UUID
    name: str
    public_id: str = Field(description="The part after `px7_`, to recognise it by.")
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class TokenCreated(TokenRead):
    token: str = Field(description="The token itself, shown this once.")


class TokenList(Out):
    items: list[TokenRead]


class Setup(In):
    """The first administrator of a fresh installation."""

    token: SecretStr | None = Field(
        default=None,
        max_length=200,
        description="As `pixsim7 serve` printed it; not needed on the machine that runs it.",
    )
    email: str = Field(max_length=320)
    username: str = Field(max_length=64)
    password: SecretStr = Field(max_length=4096)


class CurrentSession(Out):
    id: UUID
    expires_at: datetime


class Features(Out):
    """What this installation has, and where its bounds are."""

    public_url: str | None
    storage: Literal["directory", "s3", "gcs", "azure"]
    max_batch: int
    max_bulk: int


class Presence(Out):
    """Who uses this browser, and what an app has to know before its first paint."""

    needs_setup: bool
    setup_needs_token: bool = Field(description="False when asked from the machine itself.")
    user: UserRead | None
    session: CurrentSession | None
    scopes: list[str]
    quota: QuotaStatus | None
    instance_name: str
    version: str
    max_upload_bytes: int
    features: Features
