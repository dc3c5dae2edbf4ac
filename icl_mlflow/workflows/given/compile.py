"""Compile a circuit: a model made by hand becomes a run and a registered version."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import safetensors.torch

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.compiled.circuit import Circuit, compiled
from icl_mlflow.compiled.settings import CompileSettings
from icl_mlflow.tracking.runs.imported import CIRCUIT, COMPILED, compiled_run
from icl_mlflow.tracking.runs.run_log import RunLog
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.given.model import LoggedModel, log_given_model


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """What came of compiling a circuit.

    Attributes:
        run_id: of its run.
        new: what was logged now; None where an earlier run has the same weights.
    """

    run_id: str
    new: LoggedModel | None


def compile_circuit(store: Store, asked: CompileSettings) -> Compilation:
    """Make the model of a circuit, test it, log it as a run, and register it.

    Its registered name is ``icl-A-class_means``, of task and circuit, and it is tagged
    ``source=compiled``, so it is never taken for a trained one. What it computes, and
    which parts do, goes with it as ``truth.json``. A circuit whose weights a finished
    run of the experiment has already is not logged again.

    Args:
        store: where it goes.
        asked: which circuit.
    """
    circuit = CIRCUITS[asked.circuit]
    settings = replace(circuit.settings, model_prefix=asked.model_prefix)
    model = compiled(circuit)
    sha256 = hashlib.sha256(safetensors.torch.save(model.state_dict())).hexdigest()
    earlier = compiled_run(store, asked.circuit, sha256)
    if earlier:
        return Compilation(run_id=earlier, new=None)

    def log_truth(log: RunLog) -> None:
        log.json("truth.json", truth_of(circuit))

    logged = log_given_model(
        store,
        settings,
        model,
        run_name=f"compiled-{asked.circuit}",
        registered_name=f"{asked.model_prefix or ''}icl-{circuit.task}-{asked.circuit}",
        facts={
            "source": "compiled",
            CIRCUIT: asked.circuit,
            COMPILED: sha256,
            # Not the hash of its settings: a suite would take it for one of its own.
            "settings_hash": f"compiled-{sha256[:16]}",
        },
        description=f"**{circuit.computes}**\n\nMade by hand, not trained: which parts "
        "compute it is known, and stands in `truth.json`.",
        more=log_truth,
    )
    return Compilation(run_id=logged.run_id, new=logged)


def truth_of(circuit: Circuit) -> dict[str, Any]:
    """The truth about a circuit, for a file."""
    truth = circuit.truth
    return {
        "computes": circuit.computes,
        "components": list(circuit.components),
        "matters": sorted(truth.matters),
        "writes": sorted(truth.writes),
        "matters_when_unbalanced": sorted(truth.when_unbalanced),
        "edges": sorted(map(list, truth.edges)),
        "estimator": truth.estimator,
        "symmetries": sorted(truth.symmetries),
        "holds": [
            {"statistic": held.name, "layer": held.layer, "role": held.role}
            for held in truth.holds
        ],
    }
