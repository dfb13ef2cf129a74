"""Cursors of lists: opaque, exact, and refused when they are not ours."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.errors import InvalidPayload
from gateway.protocol import cursors
from gateway.protocol.wire import Moment


def test_a_cursor_is_decoded_to_its_sort_key() -> None:
    moment = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
    assert cursors.decode(cursors.encode((moment, "demo")), tuple[Moment, str]) == (moment, "demo")
    key = UUID(int=7)
    assert cursors.decode(cursors.encode((None, key)), tuple[Moment | None, UUID]) == (None, key)
    assert cursors.decode(cursors.encode((2**40,)), tuple[int]) == (2**40,)


@pytest.mark.parametrize(
    ("items", "shown", "following"), [([], [], None), ([1, 2], [1, 2], None), ([1, 2, 3], [1, 2], 2)]
)
def test_a_page_has_a_cursor_if_there_are_more_items(items: list[int], shown: list[int], following: int | None) -> None:
    expected = None if following is None else cursors.encode((following,))
    assert cursors.page(items, 2, lambda item: (item,)) == (shown, expected)


def test_a_cursor_needs_no_url_encoding() -> None:
    assert all(character.isalnum() or character in "-_" for character in cursors.encode(("ÿ>?~", 1)))


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "====", "ÿ", "bm90IGpzb24", cursors.encode(("1",)), cursors.encode((1, 2))],
)
def test_invalid_cursors_are_refused(cursor: str) -> None:
    with pytest.raises(InvalidPayload):
        cursors.decode(cursor, tuple[int])
