"""Keyset pages."""

import pytest

from pixsim7_backend.shared.errors import InvalidInput
from pixsim7_backend.shared.ids import new_id
from pixsim7_backend.shared.pagination import decode_cursor, encode_cursor, page_of


def test_a_cursor_comes_back_as_it_went() -> None:
    made = new_id()
    assert decode_cursor(encode_cursor(made)) == made
    assert decode_cursor(None) is None


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "a" * 5000, "AAAA", "naïve", "../../etc"])
def test_anything_else_is_refused_in_words(cursor: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        decode_cursor(cursor)
    assert raised.value.fields[0].field == "cursor"


def test_the_last_page_has_no_cursor() -> None:
    ids = [new_id() for _ in range(3)]
    page = page_of(ids, 2, lambda item: item)
    assert page.items == ids[:2]
    assert page.next_cursor == encode_cursor(ids[1])
    assert page_of(ids[:2], 2, lambda item: item).next_cursor is None
