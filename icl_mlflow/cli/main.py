"""The console script ``icl-mlflow``: a group of commands, each imported when called.

Exit codes: 0 done, 1 failed, 2 bad input, 3 loss not finite, 4 storage, 130 and 143 by
signal.
"""

import atexit
import gc
import importlib
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from icl_mlflow.cli.console import has_reader, prepare_streams
from icl_mlflow.cli.errors import say
from icl_mlflow.cli.options import CONTEXT
from icl_mlflow.tracking.local.signals import ENDING, leave, leaving_at_once, unwind
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.tracking.store.uri import is_of_storage

#: Name to the place of the command and its line in ``--help``.
COMMANDS = {
    "train": ("icl_mlflow.cli.train:train", "Train models and log them."),
    "ablate": (
        "icl_mlflow.cli.ablate:ablate",
        "Train every variant and compare them with the baseline.",
    ),
    "diagram": (
        "icl_mlflow.cli.diagram:diagram",
        "Train pools of few and many tasks: memorise or generalise?",
    ),
    "search": (
        "icl_mlflow.cli.search:search",
        "Search the settings that come nearest to exact Bayes.",
    ),
    "analyze": (
        "icl_mlflow.cli.questions.analyze:analyze",
        "Put questions to trained models.",
    ),
    "compare": (
        "icl_mlflow.cli.questions.compare:compare",
        "Compare two runs on the same episodes.",
    ),
    "episodes": (
        "icl_mlflow.cli.questions.episodes:episodes",
        "Write episodes with their exact answers to a file.",
    ),
    "score": (
        "icl_mlflow.cli.questions.score:score",
        "Judge any model, or answers in a file, by exact Bayes.",
    ),
    "models": (
        "icl_mlflow.cli.store.models:models",
        "List registered models; show the card of one.",
    ),
    "export": (
        "icl_mlflow.cli.store.export:export",
        "Write the histories and results of runs to files.",
    ),
    "reproduce": (
        "icl_mlflow.cli.reproduce:reproduce",
        "Train the paper's experiments; its table beside ours.",
    ),
    "pipeline": (
        "icl_mlflow.cli.pipeline:pipeline",
        "Train, ablate and analyze in one go: one link at the end.",
    ),
    "import_published": (
        "icl_mlflow.cli.import_published:import_published",
        "Register the models that were published with the paper.",
    ),
    "compile": (
        "icl_mlflow.cli.compile:compile_circuit",
        "Register a model made by hand, whose circuit is known.",
    ),
    "sync": (
        "icl_mlflow.cli.store.sync:sync",
        "Deliver what the tracking store could not take.",
    ),
    "reap": ("icl_mlflow.cli.store.reap:reap", "Mark runs whose process has died."),
}

_STORAGE = 4


class LazyGroup(click.Group):
    """Lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of `COMMANDS`."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """One line a command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


_EXAMPLE = """\b
Example:
  icl-mlflow train --task A --preset smoke
Completion in your shell:
  eval "$(_ICL_MLFLOW_COMPLETE=bash_source icl-mlflow)"
"""


@click.group(cls=LazyGroup, context_settings=CONTEXT, epilog=_EXAMPLE)
@click.version_option(package_name="icl-mlflow")
def cli() -> None:
    """Train, ablate and open up in-context learners of statistical tests."""


def run(command: click.Command = cli) -> NoReturn:
    """Run a command; a failure that is not ours is one line and an exit code."""
    # At the end the interpreter would look through all that torch and mlflow have made
    # for what could be freed: for seconds on a busy machine, and for nothing.
    atexit.register(gc.freeze)
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # `nohup` ignores SIGHUP
            signal.signal(number, unwind)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _Interrupts())
    prepare_streams()
    with leaving_at_once():
        _run(command)


def _run(command: click.Command) -> NoReturn:
    try:
        with quiet_mlflow():
            result = command.main(standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except SystemExit as ended:
        # What click makes of a reader of --help who has seen enough: no failure.
        if ended.code == 1 and not has_reader(sys.stdout):
            sys.exit(0)
        raise
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 128 + signal.SIGINT)
    except Exception as error:
        if not is_of_storage(error):
            raise  # a fault of this program, whose traceback is wanted
        _fail(f"storage: {_explained(error)}", _STORAGE)
    sys.exit(result if isinstance(result, int) else 0)


def _explained(error: Exception) -> str:
    """What a request means that MLflow says has failed; another error as it is."""
    # Imported here: --help and most commands have no use for them.
    from icl_mlflow.tracking.store.failures import meaning
    from icl_mlflow.tracking.store.uri import shown, tracking_uri

    if "MlflowException" not in {kind.__name__ for kind in type(error).__mro__}:
        return str(error)
    uri = tracking_uri()
    why = meaning(error, uri)
    return f"{shown(uri)} {why}" if why else str(error)


def _fail(message: str, code: int) -> NoReturn:
    try:
        say(message)
    except OSError:  # a log file on a disk that is full; do not try again at the end
        sys.stderr = None
    sys.exit(code)


class _Interrupts:
    """What Ctrl-C does: unwinds the stack, twice; whoever repeats it wants no more."""

    _MOST = 2

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, number: int, _frame: FrameType | None) -> NoReturn:
        self._count += 1
        if self._count > self._MOST:
            leave(128 + number)
        raise KeyboardInterrupt


if __name__ == "__main__":
    run()
