"""The figures of a run, as they were logged and as they are drawn again."""

import io
import re
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from icl_mlflow.analysis.report.section import png
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.workflows.figures.run import figures_of


def logged(run: EndedRun) -> dict[str, bytes]:
    """Name to the picture that the run keeps."""
    client = run.client
    files = client.list_artifacts(run.run_id, "figures")
    return {
        Path(file.path).stem: Path(
            client.download_artifacts(run.run_id, file.path)
        ).read_bytes()
        for file in files
    }


def assert_drawn_as_logged(run: EndedRun) -> None:
    """Every figure that the run keeps is drawn again, to the last dot, and no other."""
    before, drawn = logged(run), figures_of(run)
    assert drawn.keys() == before.keys()
    for name, one in drawn.items():
        assert before[name] == again(before[name], one.figure), name
        assert re.search(r"\. [\w ,]+; .+\. [\d,]+ \w*\s?episodes\.$", one.caption)


def again(before: bytes, figure: Figure) -> bytes:
    """A figure as a file of the same kind as before: reports keep few colours."""
    with Image.open(io.BytesIO(before)) as image:
        if image.mode == "P":
            return png(figure)
    kept = io.BytesIO()
    figure.savefig(kept, dpi=150, format="png")
    return kept.getvalue()
