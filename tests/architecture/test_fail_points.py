"""Every fail point that is listed is placed, and nothing else is."""

import re
from pathlib import Path

import pixsim7_backend
from pixsim7_backend.shared.fail_points import FAIL_POINTS

PACKAGE = Path(pixsim7_backend.__file__).parent
CALL = re.compile(r'fail_point\(\s*"([a-z0-9_.]+)"')


def test_the_list_is_what_the_code_has() -> None:
    placed = {name for path in PACKAGE.rglob("*.py") for name in CALL.findall(path.read_text())}
    assert placed == FAIL_POINTS
