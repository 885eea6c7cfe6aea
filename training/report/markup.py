"""HTML whose text can't become markup: what isn't `Html` is escaped where it is put in."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"br", "img", "meta"})


class Html(str):
    """Markup that is safe to put in as it is."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element; children are `Html` or anything whose text is shown.

    Attributes of None are left out; `class_` and `stroke_width` are written `class` and
    `stroke-width`.
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{joined(children)}</{name}>")


def joined(children: Iterable[object]) -> Html:
    """Return the children one after the other."""
    return Html(
        "".join(
            child if isinstance(child, Html) else escape(str(child), quote=False)
            for child in children
        )
    )


def table(head: Iterable[object], rows: Iterable[Iterable[object]], *, caption: str) -> Html:
    """Return a table whose first column names the rows; it scrolls where it's too wide."""
    header = element("tr", *(element("th", each, scope="col") for each in head))
    body = (
        element(
            "tr",
            *(
                element("td", cell) if number else element("th", cell, scope="row")
                for number, cell in enumerate(row)
            ),
        )
        for row in rows
    )
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", header),
            element("tbody", *body),
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )
