"""What follows for a job when an attempt ends without a result. Pure."""

from dataclasses import dataclass

from pixsim7_backend.domain.submission import ProviderSubmission
from pixsim7_backend.domain.vocabulary import ErrorKind, SubmissionState, VideoStatus

MAX_ATTEMPTS = 6
MAX_UNCHARGED_FAILURES = 2
BACKOFF_S = (2.0, 5.0, 15.0, 60.0, 180.0)


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt follows after a pause."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The job fails, with a stable code and a sentence for the person."""

    code: str
    message: str


def after_refusal(submission: ProviderSubmission, tries: int) -> Retry | GiveUp:
    """The provider said no, or could not be reached, before anything was paid.

    `tries` counts this attempt and those before it since a person last asked for a try.
    """
    if submission.state is SubmissionState.ABANDONED and submission.error_kind is None:
        return Retry(0.0)  # withdrawn before it was sent: nobody refused anything
    kind = submission.error_kind or ErrorKind.TRANSIENT
    said = submission.error_message or "The provider gave no reason."
    match kind:
        case ErrorKind.FILTERED:
            return GiveUp("content_filtered", f"The provider refused the content: {said}")
        case ErrorKind.PARAM:
            return GiveUp("provider_rejected", f"The provider refused the parameters: {said}")
        case ErrorKind.NOT_FOUND:
            return GiveUp("provider_rejected", f"The provider does not know an input: {said}")
        case _ if tries >= MAX_ATTEMPTS:
            return GiveUp("no_attempt_worked", f"No attempt worked; the last answer was: {said}")
        case ErrorKind.CONCURRENCY | ErrorKind.RATE:
            return Retry(1.0)  # the account cools down; another one may be free
        case ErrorKind.AUTH | ErrorKind.PERMISSION | ErrorKind.CREDITS:
            return Retry(0.0)
        case ErrorKind.TRANSIENT | ErrorKind.AMBIGUOUS:
            return Retry(BACKOFF_S[min(tries, len(BACKOFF_S)) - 1])


def after_failure(submission: ProviderSubmission, tries: int) -> Retry | GiveUp:
    """The provider took the job and failed it. One that was charged is never repeated."""
    said = submission.error_message or "The provider gave no reason."
    if submission.status is VideoStatus.FILTERED:
        return GiveUp("content_filtered", f"The provider held the result back: {said}")
    if submission.status is VideoStatus.CANCELLED:
        return GiveUp("cancelled_by_provider", f"The provider stopped the job: {said}")
    uncharged = submission.charged_credits is not None and submission.charged_credits == 0
    may_repeat = uncharged and submission.error_kind is ErrorKind.TRANSIENT
    if may_repeat and tries <= MAX_UNCHARGED_FAILURES:
        return Retry(BACKOFF_S[tries - 1])
    return GiveUp("generation_failed", f"The provider could not make it: {said}")
