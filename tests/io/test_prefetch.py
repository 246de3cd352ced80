"""The prefetcher: order, states, errors, and the many ways in which its thread has to end."""

import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import pytest
from watch import wait_for

from minicaffe.errors import FormatError, MinicaffeError
from minicaffe.io.prefetch import Prefetcher

SOON = 5.0


class Counter:
    """An owner as a layer is one: fills slots with numbers, from `position` on."""

    def __init__(self, depth=3, delay=0.0, fail_at=None):
        self.position, self.delay, self.fail_at = 0, delay, fail_at
        self.filled = 0
        self.prefetcher = Prefetcher(self.fill, [[] for _ in range(depth)])
        self.prefetcher.start(state=0)

    def fill(self, slot):
        time.sleep(self.delay)
        if self.position == self.fail_at:
            raise FormatError("is damaged", file="db")
        slot[:] = [self.position]
        self.position += 1
        self.filled += 1
        return self.position

    def next(self):
        return self.prefetcher.get()[0]


@pytest.fixture
def counter():
    made = []

    def make(**options):
        made.append(Counter(**options))
        return made[-1]

    yield make
    for owner in made:
        owner.prefetcher.close()


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    wait_for(lambda: not threads())


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("delay", [0.0, 0.002])
def test_batches_come_in_order_with_the_state_behind_each(counter, depth, delay):
    owner = counter(depth=depth, delay=delay)
    assert owner.prefetcher.state() == 0
    for i in range(30):
        assert owner.next() == i
        assert owner.prefetcher.state() == i + 1


def test_it_works_ahead_as_far_as_there_are_slots_and_no_farther(counter):
    owner = counter(depth=3)
    wait_for(lambda: owner.filled == 3)
    time.sleep(0.05)
    assert owner.filled == 3
    assert owner.prefetcher.state() == 0
    assert owner.next() == 0
    # The batch in use keeps its slot.
    time.sleep(0.05)
    assert owner.filled == 3
    assert owner.next() == 1
    wait_for(lambda: owner.filled == 4)


def test_a_batch_stays_untouched_until_the_next_is_asked_for(counter):
    owner = counter(depth=2)
    batch = owner.prefetcher.get()
    time.sleep(0.05)
    assert batch == [0]


def test_a_batch_that_is_released_is_filled_again_at_once(counter):
    owner = counter(depth=2)
    wait_for(lambda: owner.filled == 2)
    assert owner.next() == 0
    owner.prefetcher.release()
    owner.prefetcher.release()
    wait_for(lambda: owner.filled == 3)
    time.sleep(0.05)
    assert owner.filled == 3
    assert [owner.next() for _ in range(4)] == [1, 2, 3, 4]


def test_slots_are_used_again(counter):
    owner = counter(depth=3)
    assert len({id(owner.prefetcher.get()) for _ in range(50)}) == 3


def test_waits_are_counted(counter):
    owner = counter(depth=2, delay=0.02)
    for _ in range(4):
        owner.next()
    assert owner.prefetcher.waits >= 3
    quick = counter(depth=2)
    wait_for(lambda: quick.filled == 2)
    assert (quick.next(), quick.prefetcher.waits) == (0, 0)


def test_a_wait_is_announced_before_it_begins(counter):
    owner, told = counter(depth=2, delay=0.05), []

    def tell():
        told.append(owner.prefetcher._lane.ready.empty())

    for _ in range(3):
        owner.prefetcher.get(tell)
    assert told == [True] * owner.prefetcher.waits and len(told) >= 2


def test_an_error_arrives_as_itself_after_the_batches_before_it(counter):
    owner = counter(fail_at=2)
    assert (owner.next(), owner.next()) == (0, 1)
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(FormatError, match=r"^db: is damaged$") as caught:
            owner.next()
        # Where it was raised stays visible, and does not grow.
        names = [entry.name for entry in caught.traceback]
        assert names.count("fill") == 1 and len(names) < 8
    assert time.monotonic() - started < 1
    assert owner.prefetcher.state() == 2


def test_an_error_arrives_while_the_consumer_waits(counter):
    owner = counter(delay=0.1, fail_at=0)
    started = time.monotonic()
    with pytest.raises(FormatError):
        owner.next()
    assert time.monotonic() - started < 1


