"""Methods that answer with a word, held against the truth of a circuit."""

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.performance.identification import identified
from icl_mlflow.compiled.circuit import Circuit

#: Less than this is no cost, in nats.
_NONE = 1e-3
#: What the analysis calls a repair, and the symmetry that makes it free. No circuit
#: looks at positions, so another order costs none of them anything.
_REPAIRS = {
    "label flip": "classes",
    "rotation": "rotation",
    "reflection": "rotation",
    "centring": "translation",
}


def identification(subject: Subject, circuit: Circuit) -> str:
    """Who the model is found to be; ``right`` or what was said instead."""
    name, nearest = identified(subject.once(ANALYSES["identification"].measure))
    said = {None: f"unsure, nearest {nearest}", "": "none of them"}.get(name, name)
    truth = circuit.truth.estimator or "none of them"
    return "right" if said == truth else f"{said} instead of {truth}"


def symmetry(subject: Subject, circuit: Circuit) -> str:
    """Which symmetries cost nothing; ``right`` or the first that is judged wrongly."""
    frame = subject.once(ANALYSES["symmetry"].measure)
    as_trained = frame[frame["place"] == frame["place"].iloc[0]]
    for row in as_trained.to_dict("records"):
        wanted = _REPAIRS.get(row["repair"])
        has_it = wanted is None or wanted in circuit.truth.symmetries
        if (abs(float(row["cost"])) < _NONE) != has_it:
            return f"{row['repair']}: {row['cost']:.4f} nats"
    return "right"


VERDICTS = {"identification": identification, "symmetry": symmetry}
