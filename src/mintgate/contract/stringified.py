"""JSON as ECMAScript's `JSON.stringify` prints it: what a receiver in JavaScript signs and checks.

Receivers parse an event and print its payload again to verify the signature over it [EVT-6]. So
our bytes must be those of `JSON.stringify` (ECMA-262 §25.5.2): compact, members in their order, the
short escapes where there are some, `\\u` with lower-case digits for other control characters and
for surrogates without their other half, and every other character as itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

Value = str | bool | None | Mapping[str, "Value"]
"""What events hold. Numbers are left out: Python and ECMAScript print some differently. So are
names of members such as `"1"`, which ECMAScript moves to the front."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def stringified(value: Value) -> bytes:
    """The UTF-8 of `JSON.stringify(value)`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Two surrogates that Python holds apart are one character of an ECMAScript string.
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
