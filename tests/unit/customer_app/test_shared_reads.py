"""Reads shared by open pages: asked once for many, anew for who opens a page."""

import threading
import time
from collections.abc import Callable

import pytest

from customer_app import shared_reads
from customer_app.shared_reads import SharedReads


def counting() -> tuple[list[int], Callable[[], int]]:
    asked: list[int] = []

    def read() -> int:
        asked.append(1)
        return len(asked)

    return asked, read


def test_pages_share_an_answer_while_it_is_fresh() -> None:
    asked, read = counting()
    reads = SharedReads()
    assert [reads.get("counts", read, anew=False) for _ in range(5)] == [1] * 5
    assert reads.get("others", read, anew=False) == 2
    assert len(asked) == 2


def test_who_opens_a_page_reads_anew_and_the_others_have_it_too() -> None:
    _, read = counting()
    reads = SharedReads()
    assert reads.get("counts", read, anew=False) == 1
    assert reads.get("counts", read, anew=True) == 2
    assert reads.get("counts", read, anew=False) == 2


def test_a_read_that_takes_long_is_used_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LEAST_AGE_S", 0.01)
    asked, read = counting()

    def slow() -> int:
        time.sleep(0.05)
        return read()

    reads = SharedReads()
    reads.get("quick", read, anew=False)
    reads.get("slow", slow, anew=False)
    time.sleep(0.05)
    assert reads.get("quick", read, anew=False) == 3
    assert reads.get("slow", slow, anew=False) == 2
    assert len(asked) == 3


def test_pages_that_ask_at_the_same_time_wait_for_one_read() -> None:
    asked, read = counting()

    def slow() -> int:
        time.sleep(0.05)
        return read()

    reads = SharedReads()
    threads = [threading.Thread(target=lambda: reads.get("counts", slow, anew=False)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


def test_a_failed_read_is_tried_again() -> None:
    def fail() -> int:
        raise OSError("the database is away")

    reads = SharedReads()
    with pytest.raises(OSError, match="away"):
        reads.get("counts", fail, anew=False)
    assert reads.get("counts", lambda: 7, anew=False) == 7
