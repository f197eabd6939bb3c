"""What the tables of legal transitions promise, whatever is added to them."""

from enum import StrEnum
from typing import Any

import pytest

from pixsim7_backend.domain import MACHINES, JobStatus
from pixsim7_backend.domain import SubmissionState as S
from pixsim7_backend.domain.job import FINAL_JOB_STATUSES, JOB_STATUS
from pixsim7_backend.domain.state_machine import StateMachine
from pixsim7_backend.domain.submission import (
    FINAL_SUBMISSION_STATES,
    HOLDING_STATES,
    SUBMISSION_STATE,
    UNRESOLVED_STATES,
)


def states_of(machine: StateMachine[Any]) -> list[Any]:
    words: type[StrEnum] = type(machine.initial[0])
    return list(words)


LATE_EVIDENCE = {(S.CLOSED_UNKNOWN, S.ACCEPTED), (S.RESULT_LOST, S.COMPLETED_REMOTE)}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.table)
def test_every_state_can_be_reached(machine: StateMachine[Any]) -> None:
    reached, frontier = set(machine.initial), set(machine.initial)
    while frontier:
        frontier = {to for source, to in machine.edges if source in frontier} - reached
        reached |= frontier
    assert reached == set(states_of(machine))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.table)
def test_no_state_leads_to_itself(machine: StateMachine[Any]) -> None:
    assert all(source is not target for source, target in machine.edges)
    for target in states_of(machine):
        assert all(machine.allows(source, target) for source in machine.sources(target))


def test_an_ended_submission_moves_by_late_evidence_only() -> None:
    leaving = {edge for edge in SUBMISSION_STATE.edges if edge[0] in FINAL_SUBMISSION_STATES}
    assert leaving == LATE_EVIDENCE


def test_a_completed_job_stays_completed() -> None:
    assert not [edge for edge in JOB_STATUS.edges if edge[0] is JobStatus.COMPLETED]
    assert set(FINAL_JOB_STATUSES) == {
        JobStatus.COMPLETED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    }


def test_what_was_sent_never_counts_as_not_sent_without_passing_the_proof() -> None:
    """Nothing leads back from an accepted, refused or closed one to before the paid call."""
    back = {source for source, target in SUBMISSION_STATE.edges if target is S.RESERVED}
    assert back == {S.SUBMITTING, S.IN_DOUBT}
    abandoned = {source for source, target in SUBMISSION_STATE.edges if target is S.ABANDONED}
    assert abandoned == {S.RESERVED}


def test_states_are_held_unresolved_or_final() -> None:
    assert HOLDING_STATES < UNRESOLVED_STATES
    assert set(S) == UNRESOLVED_STATES | FINAL_SUBMISSION_STATES
    assert not UNRESOLVED_STATES & FINAL_SUBMISSION_STATES
