"""The first-order estimate is exact where all is linear, and near for small steps."""

import torch

from icl_mlflow.models import Site, Transformer
from icl_mlflow.models.patching.activation import PairedRun, Patch
from icl_mlflow.models.patching.gradient import estimated
from tests.models.patching.conftest import Asked

LAST = Patch(Site("residual", 2))


def test_the_last_stream_is_read_linearly_so_the_estimate_is_exact(
    run: PairedRun,
) -> None:
    (found_B,) = estimated(run, [LAST], lambda logit_B: logit_B)
    expected_B = run.source_logit_B - run.target_logit_B
    torch.testing.assert_close(found_B, expected_B, rtol=0, atol=1e-12)


def test_it_is_exactly_nothing_between_equal_episodes(itself: PairedRun) -> None:
    patches = [LAST, Patch(Site("head_output", 0), 1), Patch(Site("mlp_output", 0))]
    for found_B in estimated(itself, patches, torch.square):
        assert not found_B.any()


def test_of_a_small_step_it_is_the_effect_to_second_order(
    model: Transformer, target: Asked
) -> None:
    x_BND, y_BN, query_x_BD = target
    patches = [
        *(Patch(Site("head_output", 0), head) for head in range(3)),
        Patch(Site("mlp_output", 0), tokens_BS=torch.arange(13).expand(5, -1) == 12),
        Patch(Site("residual", 1)),
    ]
    errors = []
    for step in (1e-3, 1e-4):
        with torch.no_grad():
            run = model.paired_run(target, (x_BND + step, y_BN, query_x_BD - step))
            exact = [run.patched([one]) - run.target_logit_B for one in patches]
        found = estimated(run, patches, lambda logit_B: logit_B)
        gaps = zip(found, exact, strict=True)
        errors.append(max(float((a - b).abs().max()) for a, b in gaps))
        assert errors[-1] < 0.1 * float(torch.stack(exact).abs().max())
    assert errors[1] < errors[0] / 50, "the error is not of second order"


def test_it_leaves_no_gradient_behind(model: Transformer, run: PairedRun) -> None:
    (found_B,) = estimated(run, [LAST], lambda logit_B: logit_B)
    assert not found_B.requires_grad
    assert all(one.grad is None for one in model.parameters())
