"""Rates and lags out of samples of offsets."""

from aiokafka import TopicPartition

from lumina_api.pipeline.sample import History, Sample, lag

ONE, TWO = TopicPartition("spans", 0), TopicPartition("spans", 1)


def sample(at_s: float, **ends: int) -> Sample:
    places = {"one": ONE, "two": TWO}
    return Sample(0, at_s, {}, {places[name]: end for name, end in ends.items()})


def test_a_rate_is_that_of_the_last_minute() -> None:
    history = History()
    for step in range(100):
        history.add(sample(step * 5.0, one=step * 50 if step < 60 else 3000))
    assert history.rate(ONE) == 0
    history.add(sample(500.0, one=3600))
    assert history.rate(ONE) == 10
    assert len(history._ends) == 13


def test_what_is_not_known_has_no_rate() -> None:
    history = History()
    assert history.rate(ONE) is None
    history.add(sample(0, one=100))
    assert history.rate(ONE) is None
    history.add(sample(5, one=20, two=7))  # one was made anew, two was added
    assert history.rate(ONE) is None
    assert history.rate(TWO) is None


def test_lag_counts_what_is_still_there() -> None:
    assert lag(position=10, begin=0, end=15) == 5
    assert lag(position=0, begin=12, end=15) == 3
    assert lag(position=20, begin=0, end=15) == 0  # the sample is older than the position
