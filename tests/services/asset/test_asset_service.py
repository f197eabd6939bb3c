"""The library: what comes in, what is found, what goes."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pixsim7_backend.domain import Asset, JobStatus, MediaType, SubmissionState, SyncStatus, User
from pixsim7_backend.domain.asset import AssetNotFound, AssetNotReady, NotMedia
from pixsim7_backend.domain.job import JobStateConflict
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.infrastructure.storage.errors import BlobTooLarge
from pixsim7_backend.services.asset.asset_bulk import BulkOutcome, Selection
from pixsim7_backend.services.asset.asset_service import MAX_RELATIVES
from pixsim7_backend.shared.errors import InvalidInput
from tests.services.asset.support import in_chunks, mp4, png
from tests.services.conftest import Lab


async def stored_files(lab: Lab) -> int:
    media = lab.container.settings.data_dir / "media" / "blobs"
    return sum(path.is_file() for path in media.rglob("*"))


async def upload(lab: Lab, user: User, content: bytes, **values: object) -> Asset:
    return await lab.services.assets.upload(user, in_chunks(content), **values)  # type: ignore[arg-type]


# --- generated ---


async def test_a_submission_makes_its_asset_once(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.completed(await lab.make.job(user, name="Opening"))
    submission = await lab.submission(job)
    again = await asyncio.gather(
        *(lab.services.assets.create_from_submission(submission, job) for _ in range(3))
    )
    assert {asset.id for asset in again} == {job.asset_id}
    asset = again[0]
    assert (asset.name, asset.origin, asset.sync_status) == (
        "Opening",
        "generated",
        SyncStatus.REMOTE,
    )
    assert asset.prompt == "sunset over mountains"
    assert asset.recipe["params"]["seed"] == submission.request["params"]["seed"]
    assert await lab.services.assets.get_user_asset_count(user.id) == 1
    assert (await lab.services.users.get_usage(user.id))[0].assets_created == 1


async def test_the_providers_own_id_is_never_filed_twice(lab: Lab) -> None:
    """Twice for one person, that is: another person's copy is their own."""
    user, other = await lab.make.user(), await lab.make.user()
    await lab.make.pixverse_account()
    first = await lab.video(user)
    for owner, expected in ((user, 1), (other, 1)):
        job = await lab.completed(await lab.make.job(owner))
        await lab.sql("DELETE FROM assets WHERE job_id = :id", id=job.id)
        await lab.sql("UPDATE users SET asset_count = :n WHERE id = :id",
                      n=expected - (owner is other), id=owner.id)  # fmt: skip
        await lab.sql(
            "UPDATE provider_submissions SET outputs = (SELECT outputs FROM provider_submissions"
            " WHERE id = :first) WHERE job_id = :id",
            first=first.submission_id,
            id=job.id,
        )
        submission = await lab.submission(job)
        asset = await lab.services.assets.create_from_submission(submission, job)
        assert (asset.id == first.id) is (owner is user)
        assert asset.user_id == owner.id
        assert await lab.services.assets.get_user_asset_count(owner.id) == expected
        if owner is user:
            assert (await lab.submission(job)).state is SubmissionState.FETCHED


