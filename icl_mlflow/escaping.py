r"""Escaping: text of others, such as the name of a run, shown as text and no more.

One function a medium. Whoever may write to a tracking store names runs as he likes, and
a name may hold commands to a terminal, a formula, a macro, HTML.
"""

import re

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "_": r"\_",
        "%": r"\%",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "+": "{+}",
    }
)

#: What makes a spreadsheet take a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKDOWN = re.compile(r"[\\`*|~]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])")
_IN_LINK = re.compile(r"[\\`*|~\[\]]")


def for_terminal(text: str) -> str:
    r"""One line for a terminal: what does not print, as Python would write it.

    >>> for_terminal("a\x1b[2J\n\u202eb 中")
    'a\\x1b[2J\\n\\u202eb 中'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def for_latex(text: str) -> str:
    r"""Text in LaTeX: none of the ten special characters means anything.

    >>> for_latex("50 % of a_b ^ \\x")
    '50 \\% of a\\_b \\textasciicircum{} \\textbackslash{}x'
    """
    return for_terminal(text).translate(_LATEX)


def for_csv(value: object) -> object:
    """A cell of a table that a spreadsheet may open: text is never a formula.

    >>> [for_csv(v) for v in ("=1+1", "@x", "a=b", -1.5)]
    ["'=1+1", "'@x", 'a=b', -1.5]
    """
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def from_csv(value: object) -> object:
    """What `for_csv` was given.

    >>> [from_csv(for_csv(v)) for v in ("=1+1", "-0.5 0.1", "'a'", 2)]
    ['=1+1', '-0.5 0.1', "'a'", 2]
    """
    is_escaped = (
        isinstance(value, str) and value[:1] == "'" and value[1:].startswith(_FORMULA)
    )
    return value[1:] if isinstance(value, str) and is_escaped else value


def for_markdown(text: str) -> str:
    r"""Text on one line of Markdown: no HTML, no links or pictures, no emphasis.

    >>> for_markdown("<b>a_b [x](y) | [1, 2]")
    '&lt;b&gt;a_b [x\\](y) \\| [1, 2]'
    """
    return _MARKDOWN.sub(r"\\\g<0>", for_terminal(text)).translate(_HTML)


def markdown_link(text: str, url: str) -> str:
    r"""A link whose text is that of others.

    >>> markdown_link("a](b", "https://example.org")
    '[a\\](b](https://example.org)'
    """
    escaped = _IN_LINK.sub(r"\\\g<0>", for_terminal(text)).translate(_HTML)
    return f"[{escaped}]({url.replace(')', '%29').replace(' ', '%20')})"


def markdown_code(text: str) -> str:
    """A span of code in Markdown, which no backtick in it can end.

    >>> markdown_code("a`b")
    '``a`b``'
    """
    plain = for_terminal(text)
    longest = max(map(len, re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    inner = f" {plain} " if plain.startswith("`") or plain.endswith("`") else plain
    return f"{fence}{inner}{fence}"


def for_figure(text: str) -> str:
    r"""Text in a figure, where dollars would begin a formula.

    >>> for_figure("$x$")
    '\\$x\\$'
    """
    return for_terminal(text).replace("$", r"\$")
