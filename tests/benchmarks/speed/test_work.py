"""The contestants' work, in this process: what they do, and into which phases."""

import multiprocessing
from collections.abc import Sequence
from functools import partial

import pytest
import torch

from benchmarks.speed.loops import notebook, ours, textbook
from benchmarks.speed.phases import PHASES
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Meter, Round, Spent, Work
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import accuracy, expected_accuracy
from icl_mlflow.tasks import TASKS
from tests.notebook import NOTEBOOK, needs_notebook, undone

SETTINGS = Plan(size="smoke").settings()


def one_round(work: Work, threads: int | None = None) -> Round:
    """What two pieces of it took, with so many threads or as many as torch takes."""
    ours, theirs = multiprocessing.Pipe()
    for order in (2, 0):
        ours.send(order)
    with pytest.raises(SystemExit):
        work(Meter(theirs))
    assert ours.recv() == (threads or torch.get_num_threads())
    found = ours.recv()
    assert isinstance(found, Round)
    return found


def check_phases(found: Round, *names: str, times: Sequence[int] = ()) -> None:
    """These phases in this order, each of some work, and together the piece.

    Args:
        found: by a contestant.
        names: of the phases.
        times: how often the work of each is done in a piece; once if not given.
    """
    assert tuple(found.phases) == names
    assert min(each.cpu for each in found.phases.values()) > 0
    together = Spent()
    for each, n in zip(found.phases.values(), times or [1] * len(names), strict=True):
        together += Spent(each.wall * n, each.cpu * n)
    rest = found.piece - together
    assert rest.wall >= -1e-9
    assert rest.cpu < 0.2 * found.piece.cpu


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_our_steps(precision: str) -> None:
    settings = Plan(size="smoke").settings(precision=precision)
    check_phases(one_round(partial(ours.steps, settings), threads=1), *PHASES)


def test_textbook_steps() -> None:
    check_phases(one_round(partial(textbook.steps, SETTINGS)), *PHASES)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are told of the notebook."""
    monkeypatch.setenv(notebook.VARIABLE, str(NOTEBOOK))


@needs_notebook
@pytest.mark.usefixtures("named")
def test_notebook_steps() -> None:
    with undone():
        check_phases(one_round(notebook.steps), *PHASES)


def test_the_backward_pass_is_watched_only_meanwhile() -> None:
    before = torch.autograd.backward
    one_round(partial(textbook.steps, SETTINGS))
    assert torch.autograd.backward is before


def test_growth() -> None:
    shapes = [("one", SETTINGS, 1), ("three", SETTINGS, 3)]
    found = one_round(partial(ours.growth, shapes), threads=1)
    check_phases(found, "one", "three", times=(1, 3))


def test_evaluation() -> None:
    found = one_round(partial(ours.evaluation, SETTINGS), threads=1)
    check_phases(found, "draw", "exact answers", "predict", "scores")
    assert one_round(partial(textbook.evaluation, SETTINGS)).piece.cpu > 0


@pytest.mark.parametrize(
    ("sampler", "threads"),
    [(ours.sampler, 1), (ours.normals, 1), (textbook.sampler, None)],
)
def test_samplers(sampler: object, threads: int | None) -> None:
    found = one_round(partial(sampler, SETTINGS, ("B", "A")), threads)
    check_phases(found, "B", "A", times=(10, 10))


@needs_notebook
@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("sampler", [notebook.loader, notebook.sampler])
def test_notebook_samplers(sampler: object) -> None:
    with undone():
        found = one_round(partial(sampler, ("B", "A")))
    check_phases(found, "B", "A", times=(10, 10))


@pytest.mark.parametrize("task", ["A", "B"])
def test_textbook_episodes_follow_the_task(task: str) -> None:
    """Bayes' answers, which rest on its law, are right as often as they expect."""
    dataset = textbook.EpisodeDataset(task, 4_000, Plan().settings())
    x_BSD, y_BS = map(
        torch.stack, zip(*(dataset[i] for i in range(4_000)), strict=True)
    )
    episodes = Episodes(
        context_x_BND=x_BSD[:, :-1],
        context_y_BN=y_BS[:, :-1].long(),
        query_x_BD=x_BSD[:, -1],
        query_y_B=y_BS[:, -1].long(),
        latents={},
    )
    bayes_B = TASKS[task].bayes_logit(episodes)
    expected = float(expected_accuracy(bayes_B, bayes_B).mean())
    found = accuracy(bayes_B, episodes.query_y_B)
    assert found == pytest.approx(expected, abs=3 * 0.5 / 4_000**0.5)
    known = {"A": 0.789, "B": 0.838}
    assert expected == pytest.approx(known[task], abs=0.01)
