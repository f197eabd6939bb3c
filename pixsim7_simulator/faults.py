"""Scripted faults: which actions exist, and the ordered rules that say who gets which."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Refuse(_Model):
    """A business refusal before any work; `lower_case` is the other shape PixVerse answers with."""

    kind: Literal["refuse"]
    err_code: int = 99999
    message: str = "scripted refusal"
    http: int = 200
    lower_case: bool = False
    retry_after: int | str | None = None


class Status(_Model):
    kind: Literal["status"]
    status: int = 502
    when: Literal["before", "after"] = "before"


class RateLimit(_Model):
    """429; `retry_after` is seconds, "date", "huge", "negative", any literal text, or absent."""

    kind: Literal["rate_limit"]
    retry_after: int | str | None = 1


class Delay(_Model):
    kind: Literal["delay"]
    seconds: float
    when: Literal["before", "after"] = "before"


class AcceptThenDrop(_Model):
    kind: Literal["accept_then_drop"]


class DropBefore(_Model):
    kind: Literal["drop_before"]


class Reset(_Model):
    """The work is done; the connection is reset in the middle of the answer."""

    kind: Literal["reset"]
    at: Literal["headers", "body"] = "headers"


class Garbage(_Model):
    """An answer nobody can use. With `when: before` no work was done."""

    kind: Literal["garbage"]
    what: Literal[
        "html", "empty", "truncated", "nan", "deep", "wrong_types", "no_id", "duplicate_keys",
        "huge", "gzip_bomb", "endless_headers",
    ] = "html"  # fmt: skip
    when: Literal["before", "after"] = "after"
    size: int = 64 * 1024 * 1024


class Override(_Model):
    """The real answer with other values in its content: stale balances, ids of somebody else."""

    kind: Literal["override"]
    fields: dict[str, Any]


class Drip(_Model):
    kind: Literal["drip"]
    bps: float = 10.0


class Redirect(_Model):
    kind: Literal["redirect"]
    to: str
    status: int = 302


class NeverFinish(_Model):
    kind: Literal["never_finish"]


class SlowFinish(_Model):
    kind: Literal["slow_finish"]
    seconds: float


class FinishWith(_Model):
    """End with this vendor status word, known or not."""

    kind: Literal["finish_with"]
    status: int | str


class FlapStatus(_Model):
    """Polls answer these in turn, then the truth."""

    kind: Literal["flap_status"]
    statuses: tuple[int | str, ...]


class HidePolls(_Model):
    kind: Literal["hide_polls"]
    polls: int = 1


class LateUrl(_Model):
    """Finished, but this many polls still carry no link."""

    kind: Literal["late_url"]
    polls: int = 1


class ResultUrl(_Model):
    kind: Literal["result_url"]
    url: str


class ExpireUrl(_Model):
    kind: Literal["expire_url"]
    seconds: float


class UrlStatus(_Model):
    kind: Literal["url_status"]
    status: int = 404


class TruncateFile(_Model):
    """Without a Content-Length the short body ends by closing, which looks like a plain 200."""

    kind: Literal["truncate_file"]
    keep: float = 0.5
    with_length: bool = True


class WrongType(_Model):
    kind: Literal["wrong_type"]
    content_type: str = "video/mp4"


class EmptyFile(_Model):
    kind: Literal["empty_file"]


class WebhookScript(_Model):
    """The callbacks of a finished generation, in order; with `before_answer` they come first."""

    kind: Literal["webhook"]
    send: tuple[Literal["real", "forged", "replay"], ...] = ("real",)
    delay: float = 0.0
    before_answer: bool = False


Action = Annotated[
    Refuse | Status | RateLimit | Delay | AcceptThenDrop | DropBefore | Reset | Garbage
    | Override | Drip | Redirect | NeverFinish | SlowFinish | FinishWith | FlapStatus | HidePolls
    | LateUrl | ResultUrl | ExpireUrl | UrlStatus | TruncateFile | WrongType | EmptyFile
    | WebhookScript,
    Field(discriminator="kind"),
]  # fmt: skip


class Match(_Model):
    """All given conditions must hold.

    `nth`, `every`, `after` and `probability` look only at requests that met the other conditions.
    """

    endpoint: str = "*"
    method: str | None = None
    account: str | None = None
    trace_id: str | None = None
    prompt_contains: str | None = None
    nth: int | tuple[int, ...] | None = None
    every: int | None = None
    after: int | None = None
    probability: float | None = None
    seed: int = 0
    times: int | None = None


class Rule(_Model):
    """What happens: `action`, or several `actions` together, or one per hit from `sequence`."""

    id: str | None = None
    match: Match = Match()
    action: Action | None = None
    actions: tuple[Action, ...] = ()
    sequence: tuple[Action, ...] = ()

    @model_validator(mode="after")
    def _has_one_form(self) -> "Rule":
        if sum(map(bool, (self.action, self.actions, self.sequence))) != 1:
            raise ValueError("give exactly one of action, actions, sequence")
        return self


@dataclass(slots=True)
class Subject:
    """What rules can look at: the request, and the generation it is about."""

    endpoint: str
    method: str
    account: str | None
    trace_ids: tuple[str, ...] = ()
    prompt: str = ""


@dataclass(slots=True)
class _Installed:
    rule: Rule
    id: str
    chance: random.Random
    seen: int = 0
    hits: int = 0

    def take(self, subject: Subject) -> tuple[Action, ...] | None:
        match = self.rule.match
        if not _describes(match, subject) or (match.times is not None and self.hits >= match.times):
            return None
        self.seen += 1
        nth = (match.nth,) if isinstance(match.nth, int) else match.nth
        if (
            (nth is not None and self.seen not in nth)
            or (match.every is not None and self.seen % match.every)
            or (match.after is not None and self.seen <= match.after)
            or (match.probability is not None and self.chance.random() >= match.probability)
        ):
            return None
        self.hits += 1
        if self.rule.sequence:
            return (self.rule.sequence[min(self.hits, len(self.rule.sequence)) - 1],)
        return (self.rule.action,) if self.rule.action else self.rule.actions


def _describes(match: Match, subject: Subject) -> bool:
    return (
        fnmatchcase(subject.endpoint, match.endpoint)
        and (match.method is None or match.method.upper() == subject.method)
        and (match.account is None or match.account == subject.account)
        and (match.trace_id is None or match.trace_id in subject.trace_ids)
        and (match.prompt_contains is None or match.prompt_contains in subject.prompt)
    )


@dataclass(slots=True)
class Faults:
    """The installed rules, in order; the first that matches decides."""

    _rules: list[_Installed] = field(default_factory=list)
    _counter: int = 0

    def install(self, rules: Iterable[Rule]) -> list[str]:
        names = []
        for rule in rules:
            self._counter += 1
            name = rule.id or f"rule-{self._counter}"
            self._rules.append(_Installed(rule, name, random.Random(rule.match.seed)))
            names.append(name)
        return names

    def match(self, subject: Subject) -> tuple[str, tuple[Action, ...]]:
        for installed in self._rules:
            if (actions := installed.take(subject)) is not None:
                return installed.id, actions
        return "", ()

    def remove(self, name: str | None = None) -> int:
        """Remove one rule, or all of them; returns how many went."""
        before = len(self._rules)
        self._rules = [] if name is None else [rule for rule in self._rules if rule.id != name]
        return before - len(self._rules)

    def report(self) -> list[dict[str, object]]:
        return [
            {
                "id": rule.id,
                "seen": rule.seen,
                "hits": rule.hits,
                "rule": rule.rule.model_dump(mode="json", exclude_defaults=True),
            }
            for rule in self._rules
        ]

    def unused(self) -> list[str]:
        return [rule.id for rule in self._rules if not rule.hits]
