"""One job from creation to its file in the library, by a worker in this process."""

import hashlib
from collections.abc import Mapping

import pytest

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain import JobStatus
from pixsim7_backend.workers.worker import Worker
from tests.conftest import STORY, Factory, Recorder, job_ended


@pytest.mark.parametrize(
    ("provider_id", "params"),
    [
        ("pixverse", {"prompt": "sunset over mountains", "quality": "360p"}),
        ("local", {"prompt": "sunset over mountains", "quality": "360p", "duration": 1}),
    ],
)
async def test_a_job_lives_through_every_event_in_order(
    make: Factory,
    container: Container,
    worker: Worker,
    recorder: Recorder,
    provider_id: str,
    params: Mapping[str, object],
) -> None:
    user = await make.user()
    if provider_id == "pixverse":
        account = await make.pixverse_account()
        async with container.database.transaction() as tx:
            account.avg_generation_time_sec = 0.05
            await tx.session.merge(account)
    job = await make.job(user, provider_id, params=params)

    await recorder.wait_for_type("asset:downloaded")

    job = await job_ended(container.services, job, user)
    assert job.status is JobStatus.COMPLETED
    assert [type for type in recorder.types(job) if type in STORY] == STORY
    assert job.asset_id is not None
    asset = await container.services.assets.get_asset_for_user(job.asset_id, user)
    assert asset.sha256 is not None
    async with container.store.materialise(asset.sha256) as path:
        content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == asset.sha256
    assert asset.size_bytes == len(content)
    if provider_id == "pixverse":
        [generation] = await make.simulator.generations()
        assert asset.sha256 == await make.simulator.sha256(generation["id"])
        assert await make.simulator.violations() == []
