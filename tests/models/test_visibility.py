"""Where the query is hidden the context knows nothing of it, and answers many."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import EMBEDDINGS, Architecture, Transformer
from icl_mlflow.models.forward import logits, logits_from_heads
from icl_mlflow.models.visibility import hiding_mask
from icl_mlflow.tasks.shifted_mean import ShiftedMean

Build = Callable[[Architecture, torch.dtype], Transformer]

HIDDEN = Architecture(
    dim=4, positions=25, d_model=24, n_layers=3, n_heads=3, query_hidden=True
)
EXACT = {"rtol": 0.0, "atol": 1e-12}

every_embedding = pytest.mark.parametrize("embedding", EMBEDDINGS)


def draw(n_context: int = 12) -> Episodes:
    return ShiftedMean(dim=4, tau=1.0).sample(8, n_context, stream="test")


def inputs(episodes: Episodes) -> tuple[Tensor, Tensor, Tensor]:
    x_BND, query_x_BD = episodes.context_x_BND, episodes.query_x_BD
    return x_BND.double(), episodes.context_y_BN, query_x_BD.double()


@every_embedding
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_it_is_torchs_encoder_under_a_mask(
    embedding: str, n_layers: int, randomised: Build, reference: type[nn.Module]
) -> None:
    architecture = replace(HIDDEN, embedding=embedding, n_layers=n_layers)
    model = randomised(architecture, torch.float64)
    with torch.random.fork_rng():
        torchs = reference(architecture).double()
    torchs.load_state_dict(model.state_dict(), strict=True)
    tokens_BSM = torchs.tokens(*inputs(draw()))
    hidden_SS = torch.zeros(tokens_BSM.shape[1], tokens_BSM.shape[1], dtype=torch.bool)
    hidden_SS[:-1, -1] = True
    stream_BSM = torchs.transformer(tokens_BSM, mask=hidden_SS)
    expected_B = torchs.head(stream_BSM[:, -1])[:, 0]
    torch.testing.assert_close(model(*inputs(draw())), expected_B, **EXACT)


@every_embedding
def test_the_trace_takes_the_same_road(embedding: str, randomised: Build) -> None:
    model = randomised(replace(HIDDEN, embedding=embedding), torch.float64)
    trace = model.trace(*inputs(draw()))
    torch.testing.assert_close(trace.logit_B, model(*inputs(draw())), **EXACT)
    for pattern_BHSS in trace.pattern_BHSS:
        assert not pattern_BHSS[:, :, :-1, -1].any()
        assert (pattern_BHSS[:, :, -1] > 0).all()


def test_it_goes_on_from_any_block(randomised: Build) -> None:
    model = randomised(HIDDEN, torch.float64)
    trace = model.trace(*inputs(draw()))
    for index, head_output_BHSK in enumerate(trace.head_output_BHSK):
        logit_B = logits_from_heads(
            dict(model.named_parameters()),
            HIDDEN,
            index,
            trace.residual_BSM[index],
            head_output_BHSK,
        )
        torch.testing.assert_close(logit_B, trace.logit_B, **EXACT)


def test_the_context_does_not_change_with_the_query(randomised: Build) -> None:
    x_BND, y_BN, query_x_BD = inputs(draw())
    seen, hidden = (
        randomised(replace(HIDDEN, query_hidden=h), torch.float64)
        for h in (False, True)
    )
    for model, is_same in ((hidden, True), (seen, False)):
        one = model.trace(x_BND, y_BN, query_x_BD).residual_BSM[-1][:, :-1]
        other = model.trace(x_BND, y_BN, query_x_BD + 1).residual_BSM[-1][:, :-1]
        assert torch.equal(one, other) == is_same


@every_embedding
@pytest.mark.parametrize("n_context", [12, 130])
def test_several_queries_are_answered_as_each_alone(
    embedding: str, n_context: int, randomised: Build
) -> None:
    """Also by a model that was built to see its one query; with long contexts too."""
    for query_hidden in (True, False):
        architecture = replace(
            HIDDEN, embedding=embedding, positions=300, query_hidden=query_hidden
        )
        model = randomised(architecture, torch.float64)
        x_BND, y_BN, query_x_BD = inputs(draw(n_context))
        query_x_BQD = torch.stack([query_x_BD, -query_x_BD, query_x_BD + 1], dim=1)
        parameters = dict(model.named_parameters())
        features_BSF = model.features(x_BND, y_BN, query_x_BQD)
        found_A = logits(parameters, architecture, features_BSF, n_queries=3)
        hidden = replace(architecture, query_hidden=True)
        alone_BQ = torch.stack(
            [
                logits(parameters, hidden, model.features(x_BND, y_BN, query_x_BD))
                for query_x_BD in query_x_BQD.unbind(1)
            ],
            dim=1,
        )
        torch.testing.assert_close(found_A.view(-1, 3), alone_BQ, **EXACT)


def test_hidden_queries_see_the_context_and_themselves() -> None:
    mask_SS = hiding_mask(5, 2, torch.float64, torch.device("cpu"))
    assert mask_SS.exp().tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 0, 1],
    ]
