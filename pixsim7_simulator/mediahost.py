"""The host of results and uploads: plain links without authentication, with ranges and expiry."""

import json
import re
from collections.abc import Iterable

from aiohttp import web

from pixsim7_simulator import interpret
from pixsim7_simulator.dialects.base import Call, Endpoint, RefusedError
from pixsim7_simulator.generations import Outcome
from pixsim7_simulator.interpret import Answer
from pixsim7_simulator.world import World

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class MediaHost:
    name = "media"
    prefix = ""

    def __init__(self, world: World) -> None:
        self._world = world

    def endpoints(self) -> Iterable[Endpoint]:
        for method in ("GET", "HEAD"):
            yield Endpoint("result", method, r"/media/{token}/{id:\d+}.{suffix}", self._result)
            yield Endpoint("upload", method, "/upload/{token}", self._upload)

    def identify(self, request: web.Request) -> tuple[str, str]:
        """Links carry no key; what they lead to tells whose they are."""
        generation = self._world.generations.by_token(request.match_info.get("token", ""))
        return (generation.account.key, generation.order.trace_id) if generation else ("", "")

    def authorise(self, call: Call) -> None:
        return

    def refusal(self, error: RefusedError) -> Answer:
        body = json.dumps({"code": error.code, "message": error.message}).encode()
        return Answer(404 if error.http == 200 else error.http, body)

    def not_found(self) -> Answer:
        return Answer(404, b"<Error><Code>NoSuchKey</Code></Error>", content_type="application/xml")

    async def _result(self, call: Call) -> Answer:
        generation = self._world.generations.by_token(call.request.match_info["token"])
        if generation is None or str(generation.id) != call.request.match_info["id"]:
            return self.not_found()
        call.object_id = generation.id
        if generation.finished_at is None or generation.order.outcome is not Outcome.DONE:
            return self.not_found()
        if self._world.clock.now() > generation.url_expires_at:
            status = self._world.settings.url_expired_status
            return Answer(
                status, b"<Error><Code>Expired</Code></Error>", content_type="application/xml"
            )
        content = await self._world.file(generation)
        answer = _ranged(call.request, content, generation.order.media.content_type)
        return interpret.after(generation.plan.file, answer)

    async def _upload(self, call: Call) -> Answer:
        found = self._world.uploads.by_token(call.request.match_info["token"])
        if found is None:
            return self.not_found()
        upload, content = found
        call.object_id = upload.id
        return _ranged(call.request, content, upload.content_type)


def _ranged(request: web.Request, content: bytes, content_type: str) -> Answer:
    headers = {"Accept-Ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if wanted is None or wanted.groups() == ("", ""):
        return Answer(200, content, headers, content_type, file=True)
    size = len(content)
    first, last = wanted.groups()
    if first:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
    else:  # the last so many bytes
        start, end = max(0, size - int(last)), size - 1
    if start > end:
        return Answer(416, b"", {"Content-Range": f"bytes */{size}"}, content_type)
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Answer(206, content[start : end + 1], headers, content_type, file=True)
