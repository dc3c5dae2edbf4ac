"""The transformer is `torch.nn.TransformerEncoder`, by the fast path and the trace."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.overrides import TorchFunctionMode

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import EMBEDDINGS, Architecture, Site, Transformer
from icl_mlflow.tasks.shifted_mean import ShiftedMean

SMALL = Architecture(dim=4, positions=25, d_model=24, n_layers=2, n_heads=3)
BLOCK = {
    "self_attn.in_proj_weight": (72, 24),
    "self_attn.in_proj_bias": (72,),
    "self_attn.out_proj.weight": (24, 24),
    "self_attn.out_proj.bias": (24,),
    "linear1.weight": (96, 24),
    "linear1.bias": (96,),
    "linear2.weight": (24, 96),
    "linear2.bias": (24,),
    "norm1.weight": (24,),
    "norm1.bias": (24,),
    "norm2.weight": (24,),
    "norm2.bias": (24,),
}
PUBLISHED_EMBEDDING = {
    "summed": {
        "x_proj.weight": (24, 4),
        "x_proj.bias": (24,),
        "y_proj.weight": (24, 1),
        "y_proj.bias": (24,),
        "query_proj.weight": (24, 4),
        "query_proj.bias": (24,),
        "pos_emb": (1, 25, 24),
    },
    "x_only": {
        "x_proj.weight": (24, 4),
        "x_proj.bias": (24,),
        "query_proj.weight": (24, 4),
        "query_proj.bias": (24,),
        "pos_emb": (1, 25, 24),
    },
    "interleaved": {
        "x_embed.weight": (24, 4),
        "x_embed.bias": (24,),
        "y_embed.weight": (2, 24),
        "pos_embed": (1, 25, 24),
    },
}

every_embedding = pytest.mark.parametrize("embedding", PUBLISHED_EMBEDDING)


class Reference(nn.Module):
    """The same model put together from torch's own modules, by the published names."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.embedding = a.embedding
        table = nn.Parameter(0.02 * torch.randn(1, a.positions, a.d_model))
        if a.embedding == "interleaved":
            self.x_embed = nn.Linear(a.dim, a.d_model)
            self.y_embed = nn.Embedding(2, a.d_model)
            self.pos_embed = table
        else:
            self.x_proj = nn.Linear(a.dim, a.d_model)
            if a.embedding == "summed":
                self.y_proj = nn.Linear(1, a.d_model)
            self.query_proj = nn.Linear(a.dim, a.d_model)
            self.pos_emb = table
        layer = nn.TransformerEncoderLayer(
            a.d_model,
            a.n_heads,
            4 * a.d_model,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
        )
        self.transformer = nn.TransformerEncoder(
            layer, a.n_layers, enable_nested_tensor=False
        )
        self.head = nn.Linear(a.d_model, 1)

    def tokens(self, x_BND: Tensor, y_BN: Tensor, query_x_BD: Tensor) -> Tensor:
        query_B1D = query_x_BD.unsqueeze(1)
        if self.embedding == "interleaved":
            pair_BN2M = torch.stack([self.x_embed(x_BND), self.y_embed(y_BN)], dim=2)
            tokens = torch.cat([pair_BN2M.flatten(1, 2), self.x_embed(query_B1D)], 1)
            return tokens + self.pos_embed[:, : tokens.shape[1]]
        context_BNM = self.x_proj(x_BND)
        if self.embedding == "summed":
            context_BNM = context_BNM + self.y_proj(y_BN.to(x_BND.dtype).unsqueeze(-1))
        tokens = torch.cat([context_BNM, self.query_proj(query_B1D)], 1)
        return tokens + self.pos_emb[:, : tokens.shape[1]]

    def forward(self, x_BND: Tensor, y_BN: Tensor, query_x_BD: Tensor) -> Tensor:
        out_BSM = self.transformer(self.tokens(x_BND, y_BN, query_x_BD))
        return self.head(out_BSM[:, -1]).squeeze(-1)


