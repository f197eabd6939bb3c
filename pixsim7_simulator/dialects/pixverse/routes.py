"""PixVerse's platform API: envelope, authorisation, and the endpoints that submit and poll."""

import json
import random
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

from aiohttp import web

from pixsim7_simulator import interpret
from pixsim7_simulator.dialects.base import Call, Endpoint, RefusedError, number_in, prompt_of
from pixsim7_simulator.dialects.pixverse import billing, data, rules, uploads
from pixsim7_simulator.dialects.pixverse.callbacks import Callbacks
from pixsim7_simulator.dialects.pixverse.fields import Fields
from pixsim7_simulator.dialects.pixverse.status import OUTCOMES, shown_status
from pixsim7_simulator.generations import Generation, NoCreditsError, Order, Outcome, OverLimitError
from pixsim7_simulator.interpret import Answer, Plan
from pixsim7_simulator.media import MediaSpec, tiny, variant_of
from pixsim7_simulator.world import World

_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")


class PixVerse:
    name = "pixverse"
    prefix = "/pixverse/openapi/v2"

    def __init__(self, world: World) -> None:
        self._world = world
        world.webhooks.register(self.name, Callbacks(world).render)

    def endpoints(self) -> Iterable[Endpoint]:
        submits: list[tuple[str, str, rules.Rule]] = [
            ("video.text", "/video/text/generate", rules.text_to_video),
            ("video.image", "/video/img/generate", rules.image_to_video),
            ("video.transition", "/video/transition/generate", rules.transition),
            ("video.multi_transition", "/video/multi_transition/generate", rules.multi_transition),
            ("video.fusion", "/video/fusion/generate", rules.fusion),
            ("video.extend", "/video/extend/generate", rules.extend),
            ("image.template", "/image/template/generate", rules.image_template),
        ]
        for name, path, rule in submits:
            yield Endpoint(name, "POST", path, partial(self._submit, rule))
        yield Endpoint("upload.image", "POST", "/image/upload", self._upload_image)
        yield Endpoint("upload.media", "POST", "/media/upload", self._upload_media)
        yield Endpoint("video.result", "GET", "/video/result/{id}", self._video_result)
        yield Endpoint("image.result", "GET", "/image/result/{id}", self._image_result)
        yield Endpoint("video.credits", "GET", "/video/credits/{id}", self._video_credits)
        yield Endpoint("account.balance", "GET", "/account/balance", self._balance)
        yield Endpoint("account.usage", "POST", "/account/billing/usage-detail", self._usage)

    def identify(self, request: web.Request) -> tuple[str, str]:
        return request.headers.get("API-KEY", ""), request.headers.get("Ai-trace-id", "")

    def authorise(self, call: Call) -> None:
        account = self._world.accounts.get(call.key)
        if account is None:
            raise RefusedError(10001, "Invalid API-KEY", http=401)
        if account.state != "active":
            raise RefusedError(400012, "Invalid account")
        if not call.trace_id:
            raise RefusedError(400011, "Empty parameter: Ai-trace-id")
        if not _UUID.fullmatch(call.trace_id):
            raise RefusedError(400013, "Invalid binding: Ai-trace-id must be a UUID")
        if call.malformed:
            raise RefusedError(400013, "Invalid binding: the body must be a JSON object")

    def refusal(self, error: RefusedError) -> Answer:
        if error.lower_case:
            body: dict[str, object] = {
                "err_code": error.code,
                "err_msg": error.message,
                "resp": None,
            }
        else:
            body = {"ErrCode": error.code, "ErrMsg": error.message, "Resp": None}
        return Answer(error.http, json.dumps(body).encode(), err_code=error.code)

    def not_found(self) -> Answer:
        return Answer(404, b"404 page not found", content_type="text/plain")

    async def _submit(self, rule: rules.Rule, call: Call) -> Answer:
        plan = interpret.plan(call.actions)
        if (earlier := self._earlier(call)) is not None:
            call.duplicate = True
            if self._world.settings.duplicate_trace == "replay":
                call.object_id = next(iter(earlier.values()))
                return _success(earlier)
            if self._world.settings.duplicate_trace == "hang":
                plan = Plan(never=True)
        job = rule(Fields(call.params), rules.Source(self._world, call.account))
        generation = self._start(call, job, plan)
        call.object_id = generation.id
        answer = {"image_id": generation.id} if job.kind == "image" else {"video_id": generation.id}
        answer["credits"] = job.cost
        self._world.seen_traces[call.key, call.trace_id] = (generation.created_at, answer)
        if plan.webhook is not None and plan.webhook.before_answer:
            self._world.generations.finish(generation)
            await self._world.webhooks.sent(generation)
        return _success(answer)

    def _earlier(self, call: Call) -> dict[str, int] | None:
        """The answer that this key already got for this trace id, inside the window."""
        found = self._world.seen_traces.get((call.key, call.trace_id))
        window = self._world.settings.trace_window_seconds
        if found is None or (window is not None and self._world.clock.now() > found[0] + window):
            return None
        return found[1]

    def _start(self, call: Call, job: rules.Job, plan: Plan) -> Generation:
        settings = self._world.settings
        prompt = prompt_of(call.params)
        seed = call.params.get("seed")
        if not isinstance(seed, int):
            seed = random.randint(0, data.MAX_SEED)
        picture = MediaSpec(
            "image" if job.kind == "image" else "video",
            *job.size,
            float(job.seconds),
            variant_of(prompt, seed),
            job.audio,
        )
        order = Order(
            operation=job.operation,
            endpoint=call.endpoint,
            trace_id=call.trace_id,
            cost=job.cost,
            seconds=job.time
            if settings.generation_seconds is None
            else settings.generation_seconds,
            media=tiny(picture) if settings.media == "tiny" else picture,
            outcome=self._outcome(prompt, plan),
            params=call.params,
            seed=seed,
            origin=self._world.origin(call.request),
        )
        try:
            generation = self._world.generations.submit(call.account, order, plan)
        except OverLimitError:
            raise RefusedError(
                500044, "You have reached the limit of concurrent generations"
            ) from None
        except NoCreditsError:
            raise RefusedError(500090, "Insufficient balance") from None
        if order.outcome is Outcome.DONE and settings.media == "real":
            self._world.media.prefetch(order.media)
        return generation

    def _outcome(self, prompt: str, plan: Plan) -> Outcome:
        if plan.status is not None:
            return OUTCOMES.get(plan.status, Outcome.OTHER)
        if any(word in prompt for word in self._world.settings.filtered_words):
            return Outcome.FILTERED
        if any(word in prompt for word in self._world.settings.failing_words):
            return Outcome.FAILED
        return Outcome.DONE

    async def _video_result(self, call: Call) -> Answer:
        generation = self._owned(call, "video")
        status, url, size = await self._poll(generation)
        params, picture, done = generation.order.params, generation.order.media, bool(url)
        return _success({
            "id": generation.id,
            "status": status,
            "url": url,
            "create_time": _time(generation.created_at),
            "modify_time": _time(generation.finished_at or generation.created_at),
            "prompt": generation.prompt,
            "negative_prompt": params.get("negative_prompt", ""),
            "outputWidth": picture.width if done else 0,
            "outputHeight": picture.height if done else 0,
            "resolution_ratio": min(picture.width, picture.height),
            "seed": generation.order.seed,
            "size": size,
            "style": params.get("style", ""),
            "has_audio": picture.audio,
            "credits": generation.order.cost,
            "customer_paths": {},
        })  # fmt: skip

    async def _image_result(self, call: Call) -> Answer:
        generation = self._owned(call, "image")
        status, url, _ = await self._poll(generation)
        return _success({"image_id": generation.id, "status": status, "url": url})

    async def _video_credits(self, call: Call) -> Answer:
        generation = self._owned(call, "video")
        return _success({"video_id": generation.id, "credit": generation.order.cost})

    async def _poll(self, generation: Generation) -> tuple[int | str, str, int]:
        """Status, link and size as this poll tells them; the first polls may know nothing yet."""
        generation.polls += 1
        plan, settings = generation.plan, self._world.settings
        hidden = settings.first_polls_missing if plan.hidden_polls is None else plan.hidden_polls
        if generation.polls <= hidden:
            raise RefusedError(500008, "Requested data not found")
        status = shown_status(generation)
        real = generation.finished_at is not None and generation.order.outcome is Outcome.DONE
        if status != 1 or not real or generation.polls <= plan.late_url_polls:
            return status, "", 0
        if settings.url_refresh and settings.url_ttl_seconds is not None:
            generation.url_expires_at = self._world.clock.now() + settings.url_ttl_seconds
        return status, plan.url or generation.url, len(await self._world.file(generation))

    def _owned(self, call: Call, kind: str) -> Generation:
        call.object_id = number_in(call.request.match_info["id"])
        if call.object_id is None:
            raise RefusedError(400013, "Invalid binding: the id must be int")
        generation = rules.Source(self._world, call.account).generation(call.object_id)
        if generation.order.media.kind != kind:
            raise RefusedError(500008, "Requested data not found")
        return generation

    async def _upload_image(self, call: Call) -> Answer:
        upload = await uploads.image(call)
        call.object_id, call.digest = upload.id, upload.sha256
        url = f"{self._world.origin(call.request)}/upload/{upload.token}"
        return _success({"img_id": upload.id, "img_url": url})

    async def _upload_media(self, call: Call) -> Answer:
        upload = await uploads.media(call)
        call.object_id, call.digest = upload.id, upload.sha256
        url = f"{self._world.origin(call.request)}/upload/{upload.token}"
        return _success({"media_id": upload.id, "media_type": upload.kind, "url": url})

    async def _balance(self, call: Call) -> Answer:
        account = call.account
        return _success({
            "account_id": account.account_id,
            "credit_monthly": account.monthly,
            "credit_package": account.package,
        })  # fmt: skip

    async def _usage(self, call: Call) -> Answer:
        return _success(billing.usage(Fields(call.params), self._world, call.account))


def _success(content: object) -> Answer:
    body = {"ErrCode": 0, "ErrMsg": "Success", "Resp": content}
    return Answer(body=json.dumps(body).encode(), err_code=0)


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
