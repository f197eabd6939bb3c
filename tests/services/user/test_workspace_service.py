"""Workspaces: folders that only their owner sees."""

import pytest

from pixsim7_backend.domain.job import InvalidJob
from pixsim7_backend.domain.user import WorkspaceNameTaken, WorkspaceNotFound
from pixsim7_backend.shared.errors import InvalidInput
from tests.services.conftest import Lab


async def test_a_workspace_is_its_owners_alone(lab: Lab) -> None:
    spaces = lab.services.workspaces
    user, other = await lab.make.user(), await lab.make.user()
    space = await spaces.create(user, "Trailers")
    with pytest.raises(WorkspaceNotFound):
        await spaces.get(space.id, other)
    with pytest.raises(WorkspaceNotFound):
        await spaces.delete(space.id, other)
    with pytest.raises(InvalidJob) as raised:
        await lab.make.job(other, workspace_id=space.id)
    assert raised.value.fields[0].field == "workspace_id"
    await spaces.create(other, "Trailers")


async def test_names_are_unique_per_person_and_checked(lab: Lab) -> None:
    spaces = lab.services.workspaces
    user = await lab.make.user()
    await spaces.create(user, "Trailers")
    second = await spaces.create(user, "Shorts")
    with pytest.raises(WorkspaceNameTaken):
        await spaces.create(user, "TRAILERS")
    with pytest.raises(WorkspaceNameTaken):
        await spaces.update(second.id, user, {"name": "trailers"})
    with pytest.raises(InvalidInput) as raised:
        await spaces.create(user, " ", "x" * 2001)
    assert {item.field for item in raised.value.fields} == {"name", "description"}
    assert [space.name for space in await spaces.list(user)] == ["Shorts", "Trailers"]


async def test_deleting_a_workspace_keeps_what_was_in_it(lab: Lab) -> None:
    user = await lab.make.user()
    space = await lab.services.workspaces.create(user, "Trailers")
    job = await lab.make.job(user, workspace_id=space.id)
    await lab.services.workspaces.delete(space.id, user)
    assert (await lab.job(job)).workspace_id is None
