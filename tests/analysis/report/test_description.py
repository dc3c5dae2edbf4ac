"""A report says which episodes were asked about, and what was changed of them."""

from collections.abc import Callable

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.report.description import costly_text, episodes_text

SubjectOf = Callable[..., Subject]


def test_the_episodes_are_described_by_all_that_draws_them(
    subject_of: SubjectOf,
) -> None:
    assert episodes_text(subject_of(episodes=1_200)) == (
        "1,200 episodes of task A (dim = 3, tau = 3, separation = 1), each with 5 "
        "labelled points and a query, drawn with seed 0 from the stream “analysis”, "
        "which training never sees."
    )


def test_a_shift_is_told_with_what_was_learned(subject_of: SubjectOf) -> None:
    said = episodes_text(subject_of(shifts={"tau": 9.0}))
    assert "tau = 9, separation = 1; tau was 3 in training)" in said


def test_a_variant_that_changes_episodes_is_told(subject_of: SubjectOf) -> None:
    subject = subject_of(variant="shuffled_labels")
    does = subject.problem.variant.on_eval.does
    assert episodes_text(subject).endswith(
        f" To models of shuffled_labels they are shown with {does}."
    )
    assert "shown with" not in episodes_text(subject_of(variant="no_position"))


def test_questions_of_fewer_episodes_are_named_with_their_number() -> None:
    scoreboard, entropy = ANALYSES["scoreboard"], ANALYSES["entropy_error"]
    asked = [scoreboard.question, entropy.question]
    assert costly_text(asked, 5_000) == (
        f"Of fewer episodes, for their cost: {entropy.question} (2,000)"
    )
    assert costly_text(asked, 2_000) == ""
    assert costly_text([scoreboard.question], 5_000) == ""
