"""Where the query is hidden the context knows nothing of it, and answers many."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from icl_mlflow.models import EMBEDDINGS
from icl_mlflow.models.visibility import hiding_mask
from tests.models.small import SMALL, Build, draw, inputs

HIDDEN = replace(SMALL, n_layers=3, query_hidden=True)
EXACT = {"rtol": 0.0, "atol": 1e-12}

every_embedding = pytest.mark.parametrize("embedding", EMBEDDINGS)


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
    tokens_BSM = torchs.tokens(*inputs(draw(), torch.float64))
    hidden_SS = torch.zeros(tokens_BSM.shape[1], tokens_BSM.shape[1], dtype=torch.bool)
    hidden_SS[:-1, -1] = True
    stream_BSM = torchs.transformer(tokens_BSM, mask=hidden_SS)
    expected_B = torchs.head(stream_BSM[:, -1])[:, 0]
    torch.testing.assert_close(
        model(*inputs(draw(), torch.float64)), expected_B, **EXACT
    )


@every_embedding
def test_the_trace_takes_the_same_road(embedding: str, randomised: Build) -> None:
    model = randomised(replace(HIDDEN, embedding=embedding), torch.float64)
    trace = model.trace(*inputs(draw(), torch.float64))
    torch.testing.assert_close(
        trace.logit_B, model(*inputs(draw(), torch.float64)), **EXACT
    )
    for pattern_BHSS in trace.pattern_BHSS:
        assert not pattern_BHSS[:, :, :-1, -1].any()
        assert (pattern_BHSS[:, :, -1] > 0).all()


def test_the_context_does_not_change_with_the_query(randomised: Build) -> None:
    x_BND, y_BN, query_x_BD = inputs(draw(), torch.float64)
    seen, hidden = (
        randomised(replace(HIDDEN, query_hidden=h), torch.float64)
        for h in (False, True)
    )
    for model, is_same in ((hidden, True), (seen, False)):
        one = model.trace(x_BND, y_BN, query_x_BD).residual_BSM[-1][:, :-1]
        other = model.trace(x_BND, y_BN, query_x_BD + 1).residual_BSM[-1][:, :-1]
        assert torch.equal(one, other) == is_same


def test_hidden_queries_see_the_context_and_themselves() -> None:
    mask_SS = hiding_mask(5, 2, torch.float64, torch.device("cpu"))
    assert mask_SS.exp().tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 0, 1],
    ]
