"""Calls to providers on an account: the opened credential and the guarded way out."""

from collections.abc import Awaitable, Callable, Mapping

from pixsim7_backend.domain.account import ProviderAccount
from pixsim7_backend.domain.provider import CallContext, ProviderAdapter, SubmitContext
from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.http_policy import Purpose, origin_of
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.provider.registry import ProviderRegistry


class ProviderCalls:
    """Makes the contexts that adapters work in. Nothing else opens a credential."""

    def __init__(
        self, registry: ProviderRegistry, accounts: AccountService, gateway: HttpGateway
    ) -> None:
        self._registry = registry
        self._accounts = accounts
        self._gateway = gateway

    def adapter(self, account: ProviderAccount) -> ProviderAdapter:
        return self._registry.adapter(account.provider_id)

    def base_url(self, account: ProviderAccount) -> str:
        return account.base_url or self.adapter(account).manifest.default_base_url or ""

    def _origins(self, account: ProviderAccount) -> frozenset[str]:
        base_url = self.base_url(account)
        return frozenset({origin_of(base_url)}) if base_url else frozenset()

    def context(self, account: ProviderAccount) -> CallContext:
        """For everything that costs nothing; credentials go to the account's own origin only."""
        return CallContext(
            account_id=str(account.id),
            base_url=self.base_url(account),
            credentials=self._accounts.open_credentials(account),
            http=self._gateway.client(
                allowed_origins=self._origins(account), purpose=Purpose.PROVIDER_API
            ),
        )

    def trial_context(
        self, provider_id: str, base_url: str | None, credentials: Mapping[str, str]
    ) -> CallContext:
        """For a look with credentials that belong to no account yet."""
        url = base_url or self._registry.adapter(provider_id).manifest.default_base_url or ""
        origins = frozenset({origin_of(url)}) if url else frozenset()
        return CallContext(
            account_id="",
            base_url=url,
            credentials=credentials,
            http=self._gateway.client(allowed_origins=origins, purpose=Purpose.PROVIDER_API),
        )

    def download_context(self, account: ProviderAccount) -> CallContext:
        """For fetching a result, which may live on any public host."""
        return CallContext(
            account_id=str(account.id),
            base_url=self.base_url(account),
            credentials=self._accounts.open_credentials(account),
            http=self._gateway.client(
                allowed_origins=self._origins(account), purpose=Purpose.RESULT
            ),
        )

    def submit_context(
        self, account: ProviderAccount, declare_intent: Callable[[], Awaitable[float | None]]
    ) -> SubmitContext:
        """For the paid call."""
        return SubmitContext(
            account_id=str(account.id),
            base_url=self.base_url(account),
            credentials=self._accounts.open_credentials(account),
            http=self._gateway.billable_client(
                allowed_origins=self._origins(account), before_first_byte=declare_intent
            ),
            declare_intent=declare_intent,
        )
