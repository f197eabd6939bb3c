"""The walkthrough of the mission, as written, on a real database and the simulator's PixVerse."""

from pixsim7_backend.domain import JobStatus, OperationType, VideoStatus
from tests.conftest import PASSWORD, Factory


async def test_the_walkthrough(make: Factory) -> None:
    services = make.services
    auth_service, job_service = services.auth, services.jobs
    account_service, provider_service = services.accounts, services.providers
    asset_service = services.assets
    await services.users.create_user("user@example.com", "user", PASSWORD, "user")
    await make.pixverse_account()

    user, token = await auth_service.login("user@example.com", PASSWORD)
    assert (await auth_service.verify_token(token)).id == user.id
    job = await job_service.create_job(
        user=user,
        operation_type=OperationType.TEXT_TO_VIDEO,
        provider_id="pixverse",
        params={"prompt": "sunset over mountains", "quality": "720p"},
    )
    account = await account_service.select_account("pixverse", user.id, 20)
    await account_service.reserve_account(account.id)
    submission = await provider_service.execute_job(job, account, job.params)
    await job_service.mark_started(job.id)
    status = await provider_service.check_status(submission, account)
    assert status.status is VideoStatus.COMPLETED
    if status.status == VideoStatus.COMPLETED:
        asset = await asset_service.create_from_submission(submission, job)
        await job_service.mark_completed(job.id, asset.id)
        await account_service.release_account(account.id)
        await account_service.record_success(account.id)
    job = await job_service.get_job_for_user(job.id, user)
    assert job.status is JobStatus.COMPLETED
    assert job.asset_id is not None
    asset = await asset_service.get_asset_for_user(job.asset_id, user)
    assert asset.remote_url is not None
