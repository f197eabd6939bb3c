"""Signing in, sessions and API tokens."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr

from pixsim7_backend.api.schemas.base import In, Out
from pixsim7_backend.api.schemas.user import UserRead

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


class Presence(Out):
    """Who uses this browser, for the first paint of an app. Never an error."""

    user: UserRead | None
    scopes: list[str]
    version: str
    max_upload_bytes: int