def inputs(
    episodes: Episodes, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    x_BND, query_x_BD = episodes.context_x_BND, episodes.query_x_BD
    return x_BND.to(dtype), episodes.context_y_BN, query_x_BD.to(dtype)


def draw(n_context: int = 12, n_episodes: int = 16) -> Episodes:
    return ShiftedMean(dim=4, tau=1.0).sample(n_episodes, n_context, stream="test")


def randomised(architecture: Architecture, dtype: torch.dtype) -> Transformer:
    """A model with every parameter, norms and biases included, away from its start."""
    model = Transformer(architecture, copied_layers=False)
    rng = Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    return model.to(dtype)


def paired(
    architecture: Architecture, dtype: torch.dtype
) -> tuple[Transformer, Reference]:
    model = randomised(architecture, dtype)
    with torch.random.fork_rng():
        reference = Reference(architecture).to(dtype)
    reference.load_state_dict(model.state_dict(), strict=True)
    return model, reference


def relative(found: Tensor, expected: Tensor) -> float:
    """The largest difference, against the largest value."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max())


@every_embedding
def test_parameters_have_their_published_names_and_shapes(embedding: str) -> None:
    model = Transformer(replace(SMALL, embedding=embedding))
    expected = dict(PUBLISHED_EMBEDDING[embedding])
    for layer in (0, 1):
        for name, shape in BLOCK.items():
            expected[f"transformer.layers.{layer}.{name}"] = shape
    expected |= {"head.weight": (1, 24), "head.bias": (1,)}
    found = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert found == expected


def test_every_choice_of_embedding_exists() -> None:
    assert set(EMBEDDINGS) == set(PUBLISHED_EMBEDDING)
    message = "unknown embedding 'stacked'; choose one of: summed, interleaved, x_only"
    with pytest.raises(ValueError, match=message):
        Architecture(embedding="stacked")


@every_embedding
@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 5e-6)]
)
def test_logits_and_gradients_equal_those_of_torch(
    embedding: str, n_layers: int, dtype: torch.dtype, tolerance: float
) -> None:
    architecture = replace(SMALL, embedding=embedding, n_layers=n_layers)
    model, reference = paired(architecture, dtype)
    episodes = draw()
    # One label for all, so that the sum over episodes does not cancel.
    label_B = torch.ones(16, dtype=dtype)
    gradients: list[dict[str, Tensor]] = []
    logits = []
    for network in (model, reference):
        logit_B = network(*inputs(episodes, dtype))
        binary_cross_entropy_with_logits(logit_B, label_B).backward()
        logits.append(logit_B.detach())
        named = network.named_parameters()
        gradients.append({n: p.grad for n, p in named if p.grad is not None})
    assert relative(*logits) <= tolerance

    found, expected = gradients
    assert found.keys() == expected.keys() == dict(model.named_parameters()).keys()
    for name, gradient in expected.items():
        if name.endswith("in_proj_bias"):
            # The keys' bias shifts all scores alike: its gradient is zero but for
            # rounding, which is no number to compare.
            (query, key, value), ours = gradient.chunk(3), found[name].chunk(3)
            assert float(key.abs().max()) <= tolerance * float(gradient.abs().max())
            assert float(ours[1].abs().max()) <= tolerance * float(gradient.abs().max())
            assert relative(ours[0], query) <= tolerance
            assert relative(ours[2], value) <= tolerance
        else:
            assert relative(found[name], gradient) <= tolerance, name


@every_embedding
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_the_trace_gives_the_logits_of_the_fast_path(
    embedding: str, n_layers: int
) -> None:
    architecture = replace(SMALL, embedding=embedding, n_layers=n_layers)
    model = randomised(architecture, torch.float64)
    episodes = inputs(draw(), torch.float64)
    assert relative(model(*episodes), model.trace(*episodes).logit_B) <= 1e-12


@every_embedding
def test_the_residual_stream_is_that_of_torch(embedding: str) -> None:
    model, reference = paired(replace(SMALL, embedding=embedding), torch.float64)
    episodes = inputs(draw(), torch.float64)
    x_BSM = reference.tokens(*episodes)
    trace = model.trace(*episodes)
    assert relative(trace.residual_BSM[0], x_BSM) <= 1e-12
    for index, layer in enumerate(reference.transformer.layers):
        _, pattern_BHSS = layer.self_attn(
            x_BSM, x_BSM, x_BSM, average_attn_weights=False
        )
        assert relative(trace.pattern_BHSS[index], pattern_BHSS) <= 1e-12
        x_BSM = layer(x_BSM)
        assert relative(trace.residual_BSM[index + 1], x_BSM) <= 1e-12


def test_a_trace_has_the_stated_shapes_and_attention_sums_to_one() -> None:
    trace = randomised(SMALL, torch.float32).trace(*inputs(draw(12, 5)))
    assert [tuple(r.shape) for r in trace.residual_BSM] == [(5, 13, 24)] * 3
    assert [tuple(h.shape) for h in trace.head_output_BHSK] == [(5, 3, 13, 8)] * 2
    for pattern_BHSS in trace.pattern_BHSS:
        assert pattern_BHSS.shape == (5, 3, 13, 13)
        assert (pattern_BHSS >= 0).all()
        torch.testing.assert_close(pattern_BHSS.sum(-1), torch.ones(5, 3, 13))


def at(site: Site, change: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """An edit of one site."""

    def edit(here: Site, value: Tensor) -> Tensor:
        return change(value) if here == site else value

    return edit


@pytest.mark.parametrize(
    ("site", "same_residuals"),
    [
        (Site("residual", 0), 0),
        (Site("pattern", 0), 1),
        (Site("head_output", 0), 1),
        (Site("residual", 1), 1),
        (Site("pattern", 1), 2),
        (Site("head_output", 1), 2),
        (Site("residual", 2), 2),
    ],
)
def test_an_edit_changes_what_follows_and_nothing_before(
    site: Site, same_residuals: int
) -> None:
    model, episodes = randomised(SMALL, torch.float64), inputs(draw(), torch.float64)
    plain = model.trace(*episodes)
    edited = model.trace(*episodes, edit=at(site, lambda value: 0.5 * value.flip(-1)))
    assert (edited.logit_B - plain.logit_B).abs().min() > 1e-6
    for index, pair in enumerate(
        zip(edited.residual_BSM, plain.residual_BSM, strict=True)
    ):
        assert torch.equal(*pair) == (index < same_residuals)


def test_patching_in_another_episode_gives_that_episodes_answer() -> None:
    model = randomised(SMALL, torch.float64)
    episodes = inputs(draw(), torch.float64)
    plain = model.trace(*episodes)
    for depth in range(3):
        edit = at(Site("residual", depth), lambda value: value.flip(0))
        patched = model.trace(*episodes, edit=edit)
        torch.testing.assert_close(patched.logit_B, plain.logit_B.flip(0))


def test_replacing_a_value_by_itself_changes_nothing() -> None:
    model, episodes = randomised(SMALL, torch.float64), inputs(draw(), torch.float64)
    plain = model.trace(*episodes)
    edited = model.trace(*episodes, edit=lambda _site, value: value.clone())
    assert torch.equal(edited.logit_B, plain.logit_B)


def test_every_site_is_offered_once_in_the_order_of_computation() -> None:
    seen: list[Site] = []

    def note(site: Site, value: Tensor) -> Tensor:
        seen.append(site)
        return value

    randomised(SMALL, torch.float32).trace(*inputs(draw()), edit=note)
    expected = [Site("residual", 0)]
    for layer in (0, 1):
        expected += [Site("pattern", layer), Site("head_output", layer)]
        expected += [Site("residual", layer + 1)]
    assert seen == expected


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
    n_context: int, fused: bool
) -> None:
    architecture = replace(SMALL, positions=200, n_layers=3)
    model, reference = paired(architecture, torch.float64)
    episodes = inputs(draw(n_context, 4), torch.float64)
    with CountFusedAttention() as count:
        logit_B = model(*episodes)
    assert bool(count.calls) == fused
    assert relative(logit_B, reference(*episodes)) <= 1e-12
    assert relative(logit_B, model.trace(*episodes).logit_B) <= 1e-12


@pytest.mark.parametrize("embedding", ["summed", "x_only", "interleaved"])
def test_a_context_longer_than_the_table_is_refused(embedding: str) -> None:
    model = Transformer(replace(SMALL, embedding=embedding))
    longest = {"summed": 24, "x_only": 24, "interleaved": 12}[embedding]
    assert model.n_context == longest
    for n_context in (0, 1, longest):
        assert model(*inputs(draw(n_context))).shape == (16,)
    tokens = {"summed": 26, "x_only": 26, "interleaved": 27}[embedding]
    message = f"table has 25 rows, but the episode makes {tokens} tokens"
    for road in (model, model.trace):
        with pytest.raises(ValueError, match=message):
            road(*inputs(draw(longest + 1)))


def test_without_labels_there_is_nothing_to_read_from_them() -> None:
    episodes = draw()
    flipped = replace(episodes, context_y_BN=1 - episodes.context_y_BN)
    blind = randomised(replace(SMALL, embedding="x_only"), torch.float32)
    seeing = randomised(SMALL, torch.float32)
    assert torch.equal(blind(*inputs(episodes)), blind(*inputs(flipped)))
    assert not torch.equal(seeing(*inputs(episodes)), seeing(*inputs(flipped)))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    message = "n_heads=5 does not divide d_model=24; choose one of: 1, 2, 3, 4, 6, 8"
    with pytest.raises(ValueError, match=message):
        replace(SMALL, n_heads=5)


@every_embedding
def test_every_parameter_starts_as_torchs_own_would(embedding: str) -> None:
    """Pooled over twenty models each: two-sample Kolmogorov-Smirnov, and the bounds."""
    architecture = replace(SMALL, embedding=embedding)
    ours = [
        Transformer(architecture, rng=Generator().manual_seed(seed)).state_dict()
        for seed in range(20)
    ]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = [Reference(architecture).state_dict() for _ in range(20)]
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
        return [(state[prefixes[0] + n], state[prefixes[1] + n]) for n in BLOCK]

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


def test_the_published_size() -> None:
    """The default is the paper's: two layers, four heads, width 128, 33 tokens."""
    model = Transformer(Architecture())
    per_block = 12 * 128**2 + 13 * 128
    embedding = 2 * (16 + 1) * 128 + 2 * 128 + 33 * 128
    total = sum(p.numel() for p in model.parameters())
    assert total == 2 * per_block + embedding + 128 + 1
    assert model.n_context == 32


def test_keys_of_zero_make_attention_uniform() -> None:
    model = randomised(SMALL, torch.float64)
    with torch.no_grad():
        model.get_parameter("transformer.layers.0.self_attn.in_proj_weight")[24:48] = 0
    trace = model.trace(*inputs(draw(), torch.float64))
    torch.testing.assert_close(
        trace.pattern_BHSS[0], torch.full_like(trace.pattern_BHSS[0], 1 / 13)
    )
