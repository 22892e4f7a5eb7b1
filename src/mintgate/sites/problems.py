"""What error pages say: what happened, and what to do now."""

from __future__ import annotations

import msgspec

from mintgate.contract.translating import translatable


class Problem(msgspec.Struct, frozen=True):
    """Texts of one error page.

    Args:
        leads_home: whether the way on is the first page of the instance.
    """

    title: str
    advice: str
    leads_home: bool = False


EXPIRED = Problem(
    translatable("This page has expired"),
    translatable(
        "It was open for too long, or its work is done already: you may be signed in now. "
        "Go back to the application and start again there."
    ),
)
FOREIGN_FORM = Problem(
    translatable("This form can't be accepted"),
    translatable(
        "It did not come from this site, or your browser blocks its cookies. "
        "Allow cookies for this site, go back to the application and start again."
    ),
)
NOT_ANSWERED = Problem(
    translatable("This request can't be answered"),
    translatable(
        "The application that brought you here has asked in a way that is not right. "
        "Go back to it and try again. If that does not help, "
        "give whoever runs the application the details below."
    ),
)
NOT_FOUND = Problem(
    translatable("There is no such page"),
    translatable("The address may be mistyped, or what was here has been removed."),
    leads_home=True,
)
NOT_ALLOWED = Problem(
    translatable("This page can't be opened like that"),
    translatable("It is reached by a button of another page. Start from there again."),
    leads_home=True,
)
FAILED = Problem(
    translatable("Something failed on our side"),
    translatable(
        "Try again in a moment. If it happens again, "
        "give whoever runs this service the number below."
    ),
)
UNAVAILABLE = Problem(
    translatable("The service can't answer right now"),
    translatable("It will be back soon. Wait a few seconds and try again."),
)


def of_refusal(description: str, status: int) -> Problem:
    """What a site of the instance says when it refuses something; the sentence is for people."""
    if status == 403:
        return Problem(translatable("This is not open to you"), description, leads_home=True)
    if status == 404:
        return Problem(translatable("It is not there"), description, leads_home=True)
    return Problem(translatable("This can't be done"), description, leads_home=True)


def of_status(status: int) -> Problem:
    """That of an HTTP status from 400 up."""
    if status == 405:
        return NOT_ALLOWED
    if status in {429, 503}:
        return UNAVAILABLE
    return FAILED if status >= 500 else NOT_FOUND
