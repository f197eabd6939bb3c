"""PixVerse's status numbers."""

from pixsim7_simulator.generations import Generation, Outcome

GENERATING = 5
OUTCOMES: dict[int | str, Outcome] = {
    1: Outcome.DONE,
    6: Outcome.DELETED,
    7: Outcome.FILTERED,
    8: Outcome.FAILED,
}
_NUMBERS = {outcome: number for number, outcome in OUTCOMES.items()}


def final_status(generation: Generation) -> int | str:
    """The word of a finished generation; a scripted one may be anything."""
    if generation.plan.status is not None:
        return generation.plan.status
    return _NUMBERS[generation.order.outcome]


def shown_status(generation: Generation) -> int | str:
    """What this poll says: scripted words first, then the truth."""
    script, told = generation.plan.statuses, generation.polls - 1
    if told < len(script):
        return script[told]
    return final_status(generation) if generation.finished_at is not None else GENERATING
