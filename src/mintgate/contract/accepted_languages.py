"""`Accept-Language` (RFC 9110 §12.5.4)."""

from __future__ import annotations


def accepted_languages(header: str | None) -> list[str]:
    """Languages of the header, those with the highest weight first; what is malformed is left out.

    Only the first 500 characters are looked at.
    """
    weighted: list[tuple[float, str]] = []
    for item in (header or "")[:500].split(","):
        name, _, parameter = item.partition(";")
        weight = parameter.strip().removeprefix("q=")
        try:
            quality = float(weight) if parameter else 1.0
        except ValueError:
            continue
        if quality > 0 and name.strip() != "*":
            weighted.append((quality, name.strip()))
    return [name for _, name in sorted(weighted, key=lambda pair: -pair[0])]