def test_any_kind_of_exception_arrives():
    def fill(slot):
        raise SystemExit(3)

    prefetcher = Prefetcher(fill, [[]])
    prefetcher.start()
    with pytest.raises(SystemExit):
        prefetcher.get()
    prefetcher.close()


def test_it_starts_again_elsewhere(counter):
    owner = counter(depth=4)
    assert [owner.next() for _ in range(3)] == [0, 1, 2]
    owner.prefetcher.stop()
    assert not threads()
    owner.position = 100
    owner.prefetcher.start(state="there")
    assert owner.prefetcher.state() == "there"
    assert [owner.next() for _ in range(6)] == list(range(100, 106))


def test_it_starts_again_after_an_error(counter):
    owner = counter(fail_at=1)
    assert owner.next() == 0
    with pytest.raises(FormatError):
        owner.next()
    owner.fail_at, owner.position = None, 1
    owner.prefetcher.start()
    assert [owner.next() for _ in range(5)] == [1, 2, 3, 4, 5]


def test_stop_waits_until_nothing_is_being_made(counter):
    owner = counter(depth=2, delay=0.1)
    time.sleep(0.02)
    owner.prefetcher.stop()
    filled = owner.filled
    time.sleep(0.15)
    assert owner.filled == filled


def test_closed_or_never_started_is_told(counter):
    owner = counter()
    assert owner.prefetcher.running
    owner.prefetcher.close()
    owner.prefetcher.close()
    for prefetcher in (owner.prefetcher, Prefetcher(owner.fill, [[]])):
        with pytest.raises(MinicaffeError, match="reads no data any more: it was closed, or never started"):
            prefetcher.get()
        assert not prefetcher.running
    with pytest.raises(MinicaffeError, match="it was closed"):
        owner.prefetcher.start()
    owner.prefetcher.release()


def test_the_thread_ends_with_its_owner():
    owner = Counter()
    owner.next()
    gone = weakref.ref(owner)
    del owner
    # While the thread makes a batch, it holds on to its owner.
    wait_for(lambda: gc.collect() >= 0 and gone() is None and not threads())


def test_an_owner_with_an_error_pending_is_let_go():
    owner = Counter(fail_at=0)
    wait_for(lambda: not threads())
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


def test_an_owner_may_go_while_a_batch_is_being_made():
    owner = Counter(delay=0.05)
    time.sleep(0.02)
    gone = weakref.ref(owner)
    del owner
    wait_for(lambda: gc.collect() >= 0 and gone() is None and not threads())


def test_a_thread_that_is_gone_is_told(counter, monkeypatch):
    owner = counter(depth=2)
    owner.prefetcher._lane.halt()
    wait_for(lambda: not threads())
    with pytest.raises(MinicaffeError, match="its thread is gone; build the net in the process that runs it"):
        for _ in range(4):
            owner.next()


SCRIPT = """
import time
from minicaffe.io.prefetch import Prefetcher

class Owner:
    def __init__(self):
        self.prefetcher = Prefetcher(self.fill, [[], [], []])
        self.prefetcher.start()
    def fill(self, slot):
        {work}

owner = Owner()
{main}
print("end")
"""


@pytest.mark.parametrize(
    "work, main",
    [
        ("pass", "time.sleep(0.1)"),
        ("time.sleep(0.05)", "time.sleep(0.1); raise SystemExit(0)"),
        ("sum(range(10**6))", "time.sleep(0.1)"),
        ("raise ValueError", "time.sleep(0.1); raise SystemExit(0)"),
        ("time.sleep(60)", "time.sleep(0.1)"),
        ("time.sleep(60)", "time.sleep(0.1); raise SystemExit(0)"),
    ],
)
def test_a_script_that_forgets_to_close_exits_at_once(work, main):
    code = SCRIPT.format(work=work, main=main)
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == ""
    assert time.monotonic() - started < 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_told():
    main = "import os\nchild = os.fork()\nif child:\n    raise SystemExit(os.waitpid(child, 0)[1])\n"
    main += "for _ in range(9): owner.prefetcher.get()"
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(work="pass", main=main)], capture_output=True, text=True)
    assert "its thread is gone" in done.stderr
