"""Operations counted on paper are those that torch counts when it runs."""

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed import flops
from benchmarks.speed.loops.textbook import Textbook
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Transformer
from icl_mlflow.training.problem import initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation

#: No two sizes alike, so that none can stand in for another.
SIZES = {"dim": 5, "n_context": 11, "d_model": 24, "n_heads": 2, "batch_size": 7}

layers = pytest.mark.parametrize("n_layers", [1, 2, 4])


def settings_of(n_layers: int) -> TrainSettings:
    return TrainSettings(n_layers=n_layers, device="cpu", **SIZES)


def prepared(n_layers: int) -> tuple[Transformer, Episodes]:
    settings = settings_of(n_layers)
    task = problem(settings).task
    episodes = task.sample(settings.batch_size, settings.n_context)
    return initial_model(settings), episodes


def inputs(episodes: Episodes) -> tuple[Tensor, Tensor, Tensor]:
    return episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD


def shape(model: Transformer) -> tuple[object, int, int]:
    return model.architecture, SIZES["n_context"], SIZES["batch_size"]


@layers
def test_full_forward_and_backward(n_layers: int) -> None:
    model, episodes = prepared(n_layers)
    count = flops.full(*shape(model))
    with FlopCounterMode(display=False) as forward:
        logit_B = model.trace(*inputs(episodes)).logit_B
    with FlopCounterMode(display=False) as backward:
        logit_B.sum().backward()
    assert forward.get_total_flops() == count.forward
    assert forward.get_total_flops() + backward.get_total_flops() == count.step


@layers
def test_pruned_forward(n_layers: int) -> None:
    model, episodes = prepared(n_layers)
    with FlopCounterMode(display=False) as counter:
        model(*inputs(episodes))
    assert counter.get_total_flops() == flops.pruned(*shape(model)).forward


@layers
def test_a_training_step(n_layers: int) -> None:
    settings = settings_of(n_layers)
    model, chosen = initial_model(settings), problem(settings)
    optimisation = Optimisation(settings, model, chosen.variant.frozen)
    batch = training_batch(settings, chosen, 0, "cpu")
    with FlopCounterMode(display=False) as counter:
        optimisation.step(batch)
    assert counter.get_total_flops() == flops.pruned(*shape(model)).step


def test_the_textbook_model_is_the_full_one_but_for_its_embedding() -> None:
    """Its embedding has fewer columns, as context and query each have their own."""
    settings = settings_of(2)
    model = Textbook(settings)
    n_tokens, dim, width = settings.n_context + 1, settings.dim, settings.d_model
    x_BSD = torch.randn(settings.batch_size, n_tokens, dim)
    y_BS = torch.ones(settings.batch_size, n_tokens)
    # Of the fused kernel for CPUs torch does not know the count.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(x_BSD, y_BS)
    count = flops.full(*shape(initial_model(settings)))
    columns = (n_tokens - 1) * (dim + 1) + dim
    embedding = 2 * settings.batch_size * columns * width
    assert counter.get_total_flops() == count.forward - count.of_data + embedding
