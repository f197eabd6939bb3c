"""Every scripted fault, seen from the client's side, and what the journal says about it."""

import email.utils
import json
import math
from typing import Any

import aiohttp
import pytest

from pixsim7_simulator import Clock, RunningSimulator, spawned_simulator
from pixsim7_simulator.config import Config, Settings
from tests.simulator.conftest import KEY, TEXT, TEXT_COST, Vendor, accounts

SUBMIT = "pixverse.video.text"
POLL = "pixverse.video.result"
FILE = "media.result"


async def raw(vendor: Vendor, *, timeout: float = 5) -> tuple[int, dict[str, str], bytes]:
    """Submit without expecting JSON."""
    async with vendor.session.post(
        f"{vendor.sim.pixverse_url}/video/text/generate",
        json=TEXT,
        headers=vendor.headers(),
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=timeout),
    ) as answer:
        return answer.status, dict(answer.headers), await answer.read()


async def charged(sim: RunningSimulator) -> int:
    return len(await sim.charges(kind="charge"))


async def test_refuse_with_a_code_and_no_work(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "refuse", "err_code": 500069, "retry_after": 3}, endpoint=SUBMIT)
    status, headers, body = await raw(vendor)
    assert (status, json.loads(body)["ErrCode"]) == (200, 500069)
    assert headers["Retry-After"] == "3"
    assert await charged(sim) == 0
    (row,) = await sim.requests(endpoint=SUBMIT)
    assert (row["fault"], row["err_code"]) == ("refuse", 500069)


@pytest.mark.parametrize(("kind", "charges"), [("accept_then_drop", 1), ("drop_before", 0)])
async def test_dropped_connections(
    sim: RunningSimulator, vendor: Vendor, kind: str, charges: int
) -> None:
    await sim.fault({"kind": kind}, endpoint=SUBMIT)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await raw(vendor)
    assert await charged(sim) == charges
    (row,) = await sim.requests(endpoint=SUBMIT)
    assert (row["status"], row["fault"]) == (0, kind)


@pytest.mark.parametrize("at", ["headers", "body"])
async def test_resets_in_the_middle(sim: RunningSimulator, vendor: Vendor, at: str) -> None:
    await sim.fault({"kind": "reset", "at": at}, endpoint=SUBMIT)
    with pytest.raises(aiohttp.ClientError):
        await raw(vendor)
    assert await charged(sim) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(("when", "charges"), [("before", 0), ("after", 1)])
async def test_gateway_errors(
    sim: RunningSimulator, vendor: Vendor, status: int, when: str, charges: int
) -> None:
    await sim.fault({"kind": "status", "status": status, "when": when}, endpoint=SUBMIT)
    assert (await raw(vendor))[0] == status
    assert await charged(sim) == charges


@pytest.mark.parametrize(
    ("given", "seen"),
    [(7, "7"), (None, None), ("huge", "1000000000000"), ("negative", "-5"), ("soon", "soon")],
)
async def test_rate_limits(
    sim: RunningSimulator, vendor: Vendor, given: object, seen: str | None
) -> None:
    await sim.fault({"kind": "rate_limit", "retry_after": given}, endpoint=SUBMIT)
    status, headers, _ = await raw(vendor)
    assert (status, headers.get("Retry-After")) == (429, seen)
    assert await charged(sim) == 0


async def test_a_rate_limit_may_name_a_date(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "rate_limit", "retry_after": "date"}, endpoint=SUBMIT)
    _, headers, _ = await raw(vendor)
    assert email.utils.parsedate_to_datetime(headers["Retry-After"])


@pytest.mark.parametrize(("when", "charges"), [("before", 0), ("after", 1)])
async def test_delays(sim: RunningSimulator, vendor: Vendor, when: str, charges: int) -> None:
    await sim.fault({"kind": "delay", "when": when, "seconds": 60}, endpoint=SUBMIT)
    with pytest.raises(TimeoutError):
        await raw(vendor, timeout=0.2)
    assert await charged(sim) == charges


async def test_garbage_answers_after_the_work(sim: RunningSimulator, vendor: Vendor) -> None:
    async def answer(what: str) -> bytes:
        await sim.clear_faults()
        await sim.patch_account(KEY, concurrent=50)
        await sim.fault({"kind": "garbage", "what": what, "size": 300_000}, endpoint=SUBMIT)
        status, _, body = await raw(vendor)
        assert status == 200
        return body

    assert (await answer("html")).startswith(b"<html>")
    assert await answer("empty") == b""
    with pytest.raises(ValueError, match="line 1"):
        json.loads(await answer("truncated"))
    assert math.isnan(json.loads(await answer("nan"))["ErrCode"])
    with pytest.raises(RecursionError):
        json.loads(await answer("deep"))
    assert isinstance(json.loads(await answer("wrong_types"))["Resp"], list)
    assert json.loads(await answer("no_id"))["Resp"] == {"credits": TEXT_COST}
    doubled = json.loads(await answer("duplicate_keys"), object_pairs_hook=list)
    assert [key for key, _ in doubled].count("ErrCode") == 2
    assert len(await answer("huge")) == 300_000
    assert len(await answer("gzip_bomb")) == 300_000
    assert await charged(sim) == 10


