"""The way of every vendor request: faults, work, journal, answer, in that order."""

import asyncio
import hashlib
import json
from typing import Any

from aiohttp import web

from pixsim7_simulator import interpret, wire
from pixsim7_simulator.dialects.base import (
    Call,
    Dialect,
    Endpoint,
    RefusedError,
    number_in,
    prompt_of,
)
from pixsim7_simulator.faults import Action, Refuse, Subject
from pixsim7_simulator.generations import Generation
from pixsim7_simulator.interpret import Answer, Delivery
from pixsim7_simulator.world import World


async def serve(
    world: World, dialect: Dialect, endpoint: Endpoint, request: web.Request
) -> web.StreamResponse:
    started = world.clock.now()
    call = await _read(world, dialect, endpoint, request)
    world.generations.settle()
    rule, call.actions = world.faults.match(_subject(call))

    def refuse(action: Refuse) -> Answer:
        return dialect.refusal(
            RefusedError(
                action.err_code, action.message, http=action.http, lower_case=action.lower_case
            )
        )

    await pause(call.actions, "before")
    answer = interpret.before(call.actions, refuse)
    if answer is None:
        answer = interpret.after(call.actions, await _work(dialect, endpoint, call))
    await record(world, call, answer, started=started, rule=rule)
    await pause(call.actions, "after")
    return await wire.send(request, answer)


async def pause(actions: tuple[Action, ...], when: str) -> None:
    if actions and (seconds := interpret.delay(actions, when)):
        await asyncio.sleep(seconds)


async def record(world: World, call: Call, answer: Answer, *, started: float, rule: str) -> None:
    """Journal the request; the answer may leave once this and all it caused is on disk."""
    peer = call.request.transport.get_extra_info("peername") if call.request.transport else None
    world.journal.add(
        "requests",
        at=started,
        done_at=world.clock.now(),
        endpoint=call.endpoint,
        method=call.request.method,
        path=_storable(call.request.path),
        peer=f"{peer[0]}:{peer[1]}" if peer else None,
        account=_storable(call.key),
        trace_id=_storable(call.trace_id),
        params_digest=call.digest,
        body_bytes=call.body_bytes,
        object_id=call.object_id,
        status=0 if answer.delivery is Delivery.CLOSE else answer.status,
        err_code=answer.err_code,
        bytes_out=len(answer.body),
        duplicate=int(call.duplicate),
        fault=",".join(action.kind for action in call.actions),
        rule=rule,
    )
    await world.journal.durable()


async def _work(dialect: Dialect, endpoint: Endpoint, call: Call) -> Answer:
    try:
        if not endpoint.public:
            dialect.authorise(call)
        return await endpoint.handler(call)
    except RefusedError as error:
        return dialect.refusal(error)


async def _read(world: World, dialect: Dialect, endpoint: Endpoint, request: web.Request) -> Call:
    key, trace_id = dialect.identify(request)
    call = Call(request, world, f"{dialect.name}.{endpoint.name}", key, trace_id)
    if request.method in {"POST", "PUT", "PATCH"}:
        call.body_bytes = request.content_length or 0
        if not request.content_type.startswith("multipart/"):
            body = await request.read()
            call.body_bytes, call.digest = len(body), hashlib.sha256(body).hexdigest()
            call.params, call.malformed = _object(body)
    return call


def _object(body: bytes) -> tuple[dict[str, Any], bool]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # also bytes that are not UTF-8
        return {}, True
    return (content, False) if isinstance(content, dict) else ({}, True)


def _subject(call: Call) -> Subject:
    """A poll is about a generation, so rules may name that generation's prompt and trace id too."""
    generation = _generation(call)
    prompt = prompt_of(call.params if generation is None else generation.order.params)
    traces = (call.trace_id, *((generation.order.trace_id,) if generation else ()))
    return Subject(call.endpoint, call.request.method, call.key, traces, prompt)


def _generation(call: Call) -> Generation | None:
    number = number_in(call.request.match_info.get("id", ""))
    return None if number is None else call.world.generations.get(number)


def _storable(text: str) -> str:
    """Headers may hold bytes that are no UTF-8, which arrive as lone surrogates."""
    return text.encode(errors="replace").decode()
