"""The card of a model: what it is, how good, how to load it, and where it ends."""

from collections.abc import Mapping

from icl_mlflow.escaping import markdown_code
from icl_mlflow.models import Architecture, InContextModel
from icl_mlflow.settings import values_of
from icl_mlflow.tables import spaced
from icl_mlflow.tasks.base import parameters
from icl_mlflow.tracking.models.versions import rounded
from icl_mlflow.training.problem import Problem, problem
from icl_mlflow.training.settings import TrainSettings

#: Characters that MLflow's databases take in a description.
LONGEST = 5_000

_ONE_SEED = (
    "The numbers are of one seed; other seeds of the same settings may end elsewhere."
)

#: What a card names by itself.
_NAMED = (
    "task",
    "variant",
    "seed",
    "device",
    "threads",
    "model_prefix",
    "keep_checkpoints",
)

_TITLES = ("accuracy", "log-loss (nats)", "excess risk (nats)")

#: Test metrics beside accuracy, loss and risk, as readers call them.
_FURTHER = {
    "test/auc": "AUC",
    "test/brier": "Brier score",
    "test/ece": "calibration error",
    "test/entropy_mae_bits": "error of the answer's entropy (bits)",
}

#: What readers call the families of models.
_KINDS = {"transformer": "a transformer", "mlp": "an MLP", "lstm": "an LSTM"}


def about_models(
    settings: TrainSettings,
    metrics: Mapping[str, float],
    bayes_accuracy: float | None = None,
) -> str:
    """What all versions of a registered model have in common, in Markdown.

    Args:
        settings: of the newest version.
        metrics: of its weights, by tracked name.
        bayes_accuracy: of exact Bayes on its test episodes.
    """
    chosen = problem(settings)
    bayes = _bayes(metrics, bayes_accuracy)
    what = (
        f"Models for task {settings.task}, variant "
        f"{markdown_code(settings.variant)}: shown labelled points and a query, they "
        "answer the log-odds of label 1 of the query, in nats, without any update of "
        "their weights. Excess risk is their log-loss above that of exact Bayes on the "
        "same episodes; 0 is optimal."
    )
    if bayes:
        what += (
            f" Exact Bayes reaches accuracy {rounded(bayes[0])} and log-loss "
            f"{rounded(bayes[1])} on the test episodes of the newest version."
        )
    parts = [_settings(settings), _limits(settings, chosen)]
    newest = [part.replace(".**", " of the newest version.**", 1) for part in parts]
    return "\n\n".join([f"**{chosen.variant.question}**", what, *newest])


def version_card(
    settings: TrainSettings,
    model: InContextModel,
    metrics: Mapping[str, float],
    bayes_accuracy: float | None = None,
) -> str:
    """The card of one trained model, but for how it is loaded, in Markdown.

    Args:
        settings: that it was trained with.
        model: with the weights that are kept.
        metrics: of the kept weights, by tracked name.
        bayes_accuracy: of exact Bayes on the same test episodes.
    """
    chosen = problem(settings)
    parts = [
        f"**{chosen.variant.question}**",
        _what(settings, chosen, model),
        _scores(settings, metrics, bayes_accuracy),
        _settings(settings),
        f"{_limits(settings, chosen)} {_ONE_SEED}",
    ]
    return "\n\n".join(part for part in parts if part)


def loading(uri: str) -> str:
    """How a model is loaded and served, in Markdown."""
    return (
        "**Load it** (safetensors, SHA-256 checked; no code runs)\n\n"
        "```python\n"
        "import icl_mlflow as icl\n\n"
        f'model = icl.load_model("{uri}")\n'
        "logit = model(context_x, context_y, query_x)  # (B, N, D), (B, N), (B, D)\n"
        "```\n\n"
        f'or `mlflow models serve -m "{uri}" --env-manager local`; '
        f"`icl-mlflow analyze --model {uri}` opens it up."
    )


def _what(settings: TrainSettings, chosen: Problem, model: InContextModel) -> str:
    shape = model.architecture
    n_parameters = sum(value.numel() for value in model.parameters())
    own = ", ".join(f"{k}={v:g}" for k, v in parameters(chosen.task).items())
    return (
        f"Task {settings.task} ({own}), variant {markdown_code(settings.variant)}, "
        f"seed {settings.seed}: {_KINDS.get(shape.family, shape.family)} of "
        f"{n_parameters:,} parameters ({_shape(shape)}), "
        f"shown {chosen.n_context} labelled points."
    )


def _shape(shape: Architecture) -> str:
    if shape.family != "transformer":
        return "as many as the transformer of these settings"
    return f"{shape.n_layers} blocks, {shape.n_heads} heads, width {shape.d_model}"


def _scores(
    settings: TrainSettings, metrics: Mapping[str, float], bayes_accuracy: float | None
) -> str:
    """The scores on validation and test episodes, and those of exact Bayes."""
    found = {
        f"validation (chose the epoch), {settings.val_episodes:,} episodes": _three(
            "val", metrics
        ),
        f"test, {settings.test_episodes:,} episodes": _three("test", metrics),
        "exact Bayes, the same test episodes": _bayes(metrics, bayes_accuracy),
    }
    rows = {title: numbers for title, numbers in found.items() if numbers}
    if not rows:
        return ""
    lines = ["| | " + " | ".join(_TITLES) + " |", "|---" * (len(_TITLES) + 1) + "|"]
    for title, numbers in rows.items():
        lines.append(f"| {title} | {' | '.join(map(rounded, numbers))} |")
    further = [
        f"{name} {rounded(metrics[key])}"
        for key, name in _FURTHER.items()
        if key in metrics
    ]
    also = f"\n\nOn the test episodes also: {', '.join(further)}." if further else ""
    return spaced("\n".join(lines)) + also


def _three(part: str, metrics: Mapping[str, float]) -> tuple[float, ...]:
    """Accuracy, loss and risk on the episodes of a part; nothing if one is missing."""
    names = [f"{part}/{name}" for name in ("accuracy", "loss", "excess_risk")]
    known = all(name in metrics for name in names)
    return tuple(metrics[name] for name in names) if known else ()


def _bayes(metrics: Mapping[str, float], accuracy: float | None) -> tuple[float, ...]:
    """The same of exact Bayes on the test episodes, whose risk is by definition 0."""
    if accuracy is None or not _three("test", metrics):
        return ()
    return accuracy, metrics["test/loss"] - metrics["test/excess_risk"], 0.0


def _settings(settings: TrainSettings) -> str:
    """The settings that are not as they are by default."""
    usual = values_of(TrainSettings())
    changed = [
        markdown_code(f"{name}={value}")
        for name, value in values_of(settings).items()
        if name not in _NAMED and value not in (None, usual.get(name))
    ]
    told = f"Not as by default: {', '.join(changed)}." if changed else "As by default."
    return f"**Settings.** {told} All are in `settings.json` of the run."


def _limits(settings: TrainSettings, chosen: Problem) -> str:
    return (
        f"**Limits.** Points have {settings.dim} dimensions, labels are 0 or 1, and an "
        f"episode may make {chosen.architecture.positions} tokens. It has seen this "
        "problem and no other: with other parameters of the task, noisy labels or "
        "another number of points it may be wrong, and sure of it."
    )
