"""Text of others is shown as text, on every medium."""

import html

import pytest

from icl_mlflow.escaping import (
    for_csv,
    for_figure,
    for_latex,
    for_markdown,
    for_terminal,
    markdown_code,
    markdown_link,
)

#: Clears the screen, moves the cursor, turns the direction of writing, begins a line.
CONTROLS = "\x1b[2J \x07 \r \n \t \x00 \u202e \u2066 \x9b"


def test_nothing_that_a_terminal_would_obey_is_left() -> None:
    assert for_terminal(CONTROLS).isprintable()
    assert for_terminal("größer 中 ± ½") == "größer 中 ± ½"
    for medium in (for_latex, for_markdown, for_figure, markdown_code):
        assert "\x1b" not in medium(CONTROLS)
        assert "\n" not in medium(CONTROLS)


def test_the_ten_specials_of_latex_mean_nothing() -> None:
    escaped = for_latex("# $ % & ~ _ ^ \\ { }")
    assert escaped == (
        r"\# \$ \% \& \textasciitilde{} \_ \textasciicircum{} \textbackslash{} \{ \}"
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_would_be_a_formula_is_text(start: str) -> None:
    assert for_csv(f"{start}1+1") == f"'{start}1+1"
    assert for_csv(-1.5) == -1.5
    assert for_csv("a=b") == "a=b"


def test_markdown_shows_what_was_written() -> None:
    """Every character that could begin markup is behind a backslash, or an entity."""
    written = "<b>*a* `b` [x](y) | ~~c~~ _d_ & a_b [1, 2]"
    escaped = for_markdown(written)
    assert "<" not in escaped
    assert html.unescape(escaped).replace("\\", "") == written
    for sign in ("*", "`", "|", "~", "](", "_d"):
        assert escaped.count(sign) == escaped.count(f"\\{sign}"), sign
    assert "a_b [1, 2]" in escaped  # no markup, so nothing is in the way of reading


def test_a_link_ends_where_it_was_meant_to() -> None:
    hostile = markdown_link("a](http://evil)[b", "http://x/a) b")
    assert hostile == "[a\\](http://evil)\\[b](http://x/a%29%20b)"


@pytest.mark.parametrize("text", ["a", "a`b", "``", "`a", "a```b``"])
def test_no_backtick_ends_a_span_of_code(text: str) -> None:
    """The span is what lies between two equal fences, but for one space at the ends."""
    span = markdown_code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    inner = span.removeprefix(fence).removesuffix(fence)
    assert fence not in inner
    assert inner.strip(" ") == text


def test_a_dollar_begins_no_formula_in_a_figure() -> None:
    assert for_figure("$x$ and more") == r"\$x\$ and more"
