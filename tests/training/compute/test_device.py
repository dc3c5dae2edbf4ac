"""Where a training computes, and that it leaves the machine as it was."""

import contextlib

import pytest
import torch

from icl_mlflow.training.compute.device import (
    compute_threads,
    matrix_products,
    pick_device,
)


def test_a_device_that_is_not_here_is_refused_with_those_that_are() -> None:
    assert pick_device("cpu").type == "cpu"
    here = pick_device("auto").type
    missing = "mps" if here != "mps" else "cuda"
    with pytest.raises(ValueError, match=f"no {missing} device .*: auto, .*cpu"):
        pick_device(missing)


def test_auto_is_a_device_that_can_compute() -> None:
    device = pick_device("auto")
    assert float(torch.ones(2, device=device).sum()) == 2.0


def test_threads_are_as_wanted_within_and_as_before_after() -> None:
    before = torch.get_num_threads()
    wanted = before % 2 + 1
    with contextlib.suppress(KeyError), compute_threads(wanted):
        assert torch.get_num_threads() == wanted
        raise KeyError
    assert torch.get_num_threads() == before
    with compute_threads(0):  # one a core, or one beside others that keep them busy
        assert torch.get_num_threads() in {1, before}
    assert torch.get_num_threads() == before


def test_the_number_of_threads_may_change_on_the_way() -> None:
    """As a resumed training does, which takes as many as it began with."""
    before = torch.get_num_threads()
    with compute_threads(1) as take:
        take(2)
        assert torch.get_num_threads() == 2
        take(1)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("precision", ["fp32", "bf16", "tf32"])
def test_products_round_on_cuda_alone_and_only_where_that_is_asked_for(
    precision: str,
) -> None:
    before = torch.get_float32_matmul_precision()
    rounds = precision == "tf32" and torch.cuda.is_available()
    with matrix_products(precision):
        assert torch.get_float32_matmul_precision() == ("high" if rounds else before)
    assert torch.get_float32_matmul_precision() == before
