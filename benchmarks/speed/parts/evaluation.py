"""How long does the evaluation of a validation set take?

The plain evaluation draws its episodes anew each time and finds loss and accuracy. Ours
draws them once a run, with the exact Bayes answers, and then finds six scores.
"""

from functools import partial

from benchmarks.speed.loops import ours
from benchmarks.speed.loops.reference import plain
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Contestant, Measured, Round, Spent, contest
from benchmarks.table import Table, milliseconds, per_second, spread, times

#: What an epoch has to do once the episodes and their exact answers are there.
_EVERY_EPOCH = ("predict", "scores")


def measure(plan: Plan) -> list[Table]:
    """An evaluation compared, and ours by phase."""
    reference = plain(plan)
    settings = plan.settings()
    found = contest(
        [
            Contestant(name=reference.name, work=reference.evaluation, pieces=1),
            Contestant(name="ours", work=partial(ours.evaluation, settings), pieces=1),
        ],
        plan.rounds,
    )
    slow, whole = found[reference.name], found["ours"]
    rows = [
        _row(f"{reference.name}, drawing included", settings.val_episodes, slow, slow),
        _row("ours, as in every epoch", settings.val_episodes, slow, _epochs(whole)),
        _row("ours, all included", settings.val_episodes, slow, whole),
    ]
    by_phase = tuple(milliseconds(whole.phase(name).cpu) for name in whole.phases)
    return [
        Table(
            title=f"An evaluation of {settings.val_episodes} episodes",
            columns=("evaluation", "CPU ms", "(range)", "episodes/s", "speed-up"),
            rows=rows,
            note="One thread; CPU time.",
        ),
        Table(
            title="Our evaluation by phase",
            columns=("", *(f"{name} ms" for name in whole.phases)),
            rows=[("ours", *by_phase)],
        ),
    ]


def _row(name: str, count: int, slow: Measured, each: Measured) -> tuple[str, ...]:
    return (
        name,
        milliseconds(each.cpu),
        spread(each.cpu),
        per_second(count, each.cpu),
        times(slow.cpu, each.cpu),
    )


def _epochs(whole: Measured) -> Measured:
    """The part of it that is done in every epoch."""
    rounds = tuple(
        Round(sum((each.phases[name] for name in _EVERY_EPOCH), Spent()), {})
        for each in whole.rounds
    )
    return Measured(rounds, whole.threads)
