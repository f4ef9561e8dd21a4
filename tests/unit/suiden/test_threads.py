"""Threads of a process: none ends in silence."""

import threading

import pytest

from suiden.threads import ThreadEnded, Threads


def test_threads_that_are_stopped_end_well() -> None:
    stop = threading.Event()
    threads = Threads(stop=stop)
    threads.start("one", stop.wait)
    assert threads.health() == {"one": True}
    stop.set()
    threads.join()
    assert threads.health() == {"one": True}


def test_one_that_raises_stops_the_others_and_is_named() -> None:
    stop = threading.Event()
    threads = Threads(stop=stop)
    threads.start("lives", stop.wait)
    threads.start("breaks", lambda: 1 / 0)
    with pytest.raises(ThreadEnded, match="breaks"):
        threads.join()
    assert threads.health() == {"lives": True, "breaks": False}


def test_one_that_returns_before_its_time_counts_as_ended_too() -> None:
    threads = Threads(stop=threading.Event())
    threads.start("forgets", lambda: None)
    with pytest.raises(ThreadEnded, match="forgets"):
        threads.join()