async def test_overridden_values(sim: RunningSimulator, vendor: Vendor) -> None:
    stale: dict[str, object] = {"kind": "override", "fields": {"credit_monthly": -5}}
    await sim.fault(stale, endpoint="pixverse.account.balance", times=1)
    assert [await vendor.balance() for _ in range(2)] == [895, 1000]


async def test_endless_headers(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "garbage", "what": "endless_headers"}, endpoint=SUBMIT)
    with pytest.raises(aiohttp.ClientError):
        await raw(vendor)


async def test_garbage_before_the_work(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "garbage", "what": "html", "when": "before"}, endpoint=SUBMIT)
    assert (await raw(vendor))[2].startswith(b"<html>")
    assert await charged(sim) == 0


async def test_redirects(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "redirect", "to": "http://169.254.169.254/"}, endpoint=SUBMIT)
    status, headers, _ = await raw(vendor)
    assert (status, headers["Location"]) == (302, "http://169.254.169.254/")


async def test_drip_is_slow_but_complete(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "drip", "bps": 20_000}, endpoint=SUBMIT)
    assert isinstance((await vendor.text()).content["video_id"], int)
    await sim.clear_faults()
    await sim.fault({"kind": "drip", "bps": 1}, endpoint=SUBMIT)
    with pytest.raises(TimeoutError):
        await raw(vendor, timeout=0.2)


@pytest.mark.parametrize(
    ("status", "refunds"), [(7, 1), (8, 1), (6, 0), (9, 0), ("weird", 0)], ids=str
)
async def test_finish_with(
    sim: RunningSimulator, vendor: Vendor, status: int | str, refunds: int
) -> None:
    await sim.fault({"kind": "finish_with", "status": status}, endpoint=SUBMIT)
    video = await vendor.finished_video()
    poll = (await vendor.poll(video)).content
    assert (poll["status"], poll["url"]) == (status, "")
    assert len(await sim.charges(kind="refund")) == refunds
    assert (await sim.concurrency(KEY))["running"] == 0


async def test_never_and_slow_finish(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "never_finish"}, endpoint=SUBMIT, nth=1)
    await sim.fault({"kind": "slow_finish", "seconds": 900}, endpoint=SUBMIT)
    never, slow = await vendor.video(), await vendor.video()
    sim.clock.advance(899)
    assert [await vendor.status(video) for video in (never, slow)] == [5, 5]
    sim.clock.advance(1)
    assert [await vendor.status(video) for video in (never, slow)] == [5, 1]


async def test_flapping_status_and_late_link(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault(
        [
            {"kind": "flap_status", "statuses": [5, 8, "?", 1]},
            {"kind": "late_url", "polls": 5},
            {"kind": "hide_polls", "polls": 0},
        ],
        endpoint=SUBMIT,
    )
    video = await vendor.finished_video()
    polls = [(await vendor.poll(video)).content for _ in range(6)]
    assert [poll["status"] for poll in polls] == [5, 8, "?", 1, 1, 1]
    assert [bool(poll["url"]) for poll in polls] == [False] * 5 + [True]


async def test_hidden_polls(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "hide_polls", "polls": 1}, endpoint=SUBMIT)
    video = await vendor.video()
    assert [(await vendor.poll(video)).code for _ in range(2)] == [500008, 0]


async def test_result_links_can_point_anywhere(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "result_url", "url": "http://10.0.0.1/x.mp4"}, endpoint=SUBMIT)
    assert await vendor.url(await vendor.finished_video()) == "http://10.0.0.1/x.mp4"


async def fetch(vendor: Vendor, url: str) -> tuple[int, str, bytes]:
    async with vendor.session.get(url) as file:
        return file.status, file.content_type, await file.read()


@pytest.mark.parametrize("endpoint", [SUBMIT, FILE])
async def test_spoilt_files(sim: RunningSimulator, vendor: Vendor, endpoint: str) -> None:
    """A file can be spoilt for good when it is ordered, or for one download."""

    async def spoilt(**action: object) -> tuple[int, str, bytes]:
        await sim.clear_faults()
        await sim.fault(dict(action), endpoint=endpoint)
        video = await vendor.finished_video()
        return await fetch(vendor, await vendor.url(video))

    for status in (403, 404, 410):
        assert (await spoilt(kind="url_status", status=status))[0] == status
    with pytest.raises(aiohttp.ClientPayloadError):
        await spoilt(kind="truncate_file", keep=0.5)
    status, _, short = await spoilt(kind="truncate_file", keep=0.5, with_length=False)
    assert status == 200
    assert 1000 < len(short) < 4000
    assert await spoilt(kind="empty_file") == (200, "video/mp4", b"")
    _, content_type, page = await spoilt(kind="wrong_type")
    assert (content_type, page[:9]) == ("video/mp4", b"<!doctype")


