"""A training takes off where its loss is surely below guessing."""

from tests.reproduction.planted import CURVE, member


def test_the_epoch_of_the_take_off_is_found() -> None:
    course = member("baseline", 0, CURVE)
    assert course.started == 0  # .69 is surely below ln 2 = .693
    flat = member("baseline", 0, [0.5] * 4, **{"val/loss": [0.694] * 4})
    assert flat.started is None
