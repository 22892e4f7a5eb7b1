"""Letters in words: plain text, and a small HTML page that loads nothing from anywhere."""

from __future__ import annotations

import textwrap
from html import escape

from mintgate.contract.instance import Instance
from mintgate.identity.endpoints.account_endpoint import FORGOTTEN_PATH
from mintgate.identity.mail.letters import Content, Kind, Letter
from mintgate.sites.accounts.words import WORDS
from mintgate.sites.languages import best_language

_PAGE = """<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\
<meta name="color-scheme" content="light dark"><title>{subject}</title></head>
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif">
<div style="max-width:34em;margin:0 auto">
<p style="font-weight:600;opacity:.75">{instance}</p>
{parts}
</div>
</body>
</html>
"""
_BUTTON = """<p style="margin:28px 0"><a href="{url}" style="display:inline-block;\
padding:12px 20px;border-radius:8px;background:#1f5fbf;color:#ffffff;text-decoration:none;\
font-weight:600">{text}</a></p>
<p style="font-size:14px;opacity:.75;overflow-wrap:anywhere">{url}</p>"""


class SiteLetters:
    """Implements `mintgate.identity.mail.letters.Letters` for one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def write(self, kind: Kind, content: Content) -> Letter:
        language = best_language([content.language], None)
        words = WORDS[kind]
        values = {"instance": self._instance.shown_name, "login": content.login}

        def said(sentence: str) -> str:
            return language.gettext(sentence) % values

        url = self._instance.issuer + FORGOTTEN_PATH if words.asks_anew else content.link
        button = said(words.button) if words.button is not None else None
        before, after = [said(s) for s in words.before], [said(s) for s in words.after]
        lines, parts = [*map(_wrapped, before)], [*map(_paragraph, before)]
        if button is not None and url is not None:
            lines.append(f"{button}:\n{url}")  # never wrapped
            parts.append(_BUTTON.format(url=escape(url), text=escape(button)))
        lines += map(_wrapped, after)
        parts += map(_paragraph, after)
        subject = said(words.subject)
        page = _PAGE.format(
            language=language.code,
            subject=escape(subject),
            instance=escape(self._instance.shown_name),
            parts="\n".join(parts),
        )
        text = "\n\n".join([*lines, f"-- \n{self._instance.shown_name}\n{self._instance.base_url}"])
        return Letter(subject=subject, text=text + "\n", html=page, language=language.code)


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, 72, break_long_words=False, break_on_hyphens=False)


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"
