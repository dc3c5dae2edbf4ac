"""The fast path is exact: fused or not, from any block on, for one query or many."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from icl_mlflow.models import EMBEDDINGS
from icl_mlflow.models.forward import logits, logits_from_heads
from tests.models.small import SMALL, Build, Paired, draw, inputs, relative

HIDDEN = replace(SMALL, n_layers=3, query_hidden=True)
EXACT = {"rtol": 0.0, "atol": 1e-12}

every_embedding = pytest.mark.parametrize("embedding", EMBEDDINGS)


class CountFusedAttention(TorchFunctionMode):
    """Counts the calls of torch's fused attention."""

    calls = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        self.calls += function is nn.functional.scaled_dot_product_attention
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("n_context", "fused"), [(126, False), (127, True)])
def test_long_contexts_use_the_fused_kernel_and_agree(
    n_context: int, fused: bool, paired: Paired
) -> None:
    architecture = replace(SMALL, positions=200, n_layers=3)
    model, torchs = paired(architecture, torch.float64)
    episodes = inputs(draw(n_context, 4), torch.float64)
    with CountFusedAttention() as count:
        logit_B = model(*episodes)
    assert bool(count.calls) == fused
    assert relative(logit_B, torchs(*episodes)) <= 1e-12
    assert relative(logit_B, model.trace(*episodes).logit_B) <= 1e-12


def test_it_goes_on_from_any_block(randomised: Build) -> None:
    model = randomised(HIDDEN, torch.float64)
    trace = model.trace(*inputs(draw(), torch.float64))
    for index, head_output_BHSK in enumerate(trace.head_output_BHSK):
        logit_B = logits_from_heads(
            dict(model.named_parameters()),
            HIDDEN,
            index,
            trace.residual_BSM[index],
            head_output_BHSK,
        )
        torch.testing.assert_close(logit_B, trace.logit_B, **EXACT)


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
        x_BND, y_BN, query_x_BD = inputs(draw(n_context, 8), torch.float64)
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


def test_what_each_head_gets_from_the_keys_bias_cancels(randomised: Build) -> None:
    """A bias of the keys shifts all scores of a query alike: no answer moves."""
    model = randomised(HIDDEN, torch.float64)
    episode = inputs(draw(), torch.float64)
    before_B = model(*episode)
    with torch.no_grad():
        for layer in range(HIDDEN.n_layers):
            name = f"transformer.layers.{layer}.self_attn.in_proj_bias"
            model.get_parameter(name)[24:48] += 3.0
    torch.testing.assert_close(model(*episode), before_B, **EXACT)


def test_the_rows_of_a_batch_do_not_see_each_other(randomised: Build) -> None:
    model = randomised(SMALL, torch.float64)
    x_BND, y_BN, query_x_BD = inputs(draw(), torch.float64)
    whole_B = model(x_BND, y_BN, query_x_BD)
    alone_B = model(x_BND[3:4], y_BN[3:4], query_x_BD[3:4])
    torch.testing.assert_close(whole_B[3:4], alone_B, **EXACT)
