"""Progress of a command: a bar on a terminal, lines in a log file."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import show, show_error
from icl_mlflow.tracking.local.signals import ended_by

if TYPE_CHECKING:
    from icl_mlflow.training.member_state import Epoch
    from icl_mlflow.training.settings import TrainSettings
    from icl_mlflow.workflows.train import Listener

#: What whoever stops a suite should know.
SUITE_GOES_ON = "stopped; run the same command again: members go on where they were"

#: An epoch that is heard of after less than this share of the time that its training
#: took has been trained before.
_SOON = 0.5


@contextmanager
def progress(
    length: int, label: str, *, speaks: bool = False
) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after each of ``length`` pieces of work.

    Args:
        length: how many there are.
        label: what they are.
        speaks: without a terminal, say a line after each piece; for pieces that take
            long and of which nothing else is said.
    """
    if _is_watched() or not speaks:
        with click.progressbar(
            length=length,
            label=label,
            file=sys.stderr,
            show_pos=True,
            hidden=not _is_watched(),
        ) as bar:
            yield lambda: bar.update(1)
        return
    begun, done = time.monotonic(), 0

    def say() -> None:
        nonlocal done
        done += 1
        left = (length - done) * (time.monotonic() - begun) / done
        show_error(f"{label}: {done} of {length}, {_left(left)}")

    yield say


@contextmanager
def training_progress(settings: "TrainSettings") -> Iterator["Listener"]:
    """Yield what hears of the training of one model and shows how far it is."""
    from icl_mlflow.workflows.train import Listener

    with progress(settings.total_steps, settings.run_name) as advance:
        yield Listener(
            start=lambda: announce(settings, settings.run_name),
            step=advance,
            epoch=EpochLines({settings.run_name: settings}),
        )


@contextmanager
def epochs_progress(
    members: Mapping[str, "TrainSettings"], label: str
) -> Iterator[Callable[[str, "Epoch"], None]]:
    """Yield what is to be called with the name and every epoch of every member.

    Args:
        members: that are trained, by name.
        label: what they are.
    """
    each = list(members.values())
    if each:  # a suite may have finished before
        announce(each[0], label, each)
    lines = EpochLines(members)
    with progress(sum(member.epochs for member in each), label) as advance:

        def hear(name: str, epoch: "Epoch") -> None:
            advance()
            lines(name, epoch)

        yield hear


def announce(
    settings: "TrainSettings", label: str, members: Sequence["TrainSettings"] = ()
) -> None:
    """One line on stderr: what is about to be trained, and in which arithmetic.

    Args:
        settings: of the first model.
        label: what it is, or what they are.
        members: all of them, whose lengths may differ in a grid.
    """
    from icl_mlflow.training.compute.device import pick_device
    from icl_mlflow.training.compute.precision import precision_reason

    lengths = {(m.epochs, m.steps_per_epoch): None for m in (settings, *members)}
    length = " or ".join(f"{epochs} epochs of {steps}" for epochs, steps in lengths)
    show_error(
        f"{label}: {length} steps, "
        f"on {pick_device(settings.device)}, in {settings.precision} "
        f"({precision_reason(settings)})"
    )


@contextmanager
def last_words(standing: Callable[[], str]) -> Iterator[None]:
    """When a signal ends this, say in one line what it was and where things stand."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        number = ended_by(error)
        if number is None:
            raise
        with suppress(OSError):  # a log file on a disk that is full
            show_error(f"{number.name}: {standing()}")
        raise SystemExit(128 + number) from None


def say_what_smoke_is(preset: str) -> None:
    """So that nobody takes the figures of the smallest preset for a result."""
    if preset == "smoke":
        show("note     preset smoke tests the installation; this is no result")


class EpochLines:
    """Without a terminal, a line on stderr for every finished epoch.

    Args:
        members: that are trained, by name.
    """

    def __init__(self, members: Mapping[str, "TrainSettings"]) -> None:
        self._members = members
        self._missing = sum(member.epochs for member in members.values())
        self._begun = time.monotonic()
        self._heard: dict[str, float] = {}
        self._ours = 0

    def __call__(self, name: str, epoch: "Epoch") -> None:
        """An epoch of the member of this name is finished."""
        now, metrics = time.monotonic(), epoch.metrics
        since = now - self._heard.get(name, self._begun)
        self._heard[name] = now
        self._missing -= 1
        settings = self._members[name]
        n_episodes = settings.steps_per_epoch * settings.batch_size
        # What an earlier call had trained is told at once, and says nothing of the time
        # that an epoch takes.
        if since > _SOON * n_episodes / metrics["episodes_per_second"]:
            self._ours += 1
        elif not self._ours:
            self._begun = now
        if not _is_watched():
            show_error(self._line(name, epoch, now))

    def _line(self, name: str, epoch: "Epoch", now: float) -> str:
        metrics = epoch.metrics
        said = [
            f"{name}: epoch {epoch.epoch + 1} of {self._members[name].epochs}",
            f"train loss {metrics['train/loss']:.4f}",
            f"val loss {metrics['val/loss']:.4f}",
            f"excess risk {metrics['val/excess_risk']:.4f} nats",
        ]
        if len(self._members) > 1:
            said.append(f"{self._missing} epochs to go in all")
        if self._ours:
            said.append(_left(self._missing * (now - self._begun) / self._ours))
        return ", ".join(said)


def _left(seconds: float) -> str:
    from icl_mlflow.suite.engines.estimate import shown_duration

    return f"about {shown_duration(seconds)} left"


def _is_watched() -> bool:
    return sys.stderr.isatty()