async def test_equal_bytes_are_stored_once_and_named_as_twins(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    first = await lab.video(user)
    before = await stored_files(lab)
    url = first.remote_url
    job = await lab.completed(await lab.make.job(user))
    assert job.asset_id is not None
    await lab.sql("UPDATE assets SET remote_url = :url WHERE id = :id", url=url, id=job.asset_id)
    await lab.services.ingest.ingest(job.asset_id)
    twin = await lab.asset(job.asset_id, user)
    assert (twin.sha256, twin.duplicate_of_id) == (first.sha256, first.id)
    assert await stored_files(lab) == before


# --- uploads ---


@pytest.mark.parametrize("kind", [MediaType.IMAGE, MediaType.VIDEO])
async def test_an_upload_is_known_for_what_it_is(lab: Lab, kind: MediaType) -> None:
    user = await lab.make.user()
    content = png() if kind is MediaType.IMAGE else mp4()
    asset = await upload(lab, user, content, filename="holiday.bin", tags=[" Sea ", "sea"])
    assert (asset.media_type, asset.width, asset.height) == (kind, 320, 180)
    assert (asset.sync_status, asset.size_bytes) == (SyncStatus.DOWNLOADED, len(content))
    assert (asset.name, asset.tags, asset.origin) == ("holiday.bin", ["sea"], "uploaded")
    assert await lab.services.assets.get_user_storage_used(user.id) == len(content)
    await lab.services.ingest.derive(asset.id)
    details = await lab.services.assets.get_details(asset.id, user)
    assert details.asset.thumbhash
    assert {"poster", "thumb_240"} <= set(details.files)


async def test_the_same_bytes_again_are_the_asset_that_is_there(lab: Lab) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    made = await asyncio.gather(*(upload(lab, user, png()) for _ in range(5)))
    assert len({asset.id for asset in made}) == 1
    assert await lab.services.assets.get_user_storage_used(user.id) == len(png())
    foreign = await upload(lab, other, png())
    assert (foreign.id != made[0].id, foreign.duplicate_of_id) == (True, None)


@pytest.mark.parametrize(
    "content", [b"", b"<html>hello</html>", png()[:40], mp4()[: len(mp4()) // 2]]
)
async def test_what_is_no_media_is_refused_and_leaves_nothing(lab: Lab, content: bytes) -> None:
    user = await lab.make.user()
    with pytest.raises(NotMedia) as raised:
        await upload(lab, user, content)
    assert raised.value.fields[0].field == "file"
    assert await stored_files(lab) == 0
    assert await lab.services.assets.get_user_storage_used(user.id) == 0


async def test_a_file_too_large_is_refused(lab: Lab) -> None:
    user = await lab.make.user()
    lab.services.assets._max_upload_bytes = 1000
    with pytest.raises(BlobTooLarge):
        await upload(lab, user, mp4())
    assert await stored_files(lab) == 0


@pytest.mark.parametrize("quota", [{"max_storage_bytes": 100}, {"max_assets": 0}])
async def test_a_quota_stops_an_upload_and_its_bytes_are_cleaned(
    lab: Lab, quota: dict[str, Any]
) -> None:
    user = await lab.make.user(**quota)
    with pytest.raises(QuotaExceeded):
        await upload(lab, user, png())
    assert await lab.services.blobs.collect_garbage(older_than=timedelta(0)) == 1
    assert await stored_files(lab) == 0


async def test_parallel_uploads_never_exceed_the_quota(lab: Lab) -> None:
    user = await lab.make.user(max_assets=3)
    colours = ["red", "green", "blue", "white", "black", "teal"]
    outcomes = await asyncio.gather(
        *(upload(lab, user, png(colour)) for colour in colours), return_exceptions=True
    )
    assert sum(isinstance(item, QuotaExceeded) for item in outcomes) == 3
    assert await lab.services.assets.get_user_asset_count(user.id) == 3


# --- finding and changing ---


async def test_tags_favourites_search_and_filters(lab: Lab) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    await lab.make.pixverse_account()
    assets = lab.services.assets
    film = await lab.video(user, params={"prompt": "a red fox in snow", "quality": "360p"})
    image = await upload(lab, user, png(), filename="beach.png", tags=["summer"])
    foreign = await upload(lab, other, png("red"), tags=["summer"])

    async def found(**filters: object) -> set[object]:
        return {item.id for item in (await assets.list_assets(user, **filters)).items}  # type: ignore[arg-type]

    assert await found() == {film.id, image.id}
    assert await found(media_type=MediaType.IMAGE) == {image.id}
    assert await found(sync_status=SyncStatus.DOWNLOADED) == {film.id, image.id}
    assert await found(query="fox snow") == {film.id}
    assert await found(query="beach") == {image.id}
    assert await found(query="'; DROP TABLE assets; --") == set()
    assert await found(tag=["summer"]) == {image.id}
    assert await found(origin="uploaded") == {image.id}
    await assets.update_asset(film.id, user, {"is_favourite": True, "tags": ["Fox", "fox ", ""]})
    assert await found(is_favourite=True) == {film.id}
    assert (await lab.asset(film.id, user)).tags == ["fox"]
    change_many = lab.services.bulk.change_many
    both = Selection([film.id, image.id])
    assert await change_many(both, user, "tag", ["both"]) == BulkOutcome(2, 2)
    assert await found(tag=["both"]) == {film.id, image.id}
    with pytest.raises(AssetNotFound):
        await change_many(Selection([film.id, foreign.id]), user, "favourite", value=False)
    assert (await lab.asset(film.id, user)).is_favourite, "all or none"
    with pytest.raises(InvalidInput):
        await assets.update_asset(film.id, user, {"tags": [f"t{n}" for n in range(51)]})


async def test_the_library_is_paged_newest_first(lab: Lab) -> None:
    user = await lab.make.user()
    made = [await upload(lab, user, png(colour)) for colour in ("red", "green", "blue")]
    page = await lab.services.assets.list_assets(user, limit=2)
    rest = await lab.services.assets.list_assets(user, limit=2, cursor=page.next_cursor)
    assert [item.id for item in (*page.items, *rest.items)] == [item.id for item in reversed(made)]
    assert rest.next_cursor is None
    with pytest.raises(InvalidInput):
        await lab.services.assets.list_assets(user, cursor="not-a-cursor")


async def test_lineage_goes_up_and_down(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await upload(lab, user, png())
    params = {"prompt": "move", "quality": "360p", "image": str(image.id)}
    film = await lab.video(user, operation_type="image_to_video", params=params)
    params = {"prompt": "more", "quality": "360p", "video": str(film.id)}
    longer = await lab.video(user, operation_type="video_extend", params=params)
    for asset in (image, film, longer):
        lineage = await lab.services.assets.get_lineage(asset.id, user)
        assert {item.id for item in lineage.assets} == {image.id, film.id, longer.id}
        assert {(link.parent_id, link.child_id) for link in lineage.links} == {
            (image.id, film.id),
            (film.id, longer.id),
        }


async def test_lineage_is_bounded_and_begins_with_what_is_nearest(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.services.seed.fill(user, 2 * MAX_RELATIVES + 1, originals=1)
    ids = [row[0] for row in await lab.sql("SELECT id FROM assets ORDER BY id")]
    source, children, grandchildren = ids[0], ids[1 : MAX_RELATIVES + 1], ids[MAX_RELATIVES + 1 :]
    for child, grandchild in zip(children, grandchildren, strict=True):
        for parent_id, child_id in ((source, child), (child, grandchild)):
            await lab.sql(
                "INSERT INTO asset_links (parent_id, child_id, role) VALUES (:p, :c, 'image')",
                p=parent_id,
                c=child_id,
            )
    lineage = await lab.services.assets.get_lineage(source, user)
    assert {link.child_id for link in lineage.links} == set(children)
    assert len(lineage.assets) == 1 + MAX_RELATIVES


async def test_a_result_deleted_before_it_was_home_does_not_stop_a_retry(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    submission = await lab.sent(job)
    await lab.services.jobs.cancel_job(job.id, user)
    await lab.polled()
    (late,) = (await lab.services.assets.list_assets(user, include_after_cancel=True)).items
    with pytest.raises(JobStateConflict, match="on its way"):
        await lab.services.jobs.retry_job(job.id, user)
    await lab.services.assets.delete_asset(late.id, user)
    assert (await lab.submission(job)).state is SubmissionState.RESULT_LOST
    await lab.services.ingest.ingest(late.id)
    await lab.services.jobs.retry_job(job.id, user)
    assert (await lab.completed(job)).status is JobStatus.COMPLETED
    assert (await lab.submission(job)).id != submission.id


async def test_another_persons_asset_is_as_unknown_as_none(lab: Lab) -> None:
    owner, other = await lab.make.user(), await lab.make.user()
    asset = await upload(lab, owner, png())
    assets = lab.services.assets
    for call in (
        assets.get_asset_for_user(asset.id, other),
        assets.get_details(asset.id, other),
        assets.get_lineage(asset.id, other),
        assets.update_asset(asset.id, other, {"name": "mine"}),
        assets.delete_asset(asset.id, other),
        assets.refetch(asset.id, other),
    ):
        with pytest.raises(AssetNotFound):
            await call
    with pytest.raises(AssetNotReady):
        await assets.refetch(asset.id, owner)


async def test_deleting_frees_storage_and_cleaning_keeps_what_others_need(lab: Lab) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    mine, shared = await upload(lab, user, png("red")), await upload(lab, user, png())
    await upload(lab, other, png())
    await lab.services.ingest.derive(mine.id)
    await lab.services.bulk.change_many(Selection([mine.id, shared.id]), user, "delete")
    assert await lab.services.assets.get_user_storage_used(user.id) == 0
    assert await lab.services.assets.get_user_asset_count(user.id) == 0
    assert await lab.services.blobs.collect_garbage() == 0, "not before a day has passed"
    await lab.services.blobs.collect_garbage(older_than=timedelta(0))
    assert await stored_files(lab) == 1
    assert await lab.scalar("SELECT sha256 FROM blobs") == shared.sha256
    # The same bytes may come again right after.
    again = await upload(lab, user, png("red"))
    assert again.sha256 == mine.sha256
    assert await stored_files(lab) == 2
