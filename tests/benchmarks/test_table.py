"""Tables: aligned Markdown, and medians of ratios within rounds."""

from benchmarks.table import Table, milliseconds, percent, short, spread, times


def test_markdown_is_aligned() -> None:
    table = Table(
        title="Steps",
        columns=("loop", "ms"),
        rows=[("plain", "94.9"), ("ours, fp32", "36")],
        note="One thread.",
    )
    assert table.markdown() == (
        "## Steps\n"
        "\n"
        "One thread.\n"
        "\n"
        "| loop       |   ms |\n"
        "|------------|-----:|\n"
        "| plain      | 94.9 |\n"
        "| ours, fp32 |   36 |\n"
    )


def test_a_ratio_is_taken_within_rounds() -> None:
    """A machine that is slow for a round is so for both."""
    assert times([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == "2.00x"


def test_numbers_have_three_digits() -> None:
    assert [short(x) for x in (0.12345, 9.996, 36.04, 99.96, 1234.5)] == [
        "0.123",
        "10.0",
        "36.0",
        "100",
        "1234",
    ]
    assert milliseconds([0.004, 0.002, 0.003]) == "3.00"
    assert spread([0.004, 0.002, 0.003]) == "2.00 to 4.00"
    assert [percent(x) for x in (0.0042, 0.39)] == ["0.42 %", "39 %"]
