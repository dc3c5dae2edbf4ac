"""Circuits say what the weights do, however a head's factors share it out."""

from collections.abc import Callable

import torch
from torch import Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.attention.circuits import (
    by_turning,
    label_share,
    point_circuits,
    similarity,
)
from icl_mlflow.models import Transformer

SubjectOf = Callable[..., Subject]
IN_PROJ = "transformer.layers.0.self_attn.in_proj_"


def transformer(subject: Subject) -> Transformer:
    assert subject.transformer is not None
    return subject.transformer


def test_in_the_first_block_the_circuit_is_the_score(subject_of: SubjectOf) -> None:
    """What a query's and a point's x say together: the mixed difference of scores."""
    for variant in ("baseline", "interleaved"):
        model = transformer(subject_of(variant=variant, n_heads=2)).double()
        circuit_HDD = point_circuits(model)[0]
        rng = torch.Generator().manual_seed(0)
        x_D, query_D = torch.randn(2, 3, generator=rng, dtype=torch.float64)

        def score_H(x: Tensor, query: Tensor, model: Transformer = model) -> Tensor:
            name = "blocks.0.attn.hook_attn_scores"
            context = x.view(1, 1, 3)
            label = torch.ones(1, 1)
            _, cache = model.run_with_cache(context, label, query[None], names=[name])
            found: Tensor = cache[name][0, :, -1, 0]
            return found

        none = torch.zeros_like(x_D)
        mixed_H = score_H(x_D, query_D) - score_H(x_D, none)
        mixed_H = mixed_H - score_H(none, query_D) + score_H(none, none)
        expected_H = torch.einsum("i,hij,j->h", query_D, circuit_HDD, x_D)
        torch.testing.assert_close(mixed_H, expected_H, rtol=0, atol=1e-10)


def test_a_map_that_queries_and_keys_share_out_changes_nothing(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(n_heads=2)
    model = transformer(subject)
    before, answers_B = point_circuits(model), subject.logit_B
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for kind in ("weight", "bias"):
            parameter = model.get_parameter(f"{IN_PROJ}{kind}")
            rng.manual_seed(0)
            for head in range(2):
                gauge = torch.eye(8) + 0.3 * torch.randn(8, 8, generator=rng)
                here = slice(8 * head, 8 * head + 8)
                parameter[:16][here] = gauge @ parameter[:16][here]
                inverse = torch.linalg.inv(gauge).T
                parameter[16:32][here] = inverse @ parameter[16:32][here]
    torch.testing.assert_close(point_circuits(model), before, rtol=0, atol=1e-5)
    seen = subject.truth.seen
    again_B = model(seen.context_x_BND, seen.context_y_BN, seen.query_x_BD).detach()
    torch.testing.assert_close(again_B.double(), answers_B, rtol=0, atol=1e-4)


def test_likeness_to_the_query_is_the_cosine_with_the_identity() -> None:
    eye = torch.eye(16, dtype=torch.float64)
    skew = torch.triu(torch.ones(16, 16, dtype=torch.float64), 1)
    circuits = torch.stack([eye, -3 * eye, skew - skew.T, 0 * eye])
    expected = torch.tensor([1.0, -1.0, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(similarity(circuits), expected)


def test_chance_is_seldom_taken_for_likeness() -> None:
    rng = torch.Generator().manual_seed(3)
    by_chance = torch.randn(4, 50, 8, 8, generator=rng, dtype=torch.float64)
    p = by_turning(by_chance, rng)
    assert 0.01 < float((p <= 0.05).double().mean()) < 0.1
    alike = torch.eye(8, dtype=torch.float64).expand(1, 1, 8, 8)
    assert float(by_turning(alike, rng)) < 0.001


def test_a_head_that_reads_labels_alone_writes_labels_alone(
    subject_of: SubjectOf,
) -> None:
    model = transformer(subject_of(n_heads=2))
    with torch.no_grad():
        label_M = model.get_parameter("y_proj.weight")[:, 0]
        x_MD = model.get_parameter("x_proj.weight")
        orthogonal_M = label_M - x_MD @ torch.linalg.lstsq(x_MD, label_M).solution
        value = model.get_parameter(f"{IN_PROJ}weight")[32:]
        value[:8] = orthogonal_M.expand(8, -1)
        direction_M = torch.linalg.qr(label_M[:, None], mode="complete").Q[:, 1]
        value[8:] = direction_M.expand(8, -1)
    share_H = label_share(model)[0]
    assert float(share_H[0]) > 1 - 1e-6
    assert float(share_H[1]) < 1e-6
