"""Who is at fault decides what follows; a charged failure is never repeated by itself."""

from decimal import Decimal

import pytest

from pixsim7_backend.domain import ErrorKind, ProviderSubmission, VideoStatus
from pixsim7_backend.services.job.retry_policy import GiveUp, Retry, after_failure, after_refusal


def refused(kind: ErrorKind | None) -> ProviderSubmission:
    return ProviderSubmission(error_kind=kind, error_message="It said no.")


@pytest.mark.parametrize("kind", [ErrorKind.FILTERED, ErrorKind.PARAM, ErrorKind.NOT_FOUND])
def test_what_the_person_has_to_change_is_not_tried_again(kind: ErrorKind) -> None:
    verdict = after_refusal(refused(kind), 1)
    assert isinstance(verdict, GiveUp)
    assert verdict.message.endswith("It said no.")


@pytest.mark.parametrize("kind", sorted(set(ErrorKind) - {"filtered", "param", "not_found"}))
def test_all_else_is_tried_again_six_times(kind: ErrorKind) -> None:
    for tries in range(1, 6):
        assert isinstance(after_refusal(refused(kind), tries), Retry)
    last = after_refusal(refused(kind), 6)
    assert isinstance(last, GiveUp)
    assert last.code == "no_attempt_worked"


def test_pauses_grow() -> None:
    pauses = []
    for tries in range(1, 6):
        verdict = after_refusal(refused(ErrorKind.TRANSIENT), tries)
        assert isinstance(verdict, Retry)
        pauses.append(verdict.delay_s)
    assert pauses == sorted(set(pauses))


@pytest.mark.parametrize(
    ("charged", "kind", "tries", "again"),
    [
        (Decimal(0), ErrorKind.TRANSIENT, 1, True),
        (Decimal(0), ErrorKind.TRANSIENT, 3, False),
        (Decimal(0), ErrorKind.PARAM, 1, False),
        (Decimal(5), ErrorKind.TRANSIENT, 1, False),
        (None, ErrorKind.TRANSIENT, 1, False),
    ],
)
def test_only_what_surely_cost_nothing_is_repeated(
    charged: Decimal | None, kind: ErrorKind, tries: int, again: bool
) -> None:
    failed = ProviderSubmission(status=VideoStatus.FAILED, charged_credits=charged, error_kind=kind)
    assert isinstance(after_failure(failed, tries), Retry) is again


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (VideoStatus.FILTERED, "content_filtered"),
        (VideoStatus.CANCELLED, "cancelled_by_provider"),
        (VideoStatus.FAILED, "generation_failed"),
    ],
)
def test_the_reason_has_a_stable_code(status: VideoStatus, code: str) -> None:
    verdict = after_failure(ProviderSubmission(status=status), 1)
    assert isinstance(verdict, GiveUp)
    assert verdict.code == code
    assert verdict.message.endswith("The provider gave no reason.")
