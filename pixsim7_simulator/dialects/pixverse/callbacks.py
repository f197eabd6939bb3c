"""PixVerse's webhook: a flat body, signed over timestamp, nonce and the body as a query string."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from pixsim7_simulator.config import WebhookSpec
from pixsim7_simulator.dialects.pixverse.status import final_status
from pixsim7_simulator.generations import Generation, Outcome
from pixsim7_simulator.webhooks import Callback
from pixsim7_simulator.world import World


class Callbacks:
    def __init__(self, world: World) -> None:
        self._world = world

    async def render(self, generation: Generation, hook: WebhookSpec) -> Callback:
        done = generation.order.outcome is Outcome.DONE
        body: dict[str, str | int | bool] = {
            "id": str(generation.id),
            "status": final_status(generation),
            "url": (generation.plan.url or generation.url) if done else "",
            "size": len(await self._world.file(generation)) if done else 0,
            "has_audio": generation.order.media.audio,
            "credits": generation.order.cost,
        }
        timestamp, nonce = str(int(self._world.clock.now())), secrets.token_hex(16)
        headers = {
            "Content-Type": "application/json",
            "Webhook-Timestamp": timestamp,
            "Webhook-Nonce": nonce,
            "Webhook-Signature": sign(hook.secret, timestamp, nonce, body),
            "Ai-Trace-Id": generation.order.trace_id,
        }
        return Callback(hook.url, headers, json.dumps(body).encode(), _acknowledged)


def sign(secret: str, timestamp: str, nonce: str, body: Mapping[str, str | int | bool]) -> str:
    flat = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in body.items()
    }
    message = f"{timestamp}\n{nonce}\n{urlencode(sorted(flat.items()))}"
    return base64.b64encode(hmac.digest(secret.encode(), message.encode(), hashlib.sha256)).decode()


def _acknowledged(status: int, body: bytes) -> bool:
    return status == 200 and body == b"ok"
