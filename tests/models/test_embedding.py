"""Tokens are linear in the episode, and are those of torch's own modules."""

from dataclasses import replace

import pytest
import torch

from icl_mlflow.models import EMBEDDINGS, Transformer
from tests.models.small import SMALL, Build, Paired, draw, inputs, relative

every_embedding = pytest.mark.parametrize("embedding", EMBEDDINGS)


@every_embedding
def test_features_by_weight_plus_table_are_torchs_tokens(
    embedding: str, paired: Paired
) -> None:
    model, torchs = paired(replace(SMALL, embedding=embedding), torch.float64)
    episode = inputs(draw(), torch.float64)
    parameters = dict(model.named_parameters())
    chosen = EMBEDDINGS[embedding]
    features_BSF = chosen.features(*episode)
    assert features_BSF.shape[1] == chosen.n_tokens(12)
    table_SM = chosen.table(parameters, features_BSF.shape[1])
    tokens_BSM = features_BSF @ chosen.weight(parameters) + table_SM
    assert relative(tokens_BSM, torchs.tokens(*episode)) < 1e-14


def test_two_points_become_the_stated_tokens() -> None:
    x_BND, query_x_BD = torch.tensor([[[1.0], [2.0]]]), torch.tensor([[3.0]])
    episode = (x_BND, torch.tensor([[0, 1]]), query_x_BD)
    found = {
        name: embedding.features(*episode)[0].tolist()
        for name, embedding in EMBEDDINGS.items()
    }
    assert found == {
        "summed": [[1, 0, 0], [2, 1, 0], [0, 0, 3]],  # x, y, query
        "x_only": [[1, 0], [2, 0], [0, 3]],  # x, query
        "interleaved": [[1, 0, 0], [0, 1, 0], [2, 0, 0], [0, 0, 1], [3, 0, 0]],
    }


@every_embedding
def test_several_queries_are_the_last_tokens(embedding: str) -> None:
    x_BND, y_BN, query_x_BD = inputs(draw())
    chosen = EMBEDDINGS[embedding]
    query_x_BQD = torch.stack([query_x_BD, -query_x_BD], dim=1)
    both_BSF = chosen.features(x_BND, y_BN, query_x_BQD)
    one_BSF = chosen.features(x_BND, y_BN, query_x_BD)
    other_BSF = chosen.features(x_BND, y_BN, -query_x_BD)
    assert torch.equal(both_BSF[:, :-1], one_BSF)
    assert torch.equal(both_BSF[:, -1], other_BSF[:, -1])


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


def test_without_labels_there_is_nothing_to_read_from_them(randomised: Build) -> None:
    episodes = draw()
    flipped = replace(episodes, context_y_BN=1 - episodes.context_y_BN)
    blind = randomised(replace(SMALL, embedding="x_only"), torch.float32)
    seeing = randomised(SMALL, torch.float32)
    assert torch.equal(blind(*inputs(episodes)), blind(*inputs(flipped)))
    assert not torch.equal(seeing(*inputs(episodes)), seeing(*inputs(flipped)))
