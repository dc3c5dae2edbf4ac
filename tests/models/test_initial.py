"""Every parameter starts as torch's own modules start it, from the given generator."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Generator, Tensor, nn

from icl_mlflow.models import EMBEDDINGS, Transformer
from tests.models.small import SMALL


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_every_parameter_starts_as_torchs_own_would(
    embedding: str, reference: type[nn.Module]
) -> None:
    """Pooled over twenty models each: two-sample Kolmogorov-Smirnov, and the bounds."""
    architecture = replace(SMALL, embedding=embedding)
    ours = [
        Transformer(architecture, rng=Generator().manual_seed(seed)).state_dict()
        for seed in range(20)
    ]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = [reference(architecture).state_dict() for _ in range(20)]
    for name in ours[0]:
        mine = torch.cat([state[name].flatten() for state in ours]).numpy()
        torchs = torch.cat([state[name].flatten() for state in theirs]).numpy()
        assert ks_2samp(mine, torchs).pvalue > 1e-3, name
        assert mine.std() == pytest.approx(torchs.std(), rel=0.15), name
        if "pos_" not in name and "y_embed" not in name:
            # Uniform, constant or both: one tail of the sample ends where theirs does.
            assert abs(mine).max() == pytest.approx(abs(torchs).max(), rel=0.15), name


def test_layers_start_alike_or_each_on_its_own() -> None:
    def first_and_last(*, copied_layers: bool) -> list[tuple[Tensor, Tensor]]:
        state = Transformer(SMALL, copied_layers=copied_layers).state_dict()
        prefixes = ("transformer.layers.0.", "transformer.layers.1.")
        names = [n.removeprefix(prefixes[0]) for n in state if prefixes[0] in n]
        return [(state[prefixes[0] + n], state[prefixes[1] + n]) for n in names]

    assert all(torch.equal(*pair) for pair in first_and_last(copied_layers=True))
    independent = first_and_last(copied_layers=False)
    drawn = [pair for pair in independent if pair[0].std() > 0]
    assert len(drawn) == 6  # four matrices and the two biases of the MLP
    assert not any(torch.equal(*pair) for pair in drawn)


def test_the_generator_alone_decides_the_weights() -> None:
    def weights(seed: int) -> Tensor:
        model = Transformer(SMALL, rng=Generator().manual_seed(seed))
        return nn.utils.parameters_to_vector(model.parameters())

    before = torch.get_rng_state()
    first = weights(0)
    torch.rand(7)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)
    torch.set_rng_state(before)
    weights(0)
    assert torch.equal(torch.get_rng_state(), before)
