"""`icl-mlflow compile`: a model whose circuit is known becomes a run and a version."""

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import usage_errors
from icl_mlflow.cli.options import CONTEXT, options
from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.compiled.settings import CompileSettings


def _list(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 click calls it
    """Print the circuits and leave."""
    if not wanted:
        return
    width = max(map(len, CIRCUITS))
    for name, circuit in CIRCUITS.items():
        show(f"{name:{width}}  task {circuit.task}  {circuit.computes}")
    context.exit()


_EXAMPLE = """\b
Example:
  icl-mlflow compile centred_means
  icl-mlflow analyze --model models:/icl-A-centred_means/1
"""


@click.command("compile", context_settings=CONTEXT, epilog=_EXAMPLE)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="Print the circuits with what they compute, and leave.",
)
@options(CompileSettings)
def compile_circuit(settings: CompileSettings) -> None:
    """Register the model of CIRCUIT, made by hand: what computes its answer is known.

    It becomes a run and a registered version like a trained model, so that every
    analysis can be tried on it. Compiling it again changes nothing.
    """
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.tracking.store.connection import StoreError, connect
    from icl_mlflow.workflows.given.compile import compile_circuit as carry_out

    with usage_errors(StoreError):
        store = connect(settings.experiment)
    done = carry_out(store, settings)
    if done.new is None:
        show(f"{settings.circuit}: compiled before, run {done.run_id}")
        return
    show(
        f"{settings.circuit}: accuracy {done.new.test['test/accuracy']:.4f}, "
        f"excess risk {done.new.test['test/excess_risk']:.4f} nats, "
        f"{done.new.model_uri or 'not registered yet: it waits for `icl-mlflow sync`'}"
    )
    show(f"run      {done.run_id}")
    show(store.where(done.new.ui_link))
