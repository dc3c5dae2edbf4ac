"""The page of methods and circuits: every cell that is not right has its reason."""

from pathlib import Path

from benchmarks.known_circuits.methods import METHODS
from benchmarks.known_circuits.reasons import REASONS
from benchmarks.known_circuits.report import is_right, page
from benchmarks.known_circuits.verdicts import VERDICTS
from icl_mlflow.compiled import CIRCUITS

PAGE = Path(__file__).parents[3] / "benchmarks" / "results" / "known_circuits.md"


def test_a_cell_is_right_or_stands_below_with_a_reason() -> None:
    found: dict[tuple[str, str], float | str] = {
        ("OV alignment", "class_means"): 0.5,
        ("OV alignment", "kernel_vote"): 1.0,
        ("symmetry", "class_means"): "right",
        ("symmetry", "kernel_vote"): "centring: 0.0001 nats",
    }
    assert [is_right(value) for value in found.values()] == [False, True, True, False]
    text = page(found, 100)
    assert "2 of 4 cells are right" in text
    assert "| OV alignment | heads that matter | 0.50 | 1.00 |" in text
    assert "- **OV alignment** on `class_means` (0.50): " in text
    assert "- **symmetry** on `kernel_vote` (centring: 0.0001 nats): " in text


def test_the_committed_page_has_every_method_and_every_reason() -> None:
    text = PAGE.read_text()
    for name in (*(method.name for method in METHODS), *VERDICTS, *CIRCUITS):
        assert name in text
    assert "not known" not in text
    methods = {method.name for method in METHODS} | set(VERDICTS)
    for method, circuit in REASONS:
        assert method in methods
        assert circuit in CIRCUITS or not circuit
