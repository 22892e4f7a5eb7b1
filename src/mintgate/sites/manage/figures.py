"""The figures of the first page: what was issued and refused, drawn over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from mintgate.contract.translating import translatable
from mintgate.sites.charts import Chart, stacked_bars
from mintgate.sites.languages import Language
from mintgate.store.audit_counts import HOUR, REFUSED, Count


class Range(msgspec.Struct, frozen=True):
    """A time that can be looked at; `step` hours make a column."""

    key: str
    title: str
    hours: int
    step: int

    def first_hour(self, now: float) -> int:
        """Where the first column begins, in hours since 1970."""
        last = int(now // HOUR)
        return last - last % self.step - (self.hours - self.step)


RANGES = (
    Range("day", translatable("24 hours"), 24, 1),
    Range("week", translatable("7 days"), 7 * 24, 6),
    Range("month", translatable("30 days"), 30 * 24, 24),
)
_GRANTS = {
    "client_credentials": translatable("Services"),
    "authorization_code": translatable("Sign-ins"),
    "refresh_token": translatable("Renewals"),
    "PAT": translatable("Personal tokens"),
    "SAT": translatable("Service tokens"),
}
_CAUSES = {
    "invalid_client": translatable("Wrong credentials of an application"),
    "invalid_grant": translatable("A code or refresh token that is not good any more"),
    "invalid_token": translatable("A bad access token"),
    "invalid_request": translatable("A malformed request"),
    "invalid_scope": translatable("A scope that the application may not have"),
    "unauthorized_client": translatable("A flow that the application may not use"),
    "access_denied": translatable("Not allowed for this user"),
    "insufficient_scope": translatable("A token without the needed scope"),
    "insufficient_user_authentication": translatable("A sign-in that was too long ago"),
    "login_required": translatable("Nobody was signed in"),
    "unsupported_grant_type": translatable("An unknown grant"),
    "too_many_requests": translatable("Too many requests"),
    "MaximumLicenseCountExceeded": translatable("No licence was free"),
}
SHOWN_CAUSES = 4


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Args:
    causes: every cause of refusals with its number, the most frequent first.
    """

    issued: Chart
    refused: Chart
    causes: tuple[tuple[str, int], ...]


def range_of(key: str | None) -> Range:
    """The range of this key, else the first."""
    return next((one for one in RANGES if one.key == key), RANGES[0])


def figures(counts: Sequence[Count], over: Range, now: float, language: Language) -> Figures:
    """The charts of a range that ends `now` (Unix seconds)."""
    issued = Counter[tuple[int, str]]()
    refused = Counter[tuple[int, str]]()
    causes = Counter[str]()
    for count in counts:
        if count.event.endswith(REFUSED):
            refused[(count.hour, count.kind)] += count.events
            causes[count.kind] += count.events
        else:
            issued[(count.hour, count.kind)] += count.events
    return Figures(
        issued=_chart(issued, tuple(_GRANTS), over, now, language),
        refused=_refused(refused, causes, over, now, language),
        causes=tuple((_text(kind, language), n) for kind, n in causes.most_common()),
    )


def _refused(
    sums: Counter[tuple[int, str]],
    causes: Counter[str],
    over: Range,
    now: float,
    language: Language,
) -> Chart:
    """The most frequent causes each by itself, the others together."""
    shown = [kind for kind, _ in causes.most_common(SHOWN_CAUSES)]
    if len(causes) <= SHOWN_CAUSES:
        return _chart(sums, shown, over, now, language)
    others = Counter[tuple[int, str]]()
    for (hour, kind), number in sums.items():
        others[(hour, kind if kind in shown else "")] += number
    return _chart(others, [*shown, ""], over, now, language)


def _chart(
    sums: Counter[tuple[int, str]],
    kinds: Sequence[str],
    over: Range,
    now: float,
    language: Language,
) -> Chart:
    first = over.first_hour(now)
    hours = range(first, first + over.hours, over.step)
    rows = [(label, [sums[(hour, k)] for k in kinds]) for hour, label in _labels(hours, language)]
    return stacked_bars([_text(kind, language) for kind in kinds], rows)


def _text(kind: str, language: Language) -> str:
    if not kind:
        return language.gettext(translatable("Others"))
    text = _GRANTS.get(kind) or _CAUSES.get(kind)
    return language.gettext(text) if text else kind


def _labels(hours: range, language: Language) -> Iterable[tuple[int, str]]:
    from babel.dates import format_datetime, format_skeleton

    for hour in hours:
        at = datetime.fromtimestamp(hour * HOUR, UTC)
        if hours.step == 1:
            yield hour, format_datetime(at, "HH:mm", locale=language.code)
        else:
            yield hour, format_skeleton("MMMd", at, locale=language.code)
