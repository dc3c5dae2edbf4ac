"""A recording does the same again, on whatever lies in its tensors by then."""

import pytest
import torch

from icl_mlflow.training.stacked.cuda_graph import captured

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device on this machine"
)


def test_each_call_does_the_work_once_and_recording_leaves_no_trace() -> None:
    total = torch.zeros(3, device="cuda")
    source = torch.ones(3, device="cuda")

    def work() -> None:
        total.add_(source)

    again = captured(work, [total])
    assert total.tolist() == [0, 0, 0]
    again()
    again()
    assert total.tolist() == [2, 2, 2]
    source.fill_(5)  # into the memory that the recording reads
    again()
    assert total.tolist() == [7, 7, 7]


def test_a_recorded_backward_pass_is_the_one_that_was_not_recorded() -> None:
    rng = torch.Generator("cuda").manual_seed(0)
    weight = torch.randn(8, 8, device="cuda", generator=rng).requires_grad_()
    x_BM = torch.randn(16, 8, device="cuda", generator=rng)
    found = torch.zeros_like(weight)

    def work() -> None:
        loss = (x_BM @ weight).square().mean()
        found.copy_(torch.autograd.grad(loss, [weight])[0])

    again = captured(work, [])
    x_BM.mul_(2)
    again()
    recorded = found.clone()
    work()
    torch.testing.assert_close(recorded, found)
