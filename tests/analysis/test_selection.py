"""Which analyses a text stands for."""

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.settings import AnalyzeSettings


def test_what_takes_seconds_is_asked_unless_somebody_says_more() -> None:
    usual = AnalyzeSettings(run_id="4f2a")
    assert usual.names == tuple(name for name in ANALYSES if ANALYSES[name].by_default)
    assert {*usual.names, *usual.left_out} == set(ANALYSES)
    assert usual.left_out, "some take long"
    everything = AnalyzeSettings(run_id="4f2a", analyses="all")
    assert everything.names == tuple(ANALYSES)
    assert everything.left_out == usual.named == everything.named == ()
    some = AnalyzeSettings(
        run_id="4f2a", analyses="calibration, scoreboard,calibration"
    )
    assert some.names == some.named == ("calibration", "scoreboard")
    assert some.left_out == ()
    (deep, *_) = usual.left_out
    more = AnalyzeSettings(run_id="4f2a", analyses=f"default,{deep}")
    assert more.names == (*usual.names, deep)
    assert more.named == (deep,)
    assert deep not in more.left_out
