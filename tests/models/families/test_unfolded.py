"""Pre-LN is torch's, linear attention is what it says, and masks hide what they say."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn

from icl_mlflow.models.families import unfolded
from tests.models.small import SMALL, Build, draw, inputs

EXACT = {"rtol": 0.0, "atol": 1e-12}


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_blocks_are_torchs(norm: str, n_layers: int, randomised: Build) -> None:
    """Post-LN ones too, which usually go the fast road."""
    a = replace(SMALL, norm=norm, n_layers=n_layers)
    model = randomised(a, torch.float64)
    parameters = dict(model.named_parameters())
    features_BSF = model.features(*inputs(draw(), torch.float64))
    ours = unfolded.logits(parameters, a, features_BSF)
    is_pre = norm == "pre"
    layer = nn.TransformerEncoderLayer(
        a.d_model, a.n_heads, 4 * a.d_model, dropout=0.0, activation="gelu",
        batch_first=True, norm_first=is_pre,
    )  # fmt: skip
    last = nn.LayerNorm(a.d_model, elementwise_affine=False) if is_pre else None
    encoder = nn.TransformerEncoder(
        layer, n_layers, norm=last, enable_nested_tensor=False
    ).double()
    names = dict(encoder.named_parameters())
    encoder.load_state_dict({n: parameters[f"transformer.{n}"] for n in names})
    plain = randomised(replace(a, norm="post"), torch.float64)
    tokens_BSM = plain.trace(*inputs(draw(), torch.float64)).residual_BSM[0]
    query_BM = encoder(tokens_BSM)[:, -1]
    theirs = query_BM @ parameters["head.weight"][0] + parameters["head.bias"]
    torch.testing.assert_close(ours, theirs, **EXACT)
    torch.testing.assert_close(model(*inputs(draw(), torch.float64)), theirs, **EXACT)


def test_linear_attention_is_a_mean_of_what_is_seen() -> None:
    rng = Generator().manual_seed(0)
    query, key, value = (
        torch.randn(2, 3, 5, 4, generator=rng, dtype=torch.float64) for _ in range(3)
    )
    seen = torch.ones(5, 5, dtype=torch.bool).tril()
    found = unfolded.attention(query, key, value, "linear", seen)
    for token in range(5):
        score = (query[:, :, token, None] * key[:, :, : token + 1]).sum(-1)
        expected = (score.unsqueeze(-1) * value[:, :, : token + 1]).mean(2)
        torch.testing.assert_close(found[:, :, token], expected, **EXACT)


def best_weights(n_context: int, precision_DD: Tensor) -> Tensor:
    """The weights W of linear attention that answer best, (D, D), by Newton's method.

    Points of two Gaussians whose means are as far from the origin, measured by the
    covariance; the answer is what a query W x gathers from keys x_j with values
    s_j = -1 or 1.
    """
    rng = Generator().manual_seed(n_context)
    n_episodes, dim = 8_000, len(precision_DD)
    root_DD = torch.linalg.cholesky(torch.linalg.inv(precision_DD))

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    mean_B2D = 1.5 * nn.functional.normalize(normal(n_episodes, 2, dim), dim=-1)
    mean_B2D = mean_B2D @ root_DD.t()
    label_BN = torch.rand(n_episodes, n_context + 1, generator=rng) < 0.5
    x_BND = normal(n_episodes, n_context + 1, dim) @ root_DD.t()
    x_BND += mean_B2D.gather(1, label_BN.long().unsqueeze(-1).expand_as(x_BND))
    sign_BN1 = 2.0 * label_BN[:, :-1].double().unsqueeze(-1) - 1
    query_BD = x_BND[:, -1]
    difference_BD = mean_B2D[:, 1] - mean_B2D[:, 0]
    target_B = ((difference_BD @ precision_DD) * query_BD).sum(-1).sigmoid()

    # The answer is linear in W: asked by unit vectors, it gives its coefficients.
    units_DD = torch.eye(dim, dtype=torch.float64).expand(n_episodes, 1, -1, -1)
    seen = torch.ones(dim, n_context, dtype=torch.bool)
    gathered_BD = unfolded.attention(
        units_DD, x_BND[:, None, :-1], sign_BN1.unsqueeze(1), "linear", seen
    )[:, 0, :, 0]
    feature_BF = torch.einsum("bi,bj->bij", gathered_BD, query_BD).flatten(1)
    weight_F = torch.zeros(dim * dim, dtype=torch.float64)
    for _ in range(12):
        answer_B = (feature_BF @ weight_F).sigmoid()
        slope_F = feature_BF.t() @ (answer_B - target_B)
        curve_B1 = (answer_B * (1 - answer_B)).unsqueeze(-1)
        curve_FF = feature_BF.t() @ (curve_B1 * feature_BF)
        weight_F -= torch.linalg.solve(curve_FF, slope_F)
    return weight_F.view(dim, dim)


def test_the_best_linear_attention_is_twice_the_precision_but_for_one_over_n() -> None:
    """Shen et al., arXiv 2410.11778: W = 2 Lambda^-1 + O(1 / N)."""
    precision_DD = torch.tensor([[1.0, 0.4], [0.4, 0.6]], dtype=torch.float64)
    limit_DD = 2 * precision_DD
    off = {n: best_weights(n, precision_DD) - limit_DD for n in (80, 320, 1280)}
    assert off[1280].norm() < 0.015 * limit_DD.norm()
    # Four times the points, a quarter of the distance; the rest is of higher order.
    shrinks = [float(off[n].norm() / off[4 * n].norm()) for n in (80, 320)]
    assert 2.7 < shrinks[0] < shrinks[1] < 4.2
    assert shrinks[1] > 3.3


@pytest.mark.parametrize("changes", [{"norm": "pre"}, {"attention": "linear"}])
def test_the_full_path_refuses_other_blocks_by_name(
    changes: dict[str, str], randomised: Build
) -> None:
    model = randomised(replace(SMALL, **changes), torch.float32)
    (name, value), *_ = changes.items()
    for look in (model.trace, model.run_with_cache, model.attribution):
        with pytest.raises(ValueError, match=f"{name}={value}"):
            look(*inputs(draw()))
    with pytest.raises(ValueError, match="post-LN"):
        model.as_torch()
