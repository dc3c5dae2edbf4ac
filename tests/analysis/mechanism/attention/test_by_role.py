"""A head whose attention is planted in its weights is found, and chosen honestly."""

from collections.abc import Callable

import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.attention.by_role import ATTENTION_BY_ROLE
from icl_mlflow.models import Transformer
from tests.analysis.concluded import concluded

SubjectOf = Callable[..., Subject]
IN_PROJ = "transformer.layers.0.self_attn.in_proj_"


def planted(model: Transformer, size: float) -> None:
    """Head 1 scores a point by x_q . x_i, the others attend to all alike.

    That is nearness to the query, but for the point's own length.
    """
    with torch.no_grad():
        for name in ("x_proj", "query_proj"):
            model.get_parameter(f"{name}.weight").copy_(torch.eye(16, 3))
            model.get_parameter(f"{name}.bias").zero_()
        for name in ("y_proj.weight", "y_proj.bias", "pos_emb"):
            model.get_parameter(name).zero_()
        weight = model.get_parameter(f"{IN_PROJ}weight")
        weight[:32] = 0
        weight[:3, :3] = weight[16:19, :3] = size * torch.eye(3)
        model.get_parameter(f"{IN_PROJ}bias").zero_()


@pytest.mark.parametrize(("size", "answer"), [(1.0, "Yes: "), (0.0, "No: ")])
def test_a_head_that_attends_by_nearness_is_found(
    size: float, answer: str, subject_of: SubjectOf
) -> None:
    subject = subject_of(n_heads=4, n_layers=1, episodes=200, tau=0.0)
    assert subject.transformer is not None
    planted(subject.transformer, size)
    frame = ATTENTION_BY_ROLE.measure(subject)
    said = concluded(ATTENTION_BY_ROLE, frame)
    assert said.startswith(answer)
    of_query = frame[frame["reader"] == "query"].set_index("head")
    assert (of_query.loc[[2, 3, 4], "closeness"] == 0).all()
    if size:
        assert of_query.loc[1, "closeness"] > 0.5
        assert "layer.head 1.1 (near) attends most" in said
    masses = frame[["same_class", "other_class", "itself", "query"]].sum(axis=1)
    assert masses.to_numpy() == pytest.approx(1, abs=1e-6)


def test_who_attends_to_what_is_far_is_as_strong_as_who_attends_to_what_is_near(
    subject_of: SubjectOf,
) -> None:
    found = {}
    for sign in (1.0, -1.0):
        subject = subject_of(n_heads=4, n_layers=1, episodes=200, tau=0.0)
        assert subject.transformer is not None
        planted(subject.transformer, 1.0)
        with torch.no_grad():
            weight = subject.transformer.get_parameter(f"{IN_PROJ}weight")
            weight[:3] *= sign
        frame = ATTENTION_BY_ROLE.measure(subject)
        found[sign] = ATTENTION_BY_ROLE.summarise(frame)
        ends = [found[sign][f"strongest_closeness{end}"] for end in ("/low", "/high")]
        assert 0 < ends[0] < ends[1]
    assert "1.1 (far)" in concluded(ATTENTION_BY_ROLE, frame)


def test_numbers_have_reader_place_and_quantity(subject_of: SubjectOf) -> None:
    frame = ATTENTION_BY_ROLE.measure(subject_of(n_heads=2))
    numbers = ATTENTION_BY_ROLE.summarise(frame)
    assert "context_layer_2_head_1_itself" in numbers
    assert "query_layer_1_head_2_class_contrast/low" in numbers
    assert not any(
        name.startswith("context") and "closeness" in name for name in numbers
    )
