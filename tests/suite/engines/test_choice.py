"""Which engine takes which members, and whether it says why."""

import pytest
import torch

from icl_mlflow.suite.engines import choice as engine
from icl_mlflow.suite.engines.choice import Arrangement, arrange, check_engine
from icl_mlflow.suite.grid import grid
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings.preset("smoke", threads=1)
#: Three variants of one shape and one of another.
VARIANTS = ("baseline", "frozen_query_key", "shuffled_labels", "no_labels")
MEMBERS = grid(SETTINGS, VARIANTS, (0, 1))


def sizes(arrangement: Arrangement) -> list[int]:
    return [len(group) for group in arrangement.groups]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with a GPU that has room for about twenty members."""
    monkeypatch.setattr(engine, "pick_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(engine, "free_bytes", lambda _: 100 << 20)


def test_every_engine_trains_every_member_once() -> None:
    for name in ("processes", "stacked"):
        groups = arrange(MEMBERS, engine=name).groups
        assert sorted(m.run_name for group in groups for m in group) == sorted(
            m.run_name for m in MEMBERS
        )


def test_without_cuda_members_train_in_processes() -> None:
    found = arrange([TrainSettings.preset("smoke", device="cpu")] * 3, jobs=2)
    assert (found.engine, sizes(found), found.at_once) == ("processes", [1, 1, 1], 2)
    assert "CUDA" in found.why


@pytest.mark.usefixtures("cuda")
def test_with_cuda_members_of_one_shape_are_stacked() -> None:
    found = arrange(MEMBERS)
    assert (found.engine, sizes(found), found.at_once) == ("stacked", [6, 2], 2)
    assert found.why == "CUDA is here, and members are of one shape"


@pytest.mark.usefixtures("cuda")
def test_with_cuda_what_has_no_like_trains_in_processes() -> None:
    found = arrange(grid(SETTINGS, ("baseline", "no_labels"), (0,)))
    assert (found.engine, sizes(found)) == ("processes", [1, 1])
    assert found.why == "no two members are of one shape"


@pytest.mark.usefixtures("cuda")
def test_stacks_are_as_large_as_memory_allows_for_as_many_as_there_are_at_once() -> (
    None
):
    members = grid(SETTINGS, ("baseline",), range(40))
    two, one = (max(sizes(arrange(members, jobs=jobs))) for jobs in (2, 1))
    assert 5 <= two <= 10
    assert two < one <= 20


def test_nothing_to_train_needs_no_engine() -> None:
    assert arrange([]).groups == ()
    assert arrange([], engine="stacked").groups == ()


def test_an_address_that_cannot_be_one_is_a_line() -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    with pytest.raises(ValueError, match="Port could not be cast"):
        check_engine("ray", "127.0.0.1:six")
    check_engine("ray", "auto")
    check_engine("processes")
