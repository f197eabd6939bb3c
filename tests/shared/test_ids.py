"""Identifiers: unguessable, and ordered like time itself."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

from pixsim7_backend.shared.ids import new_id


def test_ids_made_in_one_breath_keep_their_order() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_of_several_threads_never_collide() -> None:
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: [new_id() for _ in range(2000)], range(4)))
    assert len({id_ for part in parts for id_ in part}) == 8000
    assert all(part == sorted(part) for part in parts)


def test_an_id_is_a_uuid_of_version_7_and_tells_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    # A burst of ids may run ahead of the clock, by 1/4096 ms each.
    assert before <= made.int >> 80 <= after + 50


def test_the_random_part_is_random() -> None:
    tails = {new_id().int & (2**62 - 1) for _ in range(1000)}
    assert len(tails) == 1000
