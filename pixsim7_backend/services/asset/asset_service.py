"""The library: what is in it, whose it is, and how it got there."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.asset import (
    Asset,
    AssetFile,
    AssetLink,
    AssetNotFound,
    AssetNotReady,
    NotMedia,
    clean_tags,
)
from pixsim7_backend.domain.job import Job
from pixsim7_backend.domain.submission import ProviderSubmission
from pixsim7_backend.domain.upload import UploadHashMismatch
from pixsim7_backend.domain.user import QuotaExceeded, User
from pixsim7_backend.domain.vocabulary import MediaType, SubmissionState, SyncStatus
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.asset import (
    AssetFilter,
    AssetRepository,
)
from pixsim7_backend.infrastructure.database.repositories.asset_gallery import GalleryRepository
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.infrastructure.media.model import MediaInfo, MediaRejected
from pixsim7_backend.infrastructure.media.runner import MediaTools
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.errors import BlobTooLarge
from pixsim7_backend.infrastructure.storage.layout import StoredBlob
from pixsim7_backend.services.asset.asset_bulk import Action, change_locked
from pixsim7_backend.services.asset.blob_keeper import BlobKeeper
from pixsim7_backend.services.provider.registry import ProviderRegistry, media_values
from pixsim7_backend.services.provider.submission_sender import output_from_json
from pixsim7_backend.services.user.user_service import GIB, UserService
from pixsim7_backend.services.user.workspace_service import require_workspace
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput
from pixsim7_backend.shared.pagination import Page, decode_cursor, page_of

MAX_RELATIVES = 50


@dataclass(frozen=True, slots=True)
class AssetDetails:
    """An asset with its derivatives."""

    asset: Asset
    files: Mapping[str, AssetFile]


@dataclass(frozen=True, slots=True)
class Lineage:
    """An asset's ancestors and descendants with the links between them."""

    assets: Sequence[Asset]
    links: Sequence[AssetLink]


@dataclass(frozen=True, slots=True)
class Relatives:
    """Other assets of the person beside one: of the same job, and with the same bytes."""

    versions: Sequence[Asset]
    duplicates: Sequence[Asset]


