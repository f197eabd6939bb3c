"""Callbacks from providers: verified, kept as evidence, and confirmed by a call of our own."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import structlog

from pixsim7_backend.domain.account import AccountNotFound
from pixsim7_backend.domain.provider import Accepted, WebhookRejected
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.job.job_runner import JobRunner
from pixsim7_backend.services.provider.provider_calls import ProviderCalls
from pixsim7_backend.shared.errors import Unauthenticated

log = structlog.get_logger()

SECRET_FIELD = "webhook_secret"  # noqa: S105 - the name of a credential field
ACKNOWLEDGEMENT = "ok"
_REFUSED = "The callback is not accepted."
"""One sentence for every reason: an unknown account is not told from a forged signature."""


class CallbackRefused(Unauthenticated):
    code = "callback_refused"
    title = "The callback is not accepted"


class WebhookReceiver:
    """A callback is a hint: what counts is the status call that it triggers."""

    def __init__(
        self,
        database: Database,
        accounts: AccountService,
        calls: ProviderCalls,
        runner: JobRunner,
    ) -> None:
        self._db = database
        self._accounts = accounts
        self._calls = calls
        self._runner = runner

    async def receive(
        self, provider_id: str, account_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> str:
        """Take a callback; returns what the vendor wants to hear. Raises `CallbackRefused`."""
        try:
            account = await self._accounts.get_account(account_id)
        except AccountNotFound:
            raise CallbackRefused(_REFUSED) from None
        secret = self._accounts.open_credentials(account).get(SECRET_FIELD, "")
        adapter = self._calls.adapter(account)
        if account.provider_id != provider_id or not adapter.manifest.has_webhook or not secret:
            raise CallbackRefused(_REFUSED)
        try:
            notice = adapter.verify_webhook(headers, body, secret, datetime.now(UTC))
        except WebhookRejected as error:
            log.warning("callback_refused", account_id=str(account_id), reason=str(error))
            raise CallbackRefused(_REFUSED) from None
        async with self._db.transaction() as tx:
            submissions = SubmissionRepository(tx.session)
            known = await submissions.find_by_provider_job(
                provider_id, account_id, notice.provider_job_id
            )
            if known is None and notice.submission_key is not None:
                known = await submissions.find_by_key(notice.submission_key)
            if known is None or known.account_id != account_id:
                return ACKNOWLEDGEMENT
            if known.provider_job_id is not None:
                await submissions.poll_now(known.id)
                tx.enqueue("poll")
                return ACKNOWLEDGEMENT
        await self._runner.adopt(known.id, Accepted(notice.provider_job_id), "callback")
        return ACKNOWLEDGEMENT
