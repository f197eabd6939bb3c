"""Media as inputs: uploaded once, used where they live, and never another person's."""

import asyncio
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from pixsim7_backend.domain import Asset, JobStatus, SubmissionState, User
from pixsim7_backend.domain.asset import AssetNotReady
from pixsim7_backend.domain.job import InvalidJob
from tests.conftest import eventually
from tests.services.asset.support import in_chunks
from tests.services.conftest import Lab

IMAGE_UPLOAD, MEDIA_UPLOAD = "pixverse.upload.image", "pixverse.upload.media"


async def picture(lab: Lab, user: User, colour: str = "teal") -> Asset:
    buffer = BytesIO()
    Image.new("RGB", (320, 180), colour).save(buffer, "PNG")
    return await lab.services.assets.upload(user, in_chunks(buffer.getvalue()))


def image_params(asset: Asset) -> dict[str, object]:
    return {"prompt": "it moves", "quality": "360p", "image": str(asset.id)}


async def test_an_input_is_uploaded_once_per_account(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    for _ in range(3):
        job = await lab.make.job(user, operation_type="image_to_video", params=image_params(image))
        assert (await lab.completed(job)).status is JobStatus.COMPLETED
    uploads = await lab.simulator.requests(endpoint=IMAGE_UPLOAD)
    assert len(uploads) == 1
    asset = await lab.asset((await lab.job(job)).asset_id, user)
    lineage = await lab.services.assets.get_lineage(asset.id, user)
    assert [(link.parent_id, link.role) for link in lineage.links] == [(image.id, "image")]


async def test_an_upload_that_the_vendor_has_dropped_is_uploaded_again(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    params = image_params(image)
    await lab.completed(await lab.make.job(user, operation_type="image_to_video", params=params))
    await lab.sql("UPDATE provider_uploads SET reference = '999999999'")
    job = await lab.make.job(user, operation_type="image_to_video", params=params)
    refused = await lab.sent(job)
    assert (refused.state, refused.error_code) == (SubmissionState.REJECTED, "400032")
    assert await lab.reservations() == []
    waiting = await lab.job(job)
    assert (waiting.status, waiting.open_submission_id) == (JobStatus.PENDING, None)
    await lab.sql("UPDATE jobs SET available_at = now()")
    assert (await lab.completed(job)).status is JobStatus.COMPLETED
    assert len(await lab.simulator.requests(endpoint=IMAGE_UPLOAD)) == 2
    assert await lab.charges() == 2, "one for each job"


async def test_an_upload_that_is_refused_while_fresh_fails_the_job(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    params = image_params(image)
    await lab.completed(await lab.make.job(user, operation_type="image_to_video", params=params))
    refuse = {"kind": "refuse", "err_code": 400032}
    await lab.simulator.fault(refuse, endpoint="pixverse.video.image", times=2)
    job = await lab.make.job(user, operation_type="image_to_video", params=params)
    for _ in range(2):
        await lab.sql("UPDATE jobs SET available_at = now()")
        await lab.sent(job)
    failed = await lab.job(job)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "provider_rejected")
    assert len(await lab.services.providers.get_job_submissions(job.id)) == 2


async def test_an_upload_that_fails_costs_nothing_and_is_tried_again(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    await lab.simulator.fault({"kind": "drop_before"}, endpoint=IMAGE_UPLOAD, times=1)
    job = await lab.make.job(user, operation_type="image_to_video", params=image_params(image))
    submission = await lab.sent(job)
    assert submission.state is SubmissionState.RESERVED
    assert await lab.charges() == 0
    await lab.services.runner.submit(submission.id)
    assert (await lab.submission(job)).state is SubmissionState.ACCEPTED


@pytest.mark.parametrize("wrong", ["foreign", "film", "unknown", "http"])
async def test_an_input_that_may_not_be_used_is_named(lab: Lab, wrong: str) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    await lab.make.pixverse_account()
    reference = {
        "foreign": str((await picture(lab, other)).id),
        "film": str((await lab.video(user)).id),
        "unknown": "018f0000-0000-7000-8000-000000000000",
        "http": "http://example.com/image.png",
    }[wrong]
    params = {"prompt": "it moves", "quality": "360p", "image": reference}
    with pytest.raises(InvalidJob) as raised:
        await lab.make.job(user, operation_type="image_to_video", params=params)
    (problem,) = raised.value.fields
    assert problem.field == "params.image"
    if wrong in ("foreign", "unknown"):
        assert problem.message == "is not one of your assets"


async def test_an_input_that_is_used_cannot_be_deleted_until_the_job_ends(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    job = await lab.make.job(user, operation_type="image_to_video", params=image_params(image))
    with pytest.raises(Exception, match="uses this asset"):
        await lab.services.assets.delete_asset(image.id, user)
    await lab.completed(job)
    await lab.services.assets.delete_asset(image.id, user)


async def some_lock_is_waited_for(lab: Lab) -> bool:
    return bool(await lab.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_what_a_job_is_about_to_use_cannot_go_meanwhile(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    params = image_params(image)
    async with lab.container.database.transaction():
        await lab.make.job(user, operation_type="image_to_video", params=params)
        trashing = asyncio.create_task(lab.services.assets.trash_asset(image.id, user))
        await eventually(partial(some_lock_is_waited_for, lab))
    with pytest.raises(AssetNotReady, match="uses this asset"):
        await trashing
    assert (await lab.asset(image.id, user)).trashed_at is None


@pytest.mark.parametrize("goes", ["to the trash", "for good"])
async def test_a_job_is_not_accepted_on_what_is_just_going(lab: Lab, goes: str) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    assets = lab.services.assets
    async with lab.container.database.transaction():
        if goes == "for good":
            await assets.delete_asset(image.id, user)
        else:
            await assets.trash_asset(image.id, user)
        making = asyncio.create_task(
            lab.make.job(user, operation_type="image_to_video", params=image_params(image))
        )
        await eventually(partial(some_lock_is_waited_for, lab))
    with pytest.raises(InvalidJob) as raised:
        await making
    (problem,) = raised.value.fields
    assert problem.field == "params.image"
    assert await lab.scalar("SELECT count(*) FROM jobs") == 0
    assert (await lab.services.users.get_user(user.id)).jobs_today == 0


async def test_a_retry_needs_its_inputs(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    job = await lab.make.job(user, operation_type="image_to_video", params=image_params(image))
    await lab.services.jobs.cancel_job(job.id, user)
    await lab.services.assets.trash_asset(image.id, user)
    with pytest.raises(InvalidJob) as raised:
        await lab.services.jobs.retry_job(job.id, user)
    assert raised.value.fields[0].message == "is in the trash; restore it first"
    await lab.services.assets.restore_asset(image.id, user)
    await lab.services.jobs.retry_job(job.id, user)
    with pytest.raises(AssetNotReady):
        await lab.services.assets.delete_asset(image.id, user)


async def test_an_asset_has_one_spelling_by_which_its_use_is_found(lab: Lab) -> None:
    user = await lab.make.user()
    image = await picture(lab, user)
    text = str(image.id)
    for odd in (image.id.hex, "{" + text + "}", f"urn:uuid:{text}", "-".join(image.id.hex)):
        with pytest.raises(InvalidJob):
            await lab.make.job(
                user, operation_type="image_to_video", params=image_params(image) | {"image": odd}
            )
    upper = image_params(image) | {"image": text.upper()}
    await lab.make.job(user, operation_type="image_to_video", params=upper)
    with pytest.raises(AssetNotReady):
        await lab.services.assets.delete_asset(image.id, user)


async def test_a_film_is_extended_on_the_account_that_made_it(lab: Lab) -> None:
    user = await lab.make.user()
    first = await lab.make.pixverse_account(priority=5)
    await lab.make.pixverse_account(key="sk-test-2", priority=50)
    film = await lab.video(user)
    assert film.account_id == first.id
    admin = await lab.make.user("admin")
    await lab.services.accounts.update_account(first.id, admin, {"priority": 99})
    job = await lab.make.job(user, operation_type="video_extend", params=extend(film))
    submission = await lab.sent(job)
    assert submission.account_id == first.id
    assert await lab.simulator.requests(endpoint=MEDIA_UPLOAD) == []


@pytest.mark.parametrize("switched_off", ["before the job", "while it waits"])
async def test_a_film_whose_account_is_off_is_extended_by_upload(
    lab: Lab, switched_off: str
) -> None:
    user, admin = await lab.make.user(), await lab.make.user("admin")
    first = await lab.make.pixverse_account(priority=5)
    second = await lab.make.pixverse_account(key="sk-test-2", priority=50)
    film = await lab.video(user)
    off = {"is_enabled": False}
    if switched_off == "before the job":
        await lab.services.accounts.update_account(first.id, admin, off)
    job = await lab.make.job(user, operation_type="video_extend", params=extend(film))
    if switched_off == "while it waits":
        assert job.pinned_account_id == first.id
        await lab.services.accounts.update_account(first.id, admin, off)
    submission = await lab.sent(job)
    assert (submission.account_id, submission.state) == (second.id, SubmissionState.ACCEPTED)
    assert len(await lab.simulator.requests(endpoint=MEDIA_UPLOAD)) == 1


async def test_a_busy_source_account_is_waited_for(lab: Lab) -> None:
    user = await lab.make.user()
    first = await lab.make.pixverse_account(priority=5, max_concurrent_jobs=1)
    await lab.make.pixverse_account(key="sk-test-2", priority=50)
    film = await lab.video(user)
    await lab.services.accounts.reserve_account(first.id)
    job = await lab.make.job(user, operation_type="video_extend", params=extend(film))
    assert await lab.services.dispatcher.dispatch("pixverse") == 0
    assert (await lab.services.dispatcher.explain(job.id, user)).reason_code == "busy"


async def test_an_input_still_on_its_way_is_waited_for(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    made = await lab.completed(await lab.make.job(user))
    film = await lab.asset(made.asset_id, user)
    job = await lab.make.job(user, operation_type="video_extend", params=extend(film))
    submission = await lab.sent(job)
    assert submission.state is SubmissionState.RESERVED
    assert submission.error_message == "The input video is still on its way into the library."
    await lab.services.ingest.ingest(film.id)
    await lab.services.runner.submit(submission.id)
    assert (await lab.submission(job)).state is SubmissionState.ACCEPTED


def extend(film: Asset) -> dict[str, object]:
    return {"prompt": "and then", "quality": "360p", "video": str(film.id)}


async def test_an_input_that_vanished_fails_the_job_in_words(lab: Lab, tmp_path: Path) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    image = await picture(lab, user)
    job = await lab.make.job(user, operation_type="image_to_video", params=image_params(image))
    await lab.sql("DELETE FROM assets")
    await lab.sent(job)
    failed = await lab.job(job)
    assert failed.status is JobStatus.FAILED
    assert failed.error_message is not None
    assert "The input image has been deleted." in failed.error_message
    assert await lab.charges() == 0
