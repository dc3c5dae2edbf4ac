"""Where episodes cannot be written to is known before any is drawn."""

from pathlib import Path

import pytest

from icl_mlflow.scoring.settings import EpisodesSettings


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "out must end in .parquet or .npz"),
        ({"out": "x.csv"}, "out must end in .parquet or .npz, not 'x.csv'"),
        ({"out": "nowhere/x.npz"}, "there is no folder .*nowhere for x.npz"),
        ({"out": "x.npz", "stream": "analysis"}, "train, validation, test"),
        ({"out": "x.npz", "task": "B", "tau": 9}, "task B has no tau"),
        ({"out": "x.npz", "n": 0}, "n must be at least 1"),
    ],
)
def test_bad_settings_are_refused(
    given: dict[str, object],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=complaint):
        EpisodesSettings(**given)