async def test_a_link_can_expire_for_one_video(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.fault({"kind": "expire_url", "seconds": 2}, endpoint=SUBMIT, nth=1)
    first, second = [await vendor.finished_video() for _ in range(2)]
    sim.clock.advance(3)
    assert (await fetch(vendor, await vendor.url(first)))[0] == 403
    assert (await fetch(vendor, await vendor.url(second)))[0] == 200


async def test_the_first_matching_rule_decides_and_hits_are_counted(
    sim: RunningSimulator, vendor: Vendor
) -> None:
    def refuse(code: int) -> dict[str, object]:
        return {"kind": "refuse", "err_code": code}

    await sim.faults(
        [
            {"id": "third", "match": {"endpoint": SUBMIT, "nth": 3}, "action": refuse(3)},
            {"id": "even", "match": {"endpoint": SUBMIT, "every": 2}, "action": refuse(2)},
            {"id": "fox", "match": {"prompt_contains": "fox"}, "action": refuse(9)},
            {"id": "post", "match": {"method": "delete"}, "action": refuse(8)},
        ]
    )
    codes = [(await vendor.text()).code for _ in range(5)]
    # The third request never reaches "even", so that rule counts 1, 2, then 4 as its third.
    assert codes == [0, 2, 3, 0, 2]
    assert (await vendor.text(prompt="a fox")).code == 9
    assert await sim.unused_faults() == ["post"]
    hits = {rule["id"]: rule["hits"] for rule in (await sim.call("GET", "/faults"))["rules"]}
    assert hits == {"third": 1, "even": 2, "fox": 1, "post": 0}


async def test_sequence_times_after_and_account(
    sim: RunningSimulator, vendor: Vendor, other: Vendor
) -> None:
    codes = [{"kind": "refuse", "err_code": code} for code in (1, 2)]
    match = {"endpoint": SUBMIT, "account": KEY, "after": 1, "times": 3}
    await sim.faults([{"match": match, "sequence": codes}])
    assert [(await vendor.text()).code for _ in range(5)] == [0, 1, 2, 2, 0]
    assert (await other.text()).code == 0


async def test_probability_repeats_by_seed(sim: RunningSimulator, vendor: Vendor) -> None:
    async def run() -> list[int]:
        await sim.reset()
        rule: dict[str, Any] = {"kind": "refuse", "err_code": 1}
        await sim.fault(rule, endpoint="pixverse.account.balance", probability=0.5, seed=11)
        replies = [await vendor.ask("GET", "/account/balance") for _ in range(20)]
        return [reply.code for reply in replies]

    first = await run()
    assert first == await run()
    assert set(first) == {0, 1}


async def test_polls_match_the_prompt_and_trace_of_their_video(
    sim: RunningSimulator, vendor: Vendor
) -> None:
    video, other_video = await vendor.video(prompt="a fox"), await vendor.video()
    await sim.fault({"kind": "status"}, endpoint=POLL, prompt_contains="fox")
    poll = f"{sim.pixverse_url}/video/result"
    async with vendor.session.get(f"{poll}/{video}", headers=vendor.headers()) as answer:
        assert answer.status == 502
    assert await vendor.status(other_video) == 5


async def test_resets_and_drops_under_uvloop() -> None:
    """The server by hand runs on another event loop, whose sockets behave differently."""
    config = Config(accounts=accounts(), settings=Settings(generation_seconds=0, media="tiny"))
    async with spawned_simulator(config) as sim, aiohttp.ClientSession() as session:
        vendor = Vendor(sim, session, KEY)
        broken: tuple[dict[str, object], ...] = (
            {"kind": "reset"},
            {"kind": "reset", "at": "body"},
            {"kind": "accept_then_drop"},
            {"kind": "garbage", "what": "endless_headers"},
        )
        for action in broken:
            await sim.clear_faults()
            await sim.fault(action, endpoint=SUBMIT)
            with pytest.raises(aiohttp.ClientError):
                await raw(vendor)
        assert len(await sim.charges()) == 4
        await sim.clear_faults()
        await sim.fault({"kind": "truncate_file", "with_length": False}, endpoint=FILE)
        status, _, short = await fetch(vendor, await vendor.url(await vendor.video()))
        assert (status, len(short) > 1000) == (200, True)


def test_a_frozen_clock_waits_for_advance() -> None:
    clock = Clock(frozen=5.0)
    assert clock.real_delay(6.0) is None
    clock.advance(1)
    assert clock.real_delay(6.0) == 0.0
    assert Clock().real_delay(0) == 0.0
