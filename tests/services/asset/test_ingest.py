"""Bringing results home: every way in which a link can disappoint."""

import asyncio
from typing import Any

import pytest

from pixsim7_backend.domain import Job, JobStatus, SubmissionState, SyncStatus, User
from tests.services.conftest import FILE, SUBMIT, Lab


async def finished(lab: Lab) -> tuple[User, Job]:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.completed(await lab.make.job(user))
    assert job.status is JobStatus.COMPLETED
    return user, job


async def ingest(lab: Lab, job: Job) -> None:
    assert job.asset_id is not None
    await lab.services.ingest.ingest(job.asset_id)


async def test_a_result_comes_home_whole(lab: Lab) -> None:
    user, job = await finished(lab)
    await ingest(lab, job)
    asset = await lab.asset(job.asset_id, user)
    (generation,) = await lab.simulator.generations()
    assert asset.sha256 == await lab.simulator.sha256(generation["id"])
    assert asset.sync_status is SyncStatus.DOWNLOADED
    assert (await lab.submission(job)).state is SubmissionState.FETCHED
    assert asset.size_bytes == await lab.services.assets.get_user_storage_used(user.id)
    fetches = len(await lab.simulator.requests(endpoint=FILE))
    await ingest(lab, job)
    assert len(await lab.simulator.requests(endpoint=FILE)) == fetches, "not fetched twice"
    kinds = await lab.events(job)
    assert kinds.index("asset:created") < kinds.index("job:completed")
    assert kinds.index("asset:downloading") < kinds.index("asset:downloaded")


async def test_two_derivations_of_one_asset_do_not_collide(lab: Lab) -> None:
    user, job = await finished(lab)
    await ingest(lab, job)
    assert job.asset_id is not None

    derive = lab.services.ingest.derive
    await asyncio.gather(*(derive(job.asset_id) for _ in range(3)))

    details = await lab.services.assets.get_details(job.asset_id, user)
    assert details.asset.derived_at is not None
    assert {"poster", "preview"} <= set(details.files)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "url_status", "status": 404},
        {"kind": "url_status", "status": 500},
        {"kind": "truncate_file", "keep": 0.5},
        {"kind": "truncate_file", "keep": 0.5, "with_length": False},
        {"kind": "wrong_type"},
        {"kind": "empty_file"},
        {"kind": "redirect", "to": "http://169.254.169.254/latest/meta-data"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values()))[:30],
)
async def test_a_bad_download_is_never_published_and_tried_again(
    lab: Lab, fault: dict[str, Any]
) -> None:
    user, job = await finished(lab)
    await lab.simulator.fault(fault, endpoint=FILE, times=1)
    await ingest(lab, job)
    waiting = await lab.asset(job.asset_id, user)
    assert (waiting.sync_status, waiting.sha256) == (SyncStatus.REMOTE, None)
    assert waiting.sync_error
    assert await lab.scalar("SELECT count(*) FROM blobs") == 0
    queued = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'ingest' AND execute_after > now()"
    assert await lab.scalar(queued) == 1
    await ingest(lab, job)
    assert (await lab.asset(job.asset_id, user)).sync_status is SyncStatus.DOWNLOADED


async def test_a_link_that_went_stale_is_asked_for_again(lab: Lab) -> None:
    await lab.simulator.set(url_ttl_seconds=3600, url_refresh=True)
    user, job = await finished(lab)
    await lab.sql("UPDATE assets SET remote_url = replace(remote_url, '/media/', '/media/old')")
    stale = (await lab.asset(job.asset_id, user)).remote_url
    await ingest(lab, job)
    assert (await lab.asset(job.asset_id, user)).remote_url != stale
    await ingest(lab, job)
    assert (await lab.asset(job.asset_id, user)).sync_status is SyncStatus.DOWNLOADED


async def test_a_result_that_died_is_told_kept_and_can_be_fetched_once_more(lab: Lab) -> None:
    user, job = await finished(lab)
    rule = await lab.simulator.fault({"kind": "url_status", "status": 410}, endpoint=FILE)
    await lab.sql("UPDATE assets SET remote_expires_at = now() - interval '1 min'")
    for _ in range(3):
        await ingest(lab, job)
    lost = await lab.asset(job.asset_id, user)
    assert lost.sync_status is SyncStatus.ERROR
    assert lost.sync_error == "The provider's media host answered 410."
    assert lost.recipe["params"]["prompt"]
    assert (await lab.submission(job)).state is SubmissionState.RESULT_LOST
    assert "asset:failed" in await lab.events(job)
    await lab.simulator.call("DELETE", f"/faults/{rule}")
    await lab.services.assets.refetch(lost.id, user)
    await ingest(lab, job)
    assert (await lab.asset(job.asset_id, user)).sync_status is SyncStatus.DOWNLOADED
    assert (await lab.submission(job)).state is SubmissionState.FETCHED


async def test_a_fetch_whose_worker_died_is_taken_over(lab: Lab) -> None:
    user, job = await finished(lab)
    assert job.asset_id is not None
    await lab.services.assets.mark_downloading(job.asset_id)
    await ingest(lab, job)
    assert (await lab.asset(job.asset_id, user)).sync_status is SyncStatus.DOWNLOADING
    await lab.sql("UPDATE assets SET fetch_after = now() - interval '1 s'")
    await lab.sql("DELETE FROM pgqueuer")
    await lab.services.ingest.sweep()
    assert await lab.scalar("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'ingest'") == 1
    await ingest(lab, job)
    assert (await lab.asset(job.asset_id, user)).sync_status is SyncStatus.DOWNLOADED


async def test_a_link_into_the_private_network_is_never_followed(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    evil: dict[str, object] = {"kind": "result_url", "url": "http://127.0.0.1:1/secret.mp4"}
    await lab.simulator.fault(evil, endpoint=SUBMIT)
    job = await lab.completed(await lab.make.job(user))
    if job.asset_id is None:
        return  # the adapter would not even take it
    await ingest(lab, job)
    asset = await lab.asset(job.asset_id, user)
    assert asset.sync_status is SyncStatus.REMOTE
    assert asset.sync_error is not None


async def test_a_result_larger_than_allowed_is_cut_off(lab: Lab) -> None:
    user, job = await finished(lab)
    lab.services.ingest._max_result_bytes = 100
    await ingest(lab, job)
    asset = await lab.asset(job.asset_id, user)
    assert asset.sync_status is SyncStatus.REMOTE
    assert await lab.scalar("SELECT count(*) FROM blobs") == 0
