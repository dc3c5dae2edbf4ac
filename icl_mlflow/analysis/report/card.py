"""The card of a result in a notebook: a small table, and the link to its run."""

from collections.abc import Mapping
from html import escape


def card(title: str, rows: Mapping[str, str], link: str) -> str:
    """A result as HTML; nothing in it is taken for markup.

    >>> card("A-baseline-seed0", {"accuracy": "0.78"}, "http://localhost/#/runs/1")
    '<table><caption><a href="http://localhost/#/runs/1">A-baseline-seed0</a>\
</caption><tr><th>accuracy</th><td>0.78</td></tr></table>'
    """
    lines = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    head = f'<a href="{escape(link)}">{escape(title)}</a>'
    return f"<table><caption>{head}</caption>{lines}</table>"
