"""The control API under /control: scripts the world and reads its journal. Loopback only."""

import hashlib
import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pixsim7_simulator.accounts import Account
from pixsim7_simulator.config import AccountSpec, Settings, WebhookSpec
from pixsim7_simulator.faults import Rule
from pixsim7_simulator.generations import Generation, Outcome
from pixsim7_simulator.world import World

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_RULES: TypeAdapter[list[Rule]] = TypeAdapter(list[Rule])
_TABLES = {
    "journal": "requests",
    "charges": "charges",
    "slots": "slots",
    "violations": "violations",
    "deliveries": "deliveries",
}
_NUMBERS = {"object_id", "video_id", "status", "err_code", "duplicate", "attempt", "ok", "id"}


class _AccountPatch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    monthly: int | None = None
    package: int | None = None
    concurrent: int | None = None
    state: Literal["active", "disabled"] | None = None
    templates: list[int] | None = None
    webhooks: list[WebhookSpec] | None = None


class Control:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        plain: list[tuple[str, str, _Handler]] = [
            ("GET", "", self._overview),
            ("POST", "/reset", self._reset),
            ("GET", "/accounts", self._accounts),
            ("POST", "/accounts", self._put_account),
            ("PATCH", "/accounts/{key}", self._patch_account),
            ("DELETE", "/accounts/{key}", self._delete_account),
            ("GET", "/settings", self._settings),
            ("PATCH", "/settings", self._patch_settings),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._add_faults),
            ("DELETE", "/faults", self._remove_faults),
            ("DELETE", "/faults/{name}", self._remove_faults),
            ("GET", "/charges/by-trace", self._charges_by_trace),
            ("GET", r"/{table:journal|charges|slots|violations|deliveries}", self._rows),
            ("GET", "/concurrency", self._concurrency),
            ("GET", "/generations", self._generations),
            ("GET", "/generations/{id}", self._generation),
            ("POST", "/generations/{id}/finish", self._finish),
            ("GET", "/generations/{id}/sha256", self._sha256),
            ("POST", "/clock", self._clock),
        ]
        return [
            web.route(method, f"/control{path}", self._guarded(handler))
            for method, path, handler in plain
        ]

    def _guarded(self, handler: _Handler) -> _Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            token = self._world.settings.control_token
            if not _is_loopback(request.remote):
                return _problem(403, "the control API answers on loopback only")
            if token is not None and request.headers.get("Authorization") != f"Bearer {token}":
                return _problem(401, "the control token is missing or wrong")
            self._world.generations.settle()
            try:
                return await handler(request)
            except ValidationError as error:
                problems = error.errors(
                    include_url=False, include_input=False, include_context=False
                )
                return web.json_response({"error": "invalid", "details": problems}, status=422)
            except ValueError as error:
                return _problem(422, str(error))
            except LookupError as error:
                return _problem(404, f"not found: {error}")

        return guarded

    async def _overview(self, _: web.Request) -> web.Response:
        world = self._world
        return web.json_response({
            "now": world.clock.now(),
            "accounts": [account.key for account in world.accounts],
            "generations": sum(1 for _ in world.generations),
            "unused_faults": world.faults.unused(),
        })  # fmt: skip

    async def _reset(self, _: web.Request) -> web.Response:
        await self._world.reset()
        return web.json_response({"reset": True})

    async def _accounts(self, _: web.Request) -> web.Response:
        return web.json_response([account.report() for account in self._world.accounts])

    async def _put_account(self, request: web.Request) -> web.Response:
        account = self._world.accounts.put(AccountSpec.model_validate_json(await request.read()))
        return web.json_response(account.report(), status=201)

    async def _patch_account(self, request: web.Request) -> web.Response:
        account = self._account(request)
        patch = _AccountPatch.model_validate_json(await request.read())
        for name in ("monthly", "package", "concurrent", "state"):
            if (value := getattr(patch, name)) is not None:
                setattr(account, name, value)
        if patch.templates is not None:
            account.templates = set(patch.templates)
        if patch.webhooks is not None:
            account.webhooks = {hook.id: hook for hook in patch.webhooks}
        return web.json_response(account.report())

    async def _delete_account(self, request: web.Request) -> web.Response:
        account = self._account(request)
        return web.json_response({"removed": self._world.accounts.remove(account.key)})

    async def _settings(self, _: web.Request) -> web.Response:
        return web.json_response(self._world.settings.model_dump(mode="json"))

    async def _patch_settings(self, request: web.Request) -> web.Response:
        changes = await _body(request)
        merged = Settings.model_validate({**self._world.settings.model_dump(), **changes})
        for name in changes:  # in place, because everything holds this one object
            setattr(self._world.settings, name, getattr(merged, name))
        return await self._settings(request)

    async def _faults(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"rules": self._world.faults.report(), "unused": self._world.faults.unused()}
        )

    async def _add_faults(self, request: web.Request) -> web.Response:
        content = json.loads(await request.read())
        rules = _RULES.validate_python(content if isinstance(content, list) else [content])
        return web.json_response({"ids": self._world.faults.install(rules)}, status=201)

    async def _remove_faults(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"removed": self._world.faults.remove(request.match_info.get("name"))}
        )

    async def _charges_by_trace(self, _: web.Request) -> web.Response:
        return web.json_response(await self._world.journal.charges_by_trace())

    async def _rows(self, request: web.Request) -> web.Response:
        query: dict[str, Any] = dict(request.query)
        since, limit = query.pop("since", None), query.pop("limit", 10_000)
        equal = {name: int(value) if name in _NUMBERS else value for name, value in query.items()}
        rows = await self._world.journal.rows(
            _TABLES[request.match_info["table"]],
            since=None if since is None else float(since),
            limit=int(limit),
            **equal,
        )
        return web.json_response(rows)

    async def _concurrency(self, _: web.Request) -> web.Response:
        report = {
            account.key: {
                "running": account.running,
                "peak": account.peak,
                "limit": account.concurrent,
                "over_limit": account.over_limit,
            }
            for account in self._world.accounts
        }
        return web.json_response(report)

    async def _generations(self, request: web.Request) -> web.Response:
        now = self._world.clock.now()
        reports = [generation.report(now) for generation in self._world.generations]
        wanted = request.query.items()
        return web.json_response(
            [
                report
                for report in reports
                if all(str(report.get(name)) == value for name, value in wanted)
            ]
        )

    async def _generation(self, request: web.Request) -> web.Response:
        return web.json_response(self._found(request).report(self._world.clock.now()))

    async def _finish(self, request: web.Request) -> web.Response:
        generation = self._found(request)
        self._world.generations.finish(generation)
        return web.json_response(generation.report(self._world.clock.now()))

    async def _sha256(self, request: web.Request) -> web.Response:
        generation = self._found(request)
        if generation.order.outcome is not Outcome.DONE:
            raise LookupError("this generation has no result")
        content = await self._world.file(generation)
        return web.json_response(
            {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        )

    async def _clock(self, request: web.Request) -> web.Response:
        self._world.clock.advance(float((await _body(request)).get("advance", 0)))
        return web.json_response({"now": self._world.clock.now()})

    def _account(self, request: web.Request) -> Account:
        account = self._world.accounts.get(request.match_info["key"])
        if account is None:
            raise LookupError(request.match_info["key"])
        return account

    def _found(self, request: web.Request) -> Generation:
        generation = self._world.generations.get(int(request.match_info["id"]))
        if generation is None:
            raise LookupError(request.match_info["id"])
        return generation


async def _body(request: web.Request) -> dict[str, Any]:
    content = json.loads(await request.read() or b"{}")
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    return content


def _is_loopback(remote: str | None) -> bool:
    return remote is not None and ipaddress.ip_address(remote).is_loopback


def _problem(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
