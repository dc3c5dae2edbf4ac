"""The whole in one run: train a model, ablate it, and ask what it has learned.

Each step is a run below that of the pipeline. A step that has finished before, with the
same settings and the same code, is not done again: the new run says where it is.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from icl_mlflow.escaping import for_markdown, markdown_link
from icl_mlflow.identity import digest
from icl_mlflow.suite.finished import finished_before
from icl_mlflow.suite.member import train_member
from icl_mlflow.suite.request import Request
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tracking.local.provenance import code_digest
from icl_mlflow.tracking.local.safe_read import LONGEST_JSON, content_of, json_of
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.models.download import FetchError
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.run_files import download
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.problem import resolved
from icl_mlflow.workflows import ablate as suites
from icl_mlflow.workflows.analyze import PreparedAnalysis, carry_out, prepare
from icl_mlflow.workflows.settings import PipelineSettings
from icl_mlflow.workflows.train import Listener

#: Where the run says what its steps have given.
STEPS = "steps.json"

#: Runs that are looked through for a step that can be reused.
_RECENT = 10


@dataclass(frozen=True, kw_only=True)
class Step:
    """A finished step.

    Attributes:
        name: ``train``, ``ablate`` or ``analyze``.
        run_id: of the run that holds it.
        answers: what came out, a sentence each.
        is_reused: whether an earlier pipeline, or another command, has done it.
    """

    name: str
    run_id: str
    answers: tuple[str, ...]
    is_reused: bool = False


class Pipeline:
    """The open run of a pipeline, whose steps are done in order.

    Attributes:
        run_id: of the run.
        ui_link: its page in the UI.
    """

    def __init__(self, log: RunLog, request: Request, chosen: PipelineSettings) -> None:
        self.run_id, self.ui_link = log.run_id, log.ui_link()
        self._log, self._request, self._chosen = log, request, chosen
        self._steps: list[Step] = []

    def trained_before(self) -> Step | None:
        """The first step, if it has been done before."""
        (member, *_) = self._request.members
        trained = finished_before(self._log.store, member)
        return self._trained(trained) if trained else None

    def train(self, listener: Listener) -> Step:
        """Train the first model: the baseline, with the first seed."""
        (member, *_) = self._request.members
        trained = train_member(
            self._log.store,
            member,
            parent_run_id=self.run_id,
            resume=self._request.execution.resume,
            on_resume=listener.resume,
            on_start=listener.start,
            on_step=listener.step,
            on_epoch=lambda epoch: listener.epoch(member.run_name, epoch),
            on_stop=listener.stop,
        )
        return self._trained(trained)

    def ablated_before(self) -> Step | None:
        """The second step, if it has been done before."""
        return self._before("ablate", self._suite_identity)

    @property
    def suite(self) -> suites.Suite:
        """Every variant with every seed, of which the first model is one."""
        return suites.plan_suite(self._log.store, self._request)

    def ablate(
        self,
        suite: suites.Suite,
        on_epoch: Callable[[str, Epoch], None] = lambda _name, _epoch: None,
    ) -> Step:
        """Train the other members, and compare the variants."""
        found = suites.ablate(
            self._log.store, suite, on_epoch, parent_run_id=self.run_id
        )
        rows = found.table.to_dict("records")
        step = Step(
            name="ablate",
            run_id=found.run_id,
            answers=tuple(f"{row['variant']}: {row['sentence']}" for row in rows),
        )
        return self._done(step, self._suite_identity)

    def analyzed_before(self) -> Step | None:
        """The third step, if it has been done before."""
        return self._before("analyze", self._analysis_identity)

    @property
    def analysis(self) -> PreparedAnalysis:
        """The questions to the first model."""
        return prepare(self._chosen.analysis_of(self._steps[0].run_id))

    def analyze(
        self,
        prepared: PreparedAnalysis,
        on_analysis: Callable[[], None] = lambda: None,
    ) -> Step:
        """Put the questions to the first model."""
        found = carry_out(prepared, on_analysis, parent_run_id=self.run_id)
        step = Step(
            name="analyze",
            run_id=found.run_id,
            answers=tuple(f"{name}: {text}" for name, text in found.verdicts.items()),
        )
        return self._done(step, self._analysis_identity)

    def _trained(self, trained: TrainingResult) -> Step:
        test = trained.test
        self._log.metrics(test, step=trained.settings.epochs)
        answer = (
            f"accuracy {test['test/accuracy']:.4f} (exact Bayes "
            f"{trained.bayes_accuracy:.4f}), excess risk "
            f"{test['test/excess_risk']:.4f} nats"
        )
        step = Step(
            name="train",
            run_id=trained.run_id,
            answers=(answer,),
            is_reused=trained.reused,
        )
        return self._done(step)

    @property
    def _suite_identity(self) -> str:
        members = [member.identity for member in self._request.members]
        return digest({"members": members, "code": code_digest()})

    @property
    def _analysis_identity(self) -> str:
        asked = self._chosen.analysis_of(self._steps[0].run_id)
        return digest(
            {"run_id": asked.run_id, "analyses": asked.names, "code": code_digest()}
        )

    def _before(self, name: str, identity: str) -> Step | None:
        """A finished step of an earlier pipeline in this experiment."""
        store = self._log.store
        earlier = store.client.search_runs(
            [store.experiment_id],
            f"tags.{_identity_tag(name)} = '{identity}' AND tags.kind = 'pipeline'",
            max_results=_RECENT,
            order_by=["attributes.start_time DESC"],
        )
        for run in earlier:
            step = _steps_of(store, run.info.run_id).get(name)
            if step is not None and _is_finished(store, step.run_id):
                return self._done(dataclasses.replace(step, is_reused=True), identity)
        return None

    def _done(self, step: Step, identity: str | None = None) -> Step:
        """Note a step where the next pipeline looks for it, and where readers look."""
        self._steps.append(step)
        self._log.json(STEPS, [dataclasses.asdict(one) for one in self._steps])
        if identity is not None:
            self._log.tags({_identity_tag(step.name): identity})
        self._log.description(self._description())
        return step

    def _description(self) -> str:
        lines = [_lead(self._request), ""]
        for step in self._steps:
            link = markdown_link(step.name, self._log.store.run_link(step.run_id))
            reused = ", done before" if step.is_reused else ""
            lines += [f"**{link}**{reused}", ""]
            lines += [*(f"- {for_markdown(one)}" for one in step.answers), ""]
        return "\n".join(lines)


@contextmanager
def open_pipeline(
    store: Store, request: Request, chosen: PipelineSettings
) -> Iterator[Pipeline]:
    """Open the run that the steps are done in.

    Args:
        store: where to track it.
        request: from `icl_mlflow.suite.request.several_variants`.
        chosen: which questions are asked.
    """
    params: dict[str, Any] = {
        **resolved(request.settings),
        "variants": chosen.variants,
        "seeds": chosen.seeds,
        "analyses": chosen.analyses,
    }
    for replaced in ("variant", "seed"):
        del params[replaced]
    task = request.settings.task
    with open_run(
        store,
        name=f"{task}-pipeline",
        kind="pipeline",
        params=params,
        tags={"task": task},
        description=_lead(request),
    ) as log:
        yield Pipeline(log, request, chosen)


def _lead(request: Request) -> str:
    return (
        f"Does a model of task {request.settings.task} implement the optimal test, and "
        "what does it need for it? Train, ablate and analyze, each in a run of its own."
    )


def _identity_tag(name: str) -> str:
    return f"{name}_identity"


def _steps_of(store: Store, run_id: str) -> Mapping[str, Step]:
    """By name, the steps that an earlier pipeline has noted."""
    run = store.client.get_run(run_id)
    with temporary_folder() as folder:
        try:
            file = download(store.client, run, STEPS, folder, LONGEST_JSON)
            noted = json_of(content_of(file, LONGEST_JSON))
            steps = [Step(**{**one, "answers": tuple(one["answers"])}) for one in noted]
        except (FetchError, ValueError, KeyError, TypeError):
            return {}  # then they are done again
    return {step.name: step for step in steps}


def _is_finished(store: Store, run_id: str) -> bool:
    info = store.client.get_run(run_id).info
    return info.status == "FINISHED" and info.lifecycle_stage == "active"
