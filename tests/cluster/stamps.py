"""What every logged event says of itself. Used by the contract tests."""

import re
from typing import Any

FIELDS = {"room", "seq", "epoch", "at"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def unstamped(payload: dict[str, Any], room: str) -> dict[str, Any]:
    """Return a payload without its stamp and the `streamTime` of its data; the stamp must be one of this room."""
    stamp = {field: payload[field] for field in FIELDS}
    assert stamp["room"] == room
    assert isinstance(stamp["seq"], int)
    assert len(stamp["epoch"]) == 36
    assert MOMENT.fullmatch(stamp["at"])
    bare = {field: value for field, value in payload.items() if field not in FIELDS}
    timed = bare
    if "data" in bare:
        timed = bare["data"] = dict(bare["data"])
    assert timed.pop("streamTime", 0) >= 0
    return bare
