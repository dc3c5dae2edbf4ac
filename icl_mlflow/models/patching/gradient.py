"""Attribution patching: the effect of every patch at once, to first order.

One backward pass of the target's run gives the gradient of a measure of its answer at
every site; times what the source has there instead, it estimates what `PairedRun`
finds exactly, one patch a time. Norms, softmax and GELU bend, so it may be far off.

Source: Nanda, "Attribution patching" (2023).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from icl_mlflow.models.patching.activation import PairedRun, Patch
from icl_mlflow.models.sites import Site
from icl_mlflow.models.trace import compute_from

_FIRST = Site("residual", 0)


def estimated(
    run: PairedRun, patches: Sequence[Patch], measure: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """The change of ``measure`` by each patch, to first order: (B,) each.

    Args:
        run: of both episodes.
        patches: each by itself.
        measure: log-odds (B,) to a number for each episode (B,).
    """
    parameters = {name: value.detach() for name, value in run.parameters.items()}
    values: dict[Site, Tensor] = {}

    def note(site: Site, value: Tensor) -> Tensor:
        values[site] = value
        return value

    with torch.enable_grad():
        tokens_BSM = run.target[_FIRST].detach().requires_grad_()
        logit_B = compute_from(parameters, run.architecture, 0, tokens_BSM, note)
        total = measure(logit_B).sum()
        sites = list(dict.fromkeys(patch.site for patch in patches))
        found = torch.autograd.grad(total, [values[site] for site in sites])
    gradients = dict(zip(sites, found, strict=True))
    return [_first_order(run, patch, gradients[patch.site]) for patch in patches]


def _first_order(run: PairedRun, patch: Patch, gradient: Tensor) -> Tensor:
    change = run.source[patch.site] - run.target[patch.site]
    moved = torch.where(patch.mask(change), gradient * change, 0.0)
    return moved.detach().flatten(1).sum(1)
