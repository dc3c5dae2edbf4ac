"""A model of arbitrary weights, and the same put together from torch's modules."""

import pytest
import torch
from torch import Generator, Tensor, nn

from icl_mlflow.models import Architecture, Transformer
from tests.models.small import SMALL, Build, Pair, Paired, draw, inputs


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


@pytest.fixture
def reference() -> type[Reference]:
    """Builds torch's own model of an architecture, from the global generator."""
    return Reference


@pytest.fixture
def randomised() -> Build:
    """Builds a model with every parameter, norms and biases too, off its start."""

    def build(architecture: Architecture, dtype: torch.dtype) -> Transformer:
        model = Transformer(architecture, copied_layers=False)
        rng = Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
        return model.to(dtype)

    return build


@pytest.fixture
def paired(randomised: Build, reference: type[Reference]) -> Paired:
    """Builds a model and torch's own with the same weights."""

    def build(architecture: Architecture, dtype: torch.dtype) -> Pair:
        model = randomised(architecture, dtype)
        with torch.random.fork_rng():
            torchs = reference(architecture).to(dtype)
        torchs.load_state_dict(model.state_dict(), strict=True)
        return model, torchs

    return build


@pytest.fixture
def model(randomised: Build) -> Transformer:
    """A small model of arbitrary weights, in float64."""
    return randomised(SMALL, torch.float64)


@pytest.fixture
def episodes() -> tuple[Tensor, Tensor, Tensor]:
    """Five episodes for it."""
    return inputs(draw(n_episodes=5), torch.float64)
