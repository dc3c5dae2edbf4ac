"""A head that is built to copy the label is seen to do so."""

from collections.abc import Callable

import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.ov_alignment import (
    OV_ALIGNMENT,
    alignment,
    label_direction,
    written,
)
from icl_mlflow.models import Architecture, Transformer
from tests.analysis.concluded import concluded


def model(embedding: str = "summed", n_layers: int = 1) -> Transformer:
    return Transformer(
        Architecture(
            dim=3,
            positions=12,
            d_model=8,
            n_heads=2,
            n_layers=n_layers,
            embedding=embedding,
        )
    )


@torch.no_grad()
def test_a_copying_an_opposing_and_an_idle_head() -> None:
    """Head 1 of layer 1 copies, head 2 opposes; in layer 2 head 1 writes aside."""
    planted = model(n_layers=2)
    label_M, readout_M = torch.zeros(8), torch.zeros(8)
    label_M[0], readout_M[5] = 2.0, -3.0
    planted.get_parameter("y_proj.weight").copy_(label_M[:, None])
    planted.get_parameter("head.weight").copy_(readout_M)
    for layer in (0, 1):
        prefix = f"transformer.layers.{layer}.self_attn."
        into_MM = planted.get_parameter(f"{prefix}in_proj_weight")
        out_MM = planted.get_parameter(f"{prefix}out_proj.weight")
        into_MM.zero_()
        out_MM.zero_()
        into_MM[16 + 1, 0] = 0.5  # the values of head 1 read the label
        into_MM[16 + 4, 0] = 0.5  # and those of head 2
        out_MM[5, 1] = -7.0
        out_MM[5, 4] = 7.0
    planted.get_parameter("transformer.layers.1.self_attn.out_proj.weight")[5, 1] = 0
    planted.get_parameter("transformer.layers.1.self_attn.out_proj.weight")[6, 1] = 1
    expected = torch.tensor([[1.0, -1.0], [0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(alignment(planted), expected)


@torch.no_grad()
def test_the_label_direction_of_each_embedding() -> None:
    summed, interleaved = model(), model("interleaved")
    torch.testing.assert_close(
        label_direction(summed), summed.get_parameter("y_proj.weight")[:, 0]
    )
    zero_M, one_M = interleaved.get_parameter("y_embed.weight")
    torch.testing.assert_close(label_direction(interleaved), one_M - zero_M)


@torch.no_grad()
def test_each_head_by_the_product_of_its_matrices(
    subject_of: Callable[..., Subject],
) -> None:
    subject = subject_of(n_heads=4)
    transformer = subject.transformer
    assert transformer is not None
    label_M = transformer.get_parameter("y_proj.weight")[:, 0]
    readout_M = transformer.get_parameter("head.weight")[0]
    for row in OV_ALIGNMENT.measure(subject).to_dict("records"):
        prefix = f"transformer.layers.{row['layer'] - 1}.self_attn."
        rows = slice(4 * (row["head"] - 1), 4 * row["head"])
        value_KM = transformer.get_parameter(f"{prefix}in_proj_weight")[32:][rows]
        output_MK = transformer.get_parameter(f"{prefix}out_proj.weight")[:, rows]
        written_M = output_MK @ value_KM @ label_M
        cosine = torch.cosine_similarity(written_M, readout_M, dim=0)
        assert row["alignment"] == pytest.approx(float(cosine), abs=1e-6)


def test_what_chance_allows(subject_of: Callable[..., Subject]) -> None:
    """Of models as they start, one in twenty has any head beyond it."""
    shares = [
        OV_ALIGNMENT.summarise(
            OV_ALIGNMENT.measure(
                subject_of(seed=seed, d_model=64, n_heads=16, n_layers=4, episodes=4)
            )
        )["share_beyond_chance"]
        for seed in range(4)
    ]
    assert sum(share > 0 for share in shares) <= 1


def test_a_head_that_copies_is_named(subject_of: Callable[..., Subject]) -> None:
    subject = subject_of(d_model=32, n_heads=2, n_layers=1, episodes=4)
    assert subject.transformer is not None
    with torch.no_grad():
        before = OV_ALIGNMENT.measure(subject)
        read_out = subject.transformer.get_parameter("head.weight")
        read_out.copy_(written(subject.transformer)[0, 1][None])
    frame = OV_ALIGNMENT.measure(subject)
    row = frame.set_index("head").loc[2]
    assert row["alignment"] == pytest.approx(1, abs=1e-5)
    assert row["p"] <= 0.001
    assert list(frame["initial"]) == list(before["initial"])
    said = concluded(OV_ALIGNMENT, frame)
    assert said.startswith("Yes: ")
    assert "layer.head " in said
    assert "1.2 (+1.00" in said
