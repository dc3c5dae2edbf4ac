"""Contracts of every model: padding is invisible, many models answer as each alone."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from icl_mlflow.models import FAMILIES, Architecture, InContextModel
from tests.models.small import SMALL, draw, inputs

EXACT = {"rtol": 0.0, "atol": 1e-12}
ARCHITECTURES = {
    "baseline": SMALL,
    "one_layer": replace(SMALL, n_layers=1),
    "hidden_query": replace(SMALL, query_hidden=True, n_layers=3),
    "interleaved": replace(SMALL, embedding="interleaved"),
    "x_only": replace(SMALL, embedding="x_only"),
    "pre_norm": replace(SMALL, norm="pre"),
    "linear_attention": replace(SMALL, attention="linear"),
    "mlp": replace(SMALL, family="mlp", positions=13),
    "lstm": replace(SMALL, family="lstm"),
}
every = pytest.mark.parametrize("name", ARCHITECTURES)


def built(architecture: Architecture) -> InContextModel:
    model = FAMILIES[architecture.family](architecture, copied_layers=False).double()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=rng, dtype=value.dtype))
    return model


def answers(
    model: InContextModel,
    points: tuple[Tensor, Tensor, Tensor],
    lengths_B: Tensor | None = None,
    n_queries: int = 1,
) -> Tensor:
    """As a training step asks."""
    return model.logits(
        dict(model.named_parameters()),
        model.features(*points),
        n_queries=n_queries,
        lengths_B=lengths_B,
    )


@every
@pytest.mark.parametrize("n_queries", [1, 3])
def test_a_padded_episode_has_the_logit_of_the_short_one(
    name: str, n_queries: int
) -> None:
    model = built(ARCHITECTURES[name])
    x_BND, y_BN, query_x_BD = inputs(draw(), torch.float64)
    query_x_BQD = torch.stack([query_x_BD + i for i in range(n_queries)], dim=1)
    lengths_B = torch.arange(len(y_BN)) % 13
    padded = answers(model, (x_BND, y_BN, query_x_BQD), lengths_B, n_queries)
    for row, length in enumerate(lengths_B.tolist()):
        here = slice(row, row + 1)
        short = (x_BND[here, :length], y_BN[here, :length], query_x_BQD[here])
        torch.testing.assert_close(
            padded.view(-1, n_queries)[row],
            answers(model, short, n_queries=n_queries),
            **EXACT,
        )
    is_here_BN = torch.arange(12) < lengths_B.unsqueeze(-1)
    other_BND = torch.where(is_here_BN.unsqueeze(-1), x_BND, 1e3)
    again = answers(model, (other_BND, y_BN, query_x_BQD), lengths_B, n_queries)
    torch.testing.assert_close(again, padded, **EXACT)


@every
def test_a_context_of_full_length_is_not_padded(name: str) -> None:
    model = built(ARCHITECTURES[name])
    points = inputs(draw(), torch.float64)
    full_B = torch.full((len(points[1]),), 12)
    torch.testing.assert_close(answers(model, points, full_B), model(*points), **EXACT)


@every
def test_queries_to_one_context_are_answered_as_each_alone(name: str) -> None:
    """Where the context does not see them, which many queries make sure of."""
    if name in {"mlp", "lstm"}:
        architecture = ARCHITECTURES[name]
    else:
        architecture = replace(ARCHITECTURES[name], query_hidden=True)
    model = built(architecture)
    x_BND, y_BN, query_x_BD = inputs(draw(), torch.float64)
    several = torch.stack([query_x_BD, query_x_BD + 1], dim=1)
    both = answers(model, (x_BND, y_BN, several), n_queries=2).view(-1, 2)
    for index in range(2):
        alone = model(x_BND, y_BN, several[:, index])
        torch.testing.assert_close(both[:, index], alone, **EXACT)


@every
def test_many_models_answer_at_once_as_each_alone(name: str) -> None:
    models = [built(ARCHITECTURES[name]) for _ in range(2)]
    with torch.no_grad():
        for value in models[1].parameters():
            value.mul_(1.1)
    each = [dict(model.named_parameters()) for model in models]
    stacked = {key: torch.stack([one[key] for one in each]) for key in each[0]}
    points = inputs(draw(), torch.float64)
    features = models[0].features(*points).expand(2, -1, -1, -1)
    lengths = (torch.arange(len(points[1])) % 13).expand(2, -1)

    def answer(parameters: dict[str, Tensor], seen: Tensor, n: Tensor) -> Tensor:
        return models[0].logits(parameters, seen, lengths_B=n, may_fuse=False)

    together = torch.vmap(answer)(stacked, features, lengths)
    for model, found in zip(models, together, strict=True):
        torch.testing.assert_close(found, answers(model, points, lengths[0]), **EXACT)