class AssetService:
    """Rules of assets. Bytes are written before the row that implies them, and removed after."""

    def __init__(
        self,
        database: Database,
        users: UserService,
        registry: ProviderRegistry,
        store: BlobStore,
        blobs: BlobKeeper,
        tools: MediaTools,
        max_upload_bytes: int,
    ) -> None:
        self._db = database
        self._users = users
        self._registry = registry
        self._store = store
        self._blobs = blobs
        self._tools = tools
        self._max_upload_bytes = max_upload_bytes

    # --- generated ---

    async def create_from_submission(self, submission: ProviderSubmission, job: Job) -> Asset:
        """The asset of a completed submission; the only way to create a generated one.

        Its bytes follow by themselves (`ingest`). Called twice, or for an output that the library
        has already by the provider's own id, it returns the asset that is there.
        """
        async with self._db.transaction() as tx:
            assets = AssetRepository(tx.session)
            existing = await assets.find_of_submission(submission.id)
            if existing:
                return existing[0]
            if submission.outputs is None:
                # The caller's copy may be from before the result was known.
                fresh = await SubmissionRepository(tx.session).find(submission.id)
                submission = fresh or submission
            outputs = [output_from_json(data) for data in submission.outputs or ()]
            if not outputs:
                raise InvalidInput("The submission has no result.")
            created = []
            for number, output in enumerate(outputs):
                known = await assets.find_by_provider_asset(
                    job.user_id, submission.provider_id, output.provider_asset_id
                )
                if known is not None:
                    created.append(known)
                    continue
                asset = self._generated(submission, job, number)
                asset.media_type = output.media_type
                asset.remote_url = output.url
                asset.remote_expires_at = output.expires_at or submission.result_expires_at
                asset.provider_asset_id = output.provider_asset_id
                asset.width, asset.height = output.width, output.height
                asset.duration_s = output.duration_s
                created.append(await self._add_generated(tx, asset, submission))
            if all(asset.sync_status is SyncStatus.DOWNLOADED for asset in created):
                # The library had all of it already: nothing has to come home.
                await SubmissionRepository(tx.session).move(
                    submission.id, SubmissionState.FETCHED, state_deadline_at=None
                )
            return created[0]

    def _generated(self, submission: ProviderSubmission, job: Job, output_no: int) -> Asset:
        params = submission.request["params"]
        return Asset(
            user_id=job.user_id,
            workspace_id=job.workspace_id,
            job_id=job.id,
            submission_id=submission.id,
            output_no=output_no,
            account_id=submission.account_id,
            provider_id=submission.provider_id,
            operation_type=submission.operation_type,
            origin="generated",
            sync_status=SyncStatus.REMOTE,
            fetch_after=datetime.now(UTC) + timedelta(seconds=30),
            name=job.name,
            prompt=str(params.get("prompt", "")),
            model=_short(params.get("model")),
            recipe={
                "provider_id": submission.provider_id,
                "operation_type": submission.operation_type.value,
                "params": params,
            },
            is_after_cancel=job.cancel_requested_at is not None,
        )

    async def _add_generated(
        self, tx: Transaction, asset: Asset, submission: ProviderSubmission
    ) -> Asset:
        assets = AssetRepository(tx.session)
        asset = await assets.add(asset)
        parents = await self._parents(tx, submission)
        await assets.link(asset.id, parents)
        await UserRepository(tx.session).take_storage(asset.user_id, 0, 1, enforce=False)
        await self._users.record_daily_usage(asset.user_id, assets_created=1)
        self._publish(tx, "asset:created", asset, {"origin": "generated"})
        tx.enqueue("ingest", str(asset.id), priority=_urgency(asset))
        return asset

    async def _parents(
        self, tx: Transaction, submission: ProviderSubmission
    ) -> list[tuple[UUID, str]]:
        spec = self._registry.operation(submission.provider_id, submission.operation_type)
        params = spec.params_model.model_validate(submission.request["params"])
        named = [(_as_uuid(value), name) for name, _, value in media_values(params)]
        wanted = {asset_id: role for asset_id, role in named if asset_id is not None}
        if not wanted:
            return []
        found = await AssetRepository(tx.session).find_many(list(wanted), submission.user_id)
        return [(asset.id, wanted[asset.id]) for asset in found]

    # --- bytes ---

    async def mark_downloading(self, asset_id: UUID, lease: timedelta | None = None) -> Asset:
        """Its bytes are on the way. Raises `AssetNotReady` when somebody else fetches them."""
        async with self._db.transaction() as tx:
            assets = AssetRepository(tx.session)
            asset = await assets.claim_fetch(asset_id, lease or timedelta(minutes=10))
            if asset is None:
                raise AssetNotReady("The asset is not waiting to be fetched.")
            self._publish(tx, "asset:downloading", asset, {})
            return asset

    async def mark_downloaded(
        self, asset_id: UUID, path: str, size: int, sha256: str, info: MediaInfo | None = None
    ) -> Asset:
        """Its bytes are durable at `path` in the store: T7.

        An older asset of the same person with the same bytes is named as its twin.
        """
        if not path.endswith(sha256):
            raise ValueError("the path is not the content's address")
        async with self._db.transaction() as tx:
            assets = AssetRepository(tx.session)
            before = await assets.find(asset_id)
            if before is None:
                raise AssetNotFound("There is no such asset.")
            await assets.add_blobs({sha256: size})
            twin = await assets.find_by_content(before.user_id, sha256, other_than=asset_id)
            asset = await assets.move(
                asset_id,
                SyncStatus.DOWNLOADED,
                sha256=sha256,
                size_bytes=size,
                duplicate_of_id=None if twin is None else twin.id,
                downloaded_at=datetime.now(UTC),
                fetch_after=None,
                sync_error=None,
                **_facts(info),
            )
            if asset is None:
                raise AssetNotReady("The asset is not being fetched.")
            # Late, because whatever else ends for this person waits for the row from here on.
            await UserRepository(tx.session).take_storage(asset.user_id, size, 0, enforce=False)
            await self._users.record_daily_usage(asset.user_id, storage_bytes_added=size)
            data = {"size_bytes": size, "sha256": sha256}
            self._publish(tx, "asset:downloaded", asset, data)
            tx.enqueue("derive", str(asset.id))
            return asset

    async def upload(
        self,
        user: User,
        chunks: AsyncIterator[bytes],
        *,
        filename: str | None = None,
        workspace_id: UUID | None = None,
        tags: Collection[str] = (),
        sha256: str | None = None,
    ) -> Asset:
        """Take a picture or film from a person. The same bytes again return the asset that is
        there. Raises `NotMedia`, `QuotaExceeded`, `BlobTooLarge`, or `UploadHashMismatch` when
        the bytes are not those of `sha256`; nothing is left behind then.
        """
        await self.check_upload(user, workspace_id)
        async with self._store.stage(max_bytes=self._max_upload_bytes) as staged:
            async for chunk in chunks:
                await staged.write(chunk)
            await staged.flush()
            if staged.size_bytes == 0:
                raise NotMedia("The file is empty.", fields=[FieldProblem("file", "is empty")])
            if sha256 is not None and staged.sha256 != sha256:
                problem = FieldProblem("sha256", "is not that of the bytes")
                raise UploadHashMismatch("The bytes are others than promised.", fields=[problem])
            try:
                info = await self._tools.probe(staged.path)
            except MediaRejected as error:
                problem = FieldProblem("file", error.reason, "mp4, mov, webm, png, jpeg, webp, gif")
                raise NotMedia(error.detail, fields=[problem]) from error
            blob = await self._blobs.keep(staged)
        asset = await self._file_upload(user, blob, info, filename, workspace_id, tags)
        return await self._wanted_again(asset, user)

    async def check_upload(
        self, user: User, workspace_id: UUID | None, size_bytes: int = 0
    ) -> None:
        """Raise what can be known before the bytes are here; it is decided when they are."""
        if size_bytes > self._max_upload_bytes:
            allowed = f"at most {self._max_upload_bytes}"
            problem = FieldProblem("size_bytes", "is too large", allowed)
            raise BlobTooLarge(f"An upload has {allowed} bytes.", fields=[problem])
        async with self._db.transaction() as tx:
            await require_workspace(tx, workspace_id, user.id)
        await self._users.check_storage_available(user, size_bytes / GIB)
        await self._store.check()

    async def find_content(self, user: User, sha256: str) -> Asset | None:
        """The person's asset with these bytes, as if they had been brought again."""
        async with self._db.transaction() as tx:
            asset = await AssetRepository(tx.session).find_by_content(user.id, sha256)
        return None if asset is None else await self._wanted_again(asset, user)

    async def _wanted_again(self, asset: Asset, user: User) -> Asset:
        """Whoever brings it again wants it out of the trash."""
        return asset if asset.trashed_at is None else await self.restore_asset(asset.id, user)

    async def _file_upload(
        self,
        user: User,
        blob: StoredBlob,
        info: MediaInfo,
        filename: str | None,
        workspace_id: UUID | None,
        tags: Collection[str],
    ) -> Asset:
        async with self._db.transaction() as tx:
            users, assets = UserRepository(tx.session), AssetRepository(tx.session)
            # The person's row serialises two uploads of the same bytes.
            await users.lock(user.id)
            twin = await assets.find_by_content(user.id, blob.sha256)
            if twin is not None:
                return twin
            if not await users.take_storage(user.id, blob.size_bytes, 1, enforce=True):
                raise QuotaExceeded("Your storage or asset quota is used up.")
            asset = await assets.add(
                Asset(
                    user_id=user.id,
                    workspace_id=workspace_id,
                    origin="uploaded",
                    sync_status=SyncStatus.DOWNLOADED,
                    sha256=blob.sha256,
                    size_bytes=blob.size_bytes,
                    downloaded_at=datetime.now(UTC),
                    name=None if filename is None else filename[:200],
                    recipe={},
                    tags=clean_tags(tags),
                    **_facts(info),
                )
            )
            await self._users.record_daily_usage(
                user.id, assets_created=1, storage_bytes_added=blob.size_bytes
            )
            self._publish(tx, "asset:created", asset, {"origin": "uploaded"})
            tx.enqueue("derive", str(asset.id))
            return asset

    # --- look ---

    async def get_asset_for_user(self, asset_id: UUID, user: User) -> Asset:
        """One's own asset; another's is as unknown as none (`AssetNotFound`)."""
        async with self._db.transaction() as tx:
            return await self._own(tx, asset_id, user)

    async def get_details(self, asset_id: UUID, user: User) -> AssetDetails:
        """An asset with its poster, thumbnails and preview."""
        async with self._db.transaction() as tx:
            asset = await self._own(tx, asset_id, user)
            return AssetDetails(asset, await AssetRepository(tx.session).files(asset_id))

    async def list_assets(
        self,
        user: User,
        media_type: MediaType | None = None,
        sync_status: SyncStatus | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
        **filters: Any,
    ) -> Page[Asset]:
        """One's own assets, newest first; `filters` are the fields of `AssetFilter`."""
        wanted = AssetFilter(media_type=media_type, sync_status=sync_status, **filters)
        async with self._db.transaction() as tx:
            rows = await AssetRepository(tx.session).list_for(
                user.id, wanted, decode_cursor(cursor), limit + 1
            )
        return page_of(rows, limit, lambda asset: asset.id)

    async def get_relatives(self, asset: Asset) -> Relatives:
        """What the library has of the same making and of the same bytes."""
        async with self._db.transaction() as tx:
            assets = AssetRepository(tx.session)
            return Relatives(
                versions=await assets.list_beside(asset, Asset.job_id, MAX_RELATIVES),
                duplicates=await assets.list_beside(asset, Asset.sha256, MAX_RELATIVES),
            )

    async def get_lineage(self, asset_id: UUID, user: User) -> Lineage:
        """What an asset was made from and what was made from it, the nearest `MAX_RELATIVES` of
        each."""
        async with self._db.transaction() as tx:
            await self._own(tx, asset_id, user)
            assets = AssetRepository(tx.session)
            links = await assets.lineage(asset_id, MAX_RELATIVES)
            ids = {asset_id} | {row.child_id for row in links} | {row.parent_id for row in links}
            # Inputs are always one's own, so this hides nothing; it is the check all the same.
            found = await assets.find_many(ids, user.id)
        shown = {row.id: row for row in found if row.trashed_at is None or row.id == asset_id}
        return Lineage(
            list(shown.values()),
            [row for row in links if row.child_id in shown and row.parent_id in shown],
        )

    async def get_user_asset_count(self, user_id: UUID) -> int:
        user = await self._users.get_user(user_id)
        return user.asset_count

    async def get_user_storage_used(self, user_id: UUID) -> int:
        """Bytes."""
        user = await self._users.get_user(user_id)
        return user.storage_used_bytes

    # --- change ---

    async def update_asset(self, asset_id: UUID, user: User, changes: Mapping[str, Any]) -> Asset:
        """Name, tags, favourite, rating, workspace."""
        values = dict(changes)
        if "tags" in values:
            values["tags"] = clean_tags(values["tags"])
        async with self._db.transaction() as tx:
            await self._own(tx, asset_id, user)
            await require_workspace(tx, values.get("workspace_id"), user.id)
            asset = await AssetRepository(tx.session).update(asset_id, **values)
            if asset is None:
                raise AssetNotFound("There is no such asset.")
            self._publish(tx, "asset:updated", asset, {"changed": sorted(changes)})
            return asset

    async def refetch(self, asset_id: UUID, user: User) -> Asset:
        """Try again to bring home an asset whose fetch failed."""
        async with self._db.transaction() as tx:
            await self._own(tx, asset_id, user)
            asset = await AssetRepository(tx.session).move(
                asset_id,
                SyncStatus.REMOTE,
                only_from=[SyncStatus.ERROR],
                fetch_attempts=0,
                fetch_after=datetime.now(UTC) + timedelta(seconds=30),
            )
            if asset is None:
                raise AssetNotReady("Only a failed fetch can be tried again.")
            tx.enqueue("ingest", str(asset_id))
            return asset

    async def trash_asset(self, asset_id: UUID, user: User) -> Asset:
        """Move to the trash, where it stays for `TRASH_KEPT`; again changes nothing.

        Raises `AssetNotReady` while an unfinished job uses it as its input.
        """
        return await self._change(asset_id, user, "trash", "asset:trashed")

    async def restore_asset(self, asset_id: UUID, user: User) -> Asset:
        """Take out of the trash; again changes nothing."""
        return await self._change(asset_id, user, "restore", "asset:restored")

    async def delete_asset(self, asset_id: UUID, user: User) -> None:
        """Delete for good, from wherever it is. Its bytes go when nothing else needs them.

        Raises `AssetNotReady` while an unfinished job uses it as its input.
        """
        await self._change(asset_id, user, "delete", "asset:deleted")

    async def _change(self, asset_id: UUID, user: User, action: Action, event: str) -> Asset:
        async with self._db.transaction() as tx:
            await GalleryRepository(tx.session).lock([asset_id], user.id)
            asset = await self._own(tx, asset_id, user)
            changed, in_use = await change_locked(tx, user.id, [asset_id], action)
            if in_use:
                raise AssetNotReady("A job that has not ended uses this asset as its input.")
            if action != "delete":
                asset = await self._own(tx, asset_id, user)
            if changed:
                self._publish(tx, event, asset, {})
            return asset

    # --- as input ---

    async def check_input(
        self, user: User, reference: str, kinds: Sequence[MediaType]
    ) -> Asset | None:
        """The asset that a job of this person may use, or None for an https URL.

        Raises `ValueError` with a sentence; somebody else's asset is as unknown as none.
        """
        if reference.startswith("https://"):
            return None
        asset_id = _as_uuid(reference)
        # One spelling: `list_in_use` has to find it again in what the job keeps.
        if asset_id is None or str(asset_id) != reference.lower():
            raise ValueError("must be the id of an asset or an https URL")
        async with self._db.transaction() as tx:
            asset = await AssetRepository(tx.session).find(asset_id)
        if asset is None or asset.user_id != user.id:
            raise ValueError("is not one of your assets")
        if asset.trashed_at is not None:
            raise ValueError("is in the trash; restore it first")
        if asset.media_type not in kinds:
            allowed = " or ".join(kind.value for kind in kinds)
            raise ValueError(f"must be {allowed}; this asset is {asset.media_type.value}")
        if asset.sync_status is SyncStatus.ERROR:
            raise ValueError("could not be fetched from its provider; fetch it again first")
        return asset

    async def hold_inputs(self, tx: Transaction, user_id: UUID, asset_ids: Set[UUID]) -> Set[UUID]:
        """Those of them that can be used; to the end of the caller's transaction nobody moves
        them to the trash or deletes them. Jobs are locked before, the person after."""
        return await GalleryRepository(tx.session).hold(list(asset_ids), user_id)

    async def _own(self, tx: Transaction, asset_id: UUID, user: User) -> Asset:
        asset = await AssetRepository(tx.session).find(asset_id)
        if asset is None or asset.user_id != user.id:
            raise AssetNotFound("There is no such asset.")
        return asset

    def _publish(self, tx: Transaction, type: str, asset: Asset, data: Mapping[str, Any]) -> None:
        tx.publish(
            type,
            user_id=asset.user_id,
            job_id=asset.job_id,
            asset_id=asset.id,
            data={
                "media_type": asset.media_type.value,
                "sync_status": asset.sync_status.value,
                **data,
            },
        )


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _urgency(asset: Asset) -> int:
    """Results that die soon are fetched first."""
    if asset.remote_expires_at is None:
        return 0
    left = (asset.remote_expires_at - datetime.now(UTC)).total_seconds()
    return max(0, 100 - int(left // 60))


def _facts(info: MediaInfo | None) -> dict[str, Any]:
    if info is None:
        return {}
    return {
        "media_type": info.media_type,
        "mime_type": info.mime,
        "width": info.width,
        "height": info.height,
        "duration_s": info.duration_s,
        "fps": info.fps,
        "has_audio": info.has_audio,
    }


def _short(model: str | None) -> str | None:
    """A provider's word of any length must not overflow an index and lose a paid result."""
    return None if model is None else str(model)[:200]
