"""Pairs differ in what they are named after, and in nothing else."""

from collections.abc import Callable

import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.patching.pairs import ROLES, Pairs, pairs_of
from icl_mlflow.evaluation import excess_risk

SubjectOf = Callable[..., Subject]


def by_kind(subject: Subject, most: int = 24) -> dict[str, Pairs]:
    return {one.kind: one for one in pairs_of(subject, most)}


def test_a_label_flip_turns_exact_bayes_round(subject_of: SubjectOf) -> None:
    for task in ("A", "B"):
        subject = subject_of(task=task)
        one = by_kind(subject)["label flip"]
        seen, source = one.targets.seen, one.sources
        assert torch.equal(source.context_y_BN, 1 - seen.context_y_BN)
        assert torch.equal(source.context_x_BND, seen.context_x_BND)
        assert torch.equal(source.query_x_BD, seen.query_x_BD)
        turned_B = subject.task.bayes_logit(source)
        torch.testing.assert_close(turned_B, -one.targets.bayes_B, rtol=0, atol=1e-9)


def test_a_query_swap_is_another_query_of_the_same_problem(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(dim=8, separation=30.0)
    one = by_kind(subject)["query swap"]
    seen, source = one.targets.seen, one.sources
    assert torch.equal(source.context_x_BND, seen.context_x_BND)
    assert torch.equal(source.context_y_BN, seen.context_y_BN)
    assert (source.query_x_BD != seen.query_x_BD).any(1).all()
    # So far apart, exact Bayes knows the class: so both are of this problem's classes.
    logit_B = subject.task.bayes_logit(source)
    assert torch.equal(logit_B > 0, source.query_y_B == 1)


def test_a_shift_change_shares_all_random_numbers(subject_of: SubjectOf) -> None:
    subject = subject_of()
    one = by_kind(subject)["shift change"]
    seen, source = one.targets.seen, one.sources
    assert torch.equal(source.context_y_BN, seen.context_y_BN)
    moved_BND = source.context_x_BND - seen.context_x_BND
    # All points of an episode are moved alike: tau is three times as large.
    shift_BD = one.targets.episodes.latents["shift"]
    expected_BND = (2 * shift_BD).unsqueeze(1).expand_as(moved_BND)
    torch.testing.assert_close(moved_BND, expected_BND, rtol=0, atol=1e-4)
    moved_BD = source.query_x_BD - seen.query_x_BD
    torch.testing.assert_close(moved_BD, 2 * shift_BD, rtol=0, atol=1e-4)


def test_labels_that_are_not_shown_are_not_flipped(subject_of: SubjectOf) -> None:
    assert list(by_kind(subject_of(variant="no_labels"))) == [
        "query swap",
        "shift change",
    ]


def test_every_token_has_one_role(subject_of: SubjectOf) -> None:
    for variant, per_point in (("baseline", 1), ("interleaved", 2)):
        subject = subject_of(variant=variant)
        one = by_kind(subject)["label flip"]
        for run, known in one.runs(subject):
            assert tuple(known.roles) == ROLES
            masks_RBS = torch.stack(list(known.roles.values()))
            assert (masks_RBS.sum(0) == 1).all()
            assert masks_RBS.shape[-1] == 5 * per_point + 1
            assert masks_RBS[2].sum() == len(run.target_logit_B)
            seen = one.targets.seen
            first_BN = known.roles["same class"][:, : 5 * per_point : per_point]
            same_BN = seen.context_y_BN == seen.query_y_B.unsqueeze(1)
            assert torch.equal(first_BN, same_BN)


def test_an_effect_is_in_nats_over_the_targets_exact_bayes(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of()
    one = by_kind(subject)["label flip"]
    for run, known in one.runs(subject):
        effect_B = known.effect(run.source_logit_B, run.target_logit_B)
        bayes_B = one.targets.bayes_B
        risks = (run.source_logit_B.double(), run.target_logit_B.double())
        there_B, here_B = (excess_risk(each, bayes_B) for each in risks)
        torch.testing.assert_close(effect_B, there_B - here_B)


def test_pairs_are_no_more_than_were_asked_about(subject_of: SubjectOf) -> None:
    assert all(len(one.sources) == 24 for one in pairs_of(subject_of(), 100))
    assert all(len(one.sources) == 7 for one in pairs_of(subject_of(), 7))
