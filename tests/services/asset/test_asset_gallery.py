"""The library as a whole: layout, windows, counts, the trash, and many at once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from pixsim7_backend.domain import Asset, AssetSort, MediaType, User
from pixsim7_backend.domain.asset import AssetNotFound, AssetNotReady, SnapshotNotFound
from pixsim7_backend.infrastructure.database.repositories.asset import AssetFilter
from pixsim7_backend.services.asset.asset_bulk import BATCH, BulkOutcome, Selection
from pixsim7_backend.shared.errors import InvalidInput
from tests.services.asset.support import in_chunks, png
from tests.services.conftest import Lab

EVERYTHING = AssetFilter()
TRASH = AssetFilter(is_trashed=True)


async def upload(lab: Lab, user: User, *colours: str, **values: object) -> list[Asset]:
    assets = lab.services.assets
    return [await assets.upload(user, in_chunks(png(one)), **values) for one in colours]  # type: ignore[arg-type]


async def shown(lab: Lab, snapshot_id: UUID, user: User) -> list[UUID | None]:
    window = await lab.services.gallery.get_window(snapshot_id, user, 0, 512)
    return [None if asset is None else asset.id for asset in window.items]


async def used(lab: Lab, user: User) -> tuple[int, int]:
    fresh = await lab.services.users.get_user(user.id)
    return fresh.asset_count, fresh.storage_used_bytes


# --- layout and windows ---


async def test_a_layout_tells_the_shape_of_every_asset_in_order(lab: Lab) -> None:
    user = await lab.make.user()
    sizes = [(320, 180), (180, 320), (200, 200)]
    for number, size in enumerate(sizes):
        await lab.services.assets.upload(
            user, in_chunks(png(("red", "lime", "blue")[number], size))
        )
    layout = await lab.services.gallery.get_layout(user, EVERYTHING)
    ratios = [2 ** ((byte - 128) / 48) for byte in layout.ratios]
    assert layout.total == 3
    assert ratios == pytest.approx([w / h for w, h in reversed(sizes)], rel=0.01)
    assert [count for _, count in layout.days] == [3]
    oldest = await lab.services.gallery.get_layout(user, EVERYTHING, AssetSort.OLDEST)
    assert oldest.ratios == layout.ratios[::-1]
    by_size = await lab.services.gallery.get_layout(user, EVERYTHING, AssetSort.SIZE)
    assert by_size.days == []
    window = await lab.services.gallery.get_window(by_size.snapshot_id, user, 0, 3)
    found = [asset.size_bytes or 0 for asset in window.items if asset is not None]
    assert found == sorted(found, reverse=True)


async def test_before_its_size_is_known_an_asset_has_the_shape_asked_for(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    await lab.completed(await lab.make.job(user))
    for asked, expected in (("9:16", 9 / 16), ("0:1", 16 / 9), ("wide", 16 / 9), ("1:9999", None)):
        await lab.sql(
            "UPDATE assets SET width = NULL, height = NULL,"
            " recipe = jsonb_set(recipe, '{params,aspect_ratio}', to_jsonb(CAST(:asked AS text)))",
            asked=asked,
        )
        byte = (await lab.services.gallery.get_layout(user, EVERYTHING)).ratios[0]
        shape = 2 ** ((byte - 128) / 48)
        assert shape == pytest.approx(expected, rel=0.01) if expected else byte == 0


async def test_days_are_those_of_the_viewer(lab: Lab) -> None:
    user = await lab.make.user()
    late, early = await upload(lab, user, "red", "lime")
    for asset, moment in ((late, "2026-03-01 23:30+00"), (early, "2026-03-02 03:00+00")):
        await lab.sql(
            "UPDATE assets SET created_at = CAST(:m AS text)::timestamptz WHERE id = :id",
            m=moment,
            id=asset.id,
        )

    async def days(zone: str, sort: AssetSort = AssetSort.NEWEST) -> list[tuple[str, int]]:
        layout = await lab.services.gallery.get_layout(user, EVERYTHING, sort, zone)
        return [(day.isoformat(), count) for day, count in layout.days]

    assert await days("UTC") == [("2026-03-02", 1), ("2026-03-01", 1)]
    assert await days("UTC", AssetSort.OLDEST) == [("2026-03-01", 1), ("2026-03-02", 1)]
    assert await days("Europe/Berlin") == [("2026-03-02", 2)]
    assert await days("America/New_York") == [("2026-03-01", 2)]
    with pytest.raises(InvalidInput) as refused:
        await days("Mars/Olympus")
    assert refused.value.fields[0].field == "time_zone"


async def test_a_snapshot_stays_put_while_assets_come_and_go(lab: Lab) -> None:
    user = await lab.make.user()
    first, second, third = await upload(lab, user, "red", "lime", "blue")
    gallery, assets = lab.services.gallery, lab.services.assets
    snapshot = (await gallery.get_layout(user, EVERYTHING)).snapshot_id
    await upload(lab, user, "white")
    await assets.delete_asset(second.id, user)
    assert await shown(lab, snapshot, user) == [third.id, None, first.id]
    await assets.trash_asset(third.id, user)
    assert await shown(lab, snapshot, user) == [None, None, first.id]
    trash = (await gallery.get_layout(user, TRASH)).snapshot_id
    assert await shown(lab, trash, user) == [third.id]
    await assets.restore_asset(third.id, user)
    assert await shown(lab, snapshot, user) == [third.id, None, first.id]
    assert await shown(lab, trash, user) == [None]
    window = await gallery.get_window(snapshot, user, 2, 5)
    assert [asset and asset.id for asset in window.items] == [first.id]
    assert (await gallery.get_window(snapshot, user, 3, 5)).items == []


async def test_a_snapshot_is_ones_own_bounded_in_number_and_in_time(lab: Lab) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    [asset] = await upload(lab, user, "red")
    gallery = lab.services.gallery
    first = (await gallery.get_layout(user, EVERYTHING)).snapshot_id
    bulk = lab.services.bulk
    for call in (
        gallery.get_window(first, other, 0, 1),
        gallery.get_window(uuid4(), user, 0, 1),
        bulk.change_many(Selection(snapshot_id=first), other, "trash"),
        bulk.list_files(Selection(snapshot_id=first), other),
    ):
        with pytest.raises(SnapshotNotFound):
            await call
    layouts = await asyncio.gather(*(gallery.get_layout(user, EVERYTHING) for _ in range(25)))
    assert await lab.scalar("SELECT count(*) FROM asset_snapshots") == 20
    with pytest.raises(SnapshotNotFound):
        await gallery.get_window(first, user, 0, 1)
    newest = max(layout.snapshot_id for layout in layouts)
    assert await shown(lab, newest, user) == [asset.id]
    await lab.sql("UPDATE asset_snapshots SET created_at = now() - interval '25 hours'")
    with pytest.raises(SnapshotNotFound):
        await gallery.get_window(newest, user, 0, 1)
    await gallery.delete_old_snapshots()
    assert await lab.scalar("SELECT count(*) FROM asset_snapshots") == 0


# --- filters and counts ---


async def test_words_phrases_exclusions_tags_and_ratings_filter(lab: Lab) -> None:
    user = await lab.make.user()
    red, lime, blue = await upload(lab, user, "red", "lime", "blue")
    assets = lab.services.assets
    await assets.update_asset(red.id, user, {"name": "old red_barn.png", "tags": ["farm", "wide"]})
    await assets.update_asset(lime.id, user, {"name": "red old fence", "tags": ["farm"]})
    await assets.update_asset(blue.id, user, {"rating": 4})

    async def found(**filters: object) -> set[UUID | None]:
        layout = await lab.services.gallery.get_layout(user, AssetFilter(**filters))  # type: ignore[arg-type]
        listed = await assets.list_assets(user, **filters)  # type: ignore[arg-type]
        rows = await shown(lab, layout.snapshot_id, user)
        assert rows == [asset.id for asset in listed.items], "the list and the layout agree"
        return set(rows)

    assert await found(query="red") == {red.id, lime.id}
    assert await found(query='"old red"') == {red.id}
    assert await found(query="red -barn") == {lime.id}
    assert await found(query="farm") == {red.id, lime.id}
    assert await found(tag=["farm", "wide"]) == {red.id}
    assert await found(rating_min=4) == {blue.id}
    assert await found(rating_min=5) == set()
    assert await found(media_type=MediaType.VIDEO) == set()


async def test_facets_count_without_their_own_filter(lab: Lab) -> None:
    user = await lab.make.user()
    red, lime, blue = await upload(lab, user, "red", "lime", "blue", tags=["all"])
    assets, gallery = lab.services.assets, lab.services.gallery
    workspace = await lab.services.workspaces.create(user, "Mine")
    await assets.update_asset(red.id, user, {"rating": 5, "tags": ["all", "one"]})
    await assets.update_asset(lime.id, user, {"rating": 3, "workspace_id": workspace.id})
    await assets.trash_asset(blue.id, user)
    whole = await gallery.get_facets(user, EVERYTHING)
    assert whole.total == 2
    assert whole.counts["rating"] == {"5": 1, "3": 1}
    assert whole.counts["workspace_id"] == {str(workspace.id): 1}
    assert whole.counts["tag"] == {"all": 2, "one": 1}
    assert whole.counts["is_favourite"] == {"false": 2}
    narrowed = await gallery.get_facets(user, AssetFilter(rating_min=4, origin="uploaded"))
    assert narrowed.total == 1
    assert narrowed.counts["rating"] == {"5": 1, "3": 1}, "the other ratings can still be chosen"
    assert narrowed.counts["media_type"] == {"image": 1}
    assert narrowed.counts["tag"] == {"all": 1, "one": 1}


# --- the trash ---


async def test_the_trash_is_nowhere_else_and_counts_until_it_is_emptied(lab: Lab) -> None:
    user = await lab.make.user()
    [asset] = await upload(lab, user, "red", tags=["x"])
    assets, gallery, bulk = lab.services.assets, lab.services.gallery, lab.services.bulk
    before = await used(lab, user)
    trashed = await assets.trash_asset(asset.id, user)
    again = await assets.trash_asset(asset.id, user)
    assert trashed.trashed_at == again.trashed_at is not None
    assert (await assets.list_assets(user)).items == []
    assert (await gallery.get_facets(user, EVERYTHING)).total == 0
    with pytest.raises(ValueError, match="trash"):
        await assets.check_input(user, str(asset.id), [MediaType.IMAGE])
    with pytest.raises(AssetNotFound):
        await bulk.list_files(Selection([asset.id]), user)
    assert await used(lab, user) == before
    assert (await assets.get_asset_for_user(asset.id, user)).id == asset.id
    assert await bulk.empty_trash() == 0, "not before thirty days"
    await lab.sql("UPDATE assets SET trashed_at = trashed_at - interval '31 days'")
    await lab.services.upkeep.every_hour()
    assert await used(lab, user) == (0, 0)
    assert await lab.scalar("SELECT count(*) FROM assets") == 0


async def test_what_an_unfinished_job_uses_is_neither_trashed_nor_deleted(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    [image] = await upload(lab, user, "red")
    params = {"prompt": "move", "quality": "360p", "image": str(image.id)}
    job = await lab.make.job(user, operation_type="image_to_video", params=params)
    assets, bulk = lab.services.assets, lab.services.bulk
    for call in (assets.trash_asset(image.id, user), assets.delete_asset(image.id, user)):
        with pytest.raises(AssetNotReady):
            await call
    for action in ("trash", "delete"):
        outcome = await bulk.change_many(Selection([image.id]), user, action)
        assert outcome == BulkOutcome(matched=1, in_use=1)
    await lab.services.jobs.cancel_job(job.id, user)
    await assets.trash_asset(image.id, user)


async def test_bringing_it_again_takes_it_out_of_the_trash(lab: Lab) -> None:
    user = await lab.make.user()
    [asset] = await upload(lab, user, "red")
    await lab.services.assets.trash_asset(asset.id, user)
    [again] = await upload(lab, user, "red")
    assert (again.id, again.trashed_at) == (asset.id, None)


# --- many at once ---


async def test_a_snapshot_without_some_is_changed_in_batches(lab: Lab) -> None:
    user = await lab.make.user(max_assets=None, max_storage_bytes=None)
    count = BATCH + 50
    await lab.services.seed.fill(user, count, originals=3)
    gallery, bulk = lab.services.gallery, lab.services.bulk
    layout = await gallery.get_layout(user, EVERYTHING)
    assert layout.total == count == (await used(lab, user))[0]
    assert len(layout.ratios) == sum(days for _, days in layout.days) == count
    page = await gallery.get_window(layout.snapshot_id, user, BATCH, 2)
    kept = [asset.id for asset in page.items if asset is not None]
    assert len(kept) == 2
    everything_but = Selection(snapshot_id=layout.snapshot_id, excluded=frozenset(kept))

    async def change(action: str, value: object = None) -> tuple[int, int]:
        outcome = await bulk.change_many(everything_but, user, action, value)  # type: ignore[arg-type]
        return outcome.matched, outcome.changed

    n = count - 2
    rated = await lab.scalar(
        "SELECT count(*) FROM assets WHERE rating = 5 AND id <> ALL(:kept)", kept=kept
    )
    assert await change("rate", 5) == (n, n - rated)
    assert await change("rate", 5) == (n, 0), "again changes nothing"
    assert await change("tag", ["Many"]) == (n, n)
    assert await change("untag", ["many"]) == (n, n)
    assert await change("trash") == (n, n)
    left = await gallery.get_layout(user, EVERYTHING)
    assert set(await shown(lab, left.snapshot_id, user)) == set(kept)
    assert await change("rate", 1) == (0, 0), "what is in the trash is left alone"
    assert await change("restore") == (n, n)
    told = await lab.sql(
        "SELECT data FROM events WHERE type = 'asset:bulk_changed' AND data->>'action' = 'trash'"
    )
    assert [len(row[0]["ids"]) for row in told] == [BATCH, n - BATCH]
    assert await change("delete") == (n, n)
    rows = await lab.sql("SELECT count(*), sum(size_bytes) FROM assets")
    assert await used(lab, user) == tuple(rows[0]) == (2, rows[0][1])


async def test_ids_are_all_or_none(lab: Lab) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    mine = await upload(lab, user, "red", "lime")
    [foreign] = await upload(lab, other, "blue")
    bulk = lab.services.bulk
    ids = [asset.id for asset in mine]
    for wrong in ([*ids, foreign.id], [*ids, uuid4()]):
        with pytest.raises(AssetNotFound):
            await bulk.change_many(Selection(wrong), user, "trash")
    assert len((await lab.services.assets.list_assets(user)).items) == 2
    workspace = await lab.services.workspaces.create(other, "Theirs")
    with pytest.raises(InvalidInput):
        await bulk.change_many(Selection(ids), user, "move", workspace.id)
    assert await bulk.change_many(Selection(ids), user, "rate", 2) == BulkOutcome(2, 2)
    crowded = [f"t{n}" for n in range(50)]
    assert await bulk.change_many(Selection(ids[:1]), user, "tag", crowded) == BulkOutcome(1, 1)
    assert await bulk.change_many(Selection(ids), user, "tag", ["one more"]) == BulkOutcome(2, 1)


async def test_opposite_orders_do_not_lock_each_other_out(lab: Lab) -> None:
    user = await lab.make.user()
    ids: Sequence[UUID] = [one.id for one in await upload(lab, user, "red", "lime", "blue")]
    bulk = lab.services.bulk
    for _ in range(10):
        await asyncio.gather(
            bulk.change_many(Selection(ids), user, "favourite", value=True),
            bulk.change_many(Selection(ids[::-1]), user, "favourite", value=False),
        )


# --- bytes ---


async def test_the_cleaner_waits_for_whoever_brings_the_same_bytes(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload between the row's end and the file's end would leave a row without bytes."""
    user = await lab.make.user()
    [asset] = await upload(lab, user, "red")
    assert asset.sha256 is not None
    await lab.services.assets.delete_asset(asset.id, user)
    forgotten, go_on = asyncio.Event(), asyncio.Event()
    delete = lab.container.store.delete

    async def slow_delete(sha256: str) -> None:
        forgotten.set()
        await go_on.wait()
        await delete(sha256)

    monkeypatch.setattr(lab.container.store, "delete", slow_delete)
    cleaning = asyncio.create_task(lab.services.blobs.collect_garbage(timedelta(0)))
    await forgotten.wait()
    bringing = asyncio.create_task(upload(lab, user, "red"))
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not await lab.scalar(waiting):
        assert not bringing.done()
    go_on.set()
    assert await cleaning == 1
    [again] = await bringing
    assert again.sha256 == asset.sha256
    assert await lab.container.store.exists(asset.sha256)


async def test_bytes_that_just_came_are_not_cleaned_before_they_are_filed(lab: Lab) -> None:
    user = await lab.make.user()
    [asset] = await upload(lab, user, "red")
    await lab.services.assets.delete_asset(asset.id, user)
    await lab.sql("UPDATE blobs SET created_at = now() - interval '2 days'")
    async with lab.container.store.stage(max_bytes=10_000) as staged:
        await staged.write(png("red"))
        await staged.flush()
        await lab.services.blobs.keep(staged)
    assert await lab.services.blobs.collect_garbage() == 0
