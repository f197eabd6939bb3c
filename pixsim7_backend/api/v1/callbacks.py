"""Callbacks from providers. Public: the signature over the body is what counts."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from pixsim7_backend.api.dependencies import ServicesDep
from pixsim7_backend.api.errors import problems
from pixsim7_backend.services.job.webhook_receiver import CallbackRefused

router = APIRouter(prefix="/callbacks", tags=["callbacks"])


@router.post(
    "/{provider_id}/{account_id}",
    name="receive",
    response_class=PlainTextResponse,
    responses=problems(CallbackRefused),
)
async def receive_callback(
    provider_id: str, account_id: UUID, request: Request, services: ServicesDep
) -> PlainTextResponse:
    """For vendors: the address to enter as an account's webhook."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = await request.body()
    return PlainTextResponse(
        await services.callbacks.receive(provider_id, account_id, headers, body)
    )
