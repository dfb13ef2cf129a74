"""Cursors of lists: opaque, exact, and refused when they are not ours."""

from datetime import UTC, datetime

import pytest

from gateway.errors import InvalidPayload
from gateway.protocol import cursors


def test_a_cursor_is_decoded_to_its_sort_key() -> None:
    moment = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
    cursor = cursors.encode((moment.isoformat(), "demo"))
    assert cursors.decode(cursor, tuple[datetime, str]) == (moment, "demo")
    assert cursors.decode(cursors.encode((2**40,)), tuple[int]) == (2**40,)


def test_a_cursor_needs_no_url_encoding() -> None:
    assert all(character.isalnum() or character in "-_" for character in cursors.encode(("ÿ>?~", 1)))


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "====", "ÿ", "bm90IGpzb24", cursors.encode(("1",)), cursors.encode((1, 2))],
)
def test_invalid_cursors_are_refused(cursor: str) -> None:
    with pytest.raises(InvalidPayload):
        cursors.decode(cursor, tuple[int])
