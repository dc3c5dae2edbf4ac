"""A model is looked into in chunks of bounded size, which together are the whole."""

from collections.abc import Callable

import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.internals import (
    no_internals,
    traces,
    transformer_of,
)

SubjectOf = Callable[..., Subject]


@pytest.mark.parametrize("n_context", [5, 800])
def test_chunks_together_are_the_whole(n_context: int, subject_of: SubjectOf) -> None:
    subject = subject_of(
        episodes=12 if n_context > 5 else 3_000, n_context=n_context, d_model=8
    )
    parts = list(traces(transformer_of(subject), subject.truth.seen))
    assert len(parts) > 1
    logit_B = torch.cat([part.logit_B for part in parts]).double()
    torch.testing.assert_close(logit_B, subject.logit_B, rtol=1e-4, atol=1e-5)
    for part in parts:
        n_episodes, _, n_tokens, _ = part.pattern_BHSS[0].shape
        assert n_tokens == n_context + 1
        assert n_episodes * n_tokens <= 256 * 33  # points
        assert n_episodes * n_tokens**2 <= 2**22  # and pairs of them
    assert not parts[0].logit_B.requires_grad


def test_a_stand_in_has_no_inside(
    subject_of: SubjectOf, stand_in_of: SubjectOf
) -> None:
    subject = subject_of()
    assert no_internals(subject) is None
    assert transformer_of(subject) is subject.transformer
    stand_in = stand_in_of(lambda task, seen: task.bayes_logit(seen))
    reason = no_internals(stand_in)
    assert reason == "stand-in is not a transformer: it has no layers to look into"
    with pytest.raises(ValueError, match=reason):
        transformer_of(stand_in)
