"""The team of threads: every part is done once, faults come through, and nobody waits for ever."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicaffe.backend.cpu import team
from minicaffe.backend.cpu.team import SMALLEST_SHARED_WORK, TEAM, Team, cut, one_blas_thread


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("parts", [0, 1, 2, 7, 30])
def test_every_part_is_done_once(size, parts):
    done = []
    crew = Team(size)
    for _ in range(3):
        crew.run(done.append, range(parts))
    assert sorted(done) == sorted([*range(parts)] * 3)


def test_parts_run_in_several_threads():
    meeting = threading.Barrier(3, timeout=10)
    Team(3).run(lambda part: meeting.wait(), range(3))


@pytest.mark.parametrize("bad", [0, 1, 5])
def test_an_exception_comes_through_and_the_team_lives_on(bad):
    crew = Team(3)

    def fail(part):
        if part == bad:
            raise KeyError(part)

    with pytest.raises(KeyError, match=str(bad)):
        crew.run(fail, range(6))
    done = []
    crew.run(done.append, range(6))
    assert sorted(done) == list(range(6))


def test_a_call_inside_a_part_runs_alone():
    crew, done = Team(2), []
    crew.run(lambda part: crew.run(done.append, [part, part + 10]), range(4))
    assert sorted(done) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_two_nets_in_two_threads():
    crew, sums = Team(2), [[], []]

    def work(which):
        for _ in range(200):
            crew.run(sums[which].append, range(4))

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [len(numbers) for numbers in sums] == [800, 800]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("size", [0, 1, 4, 5, 17])
def test_cuts_cover_the_range(monkeypatch, threads, size):
    monkeypatch.setattr(TEAM, "size", threads)
    for work in (SMALLEST_SHARED_WORK - 1, SMALLEST_SHARED_WORK):
        spans = cut(size, work)
        assert [i for span in spans for i in range(size)[span]] == list(range(size))
        assert len(spans) <= threads and (work == SMALLEST_SHARED_WORK or len(spans) == 1)


def test_cuts_are_fair(monkeypatch):
    monkeypatch.setattr(TEAM, "size", 3)
    assert [span.stop - span.start for span in cut(20, 10**6)] == [6, 7, 7]


def test_blas_threads_come_back():
    from threadpoolctl import threadpool_info

    def counts():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    np.ones((2, 2)) @ np.ones((2, 2))
    before = counts()
    with one_blas_thread():
        assert TEAM.size < 2 or set(counts()) <= {1}
    assert counts() == before
    with pytest.raises(KeyError), one_blas_thread():
        raise KeyError
    assert counts() == before


@pytest.mark.parametrize("asked, size", [("3", 3), ("1", 1)])
def test_the_environment_sets_the_size(monkeypatch, asked, size):
    monkeypatch.setenv("MINICAFFE_NUM_THREADS", asked)
    assert team.default_size() == size


@pytest.mark.parametrize("asked", ["", "0", "many", "-2"])
def test_otherwise_the_processors_do(monkeypatch, asked):
    monkeypatch.setenv("MINICAFFE_NUM_THREADS", asked)
    assert 1 <= team.default_size() <= min(8, os.cpu_count())


def test_a_script_ends_while_the_team_waits():
    code = "from minicaffe.backend.cpu.team import Team; Team(3).run(print, range(3))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    # Threads print in any order, and one may print between another's text and its line end.
    assert (result.returncode, sorted("".join(result.stdout.split()))) == (0, ["0", "1", "2"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_starts_threads_of_its_own():
    code = """if True:
        import os
        from minicaffe.backend.cpu.team import TEAM
        TEAM.size = 3
        done = []
        TEAM.run(done.append, range(3))
        child = os.fork()
        TEAM.run(done.append, range(3))
        if child == 0:
            os._exit(len(done))
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60).returncode == 6


def test_results_do_not_depend_on_who_was_faster(monkeypatch):
    from minicaffe.backend.cpu import matmul

    monkeypatch.setattr(TEAM, "size", 3)
    a, b = np.random.default_rng(1).normal(size=(2, 200, 200))
    results = [np.empty((200, 200)) for _ in range(5)]
    for out in results:
        matmul(a, b, out)
        assert_array_equal(out, results[0])


def test_two_nets_in_two_threads_leave_blas_as_it_was():
    class Library:
        count = 5

        def get_num_threads(self):
            return self.count

        def set_num_threads(self, count):
            self.count = count

    library, threads = Library(), team.BlasThreads()
    threads._libraries = [library]
    threads.enter()
    threads.enter()
    assert library.count == 1
    threads.leave()
    assert library.count == 1, "the other is still at work"
    threads.leave()
    assert library.count == 5


def test_numpy_warns_of_nothing_in_a_helper():
    """As in the caller's thread, where a layer has said so."""
    settings = []
    Team(2).run(lambda part: settings.append((threading.current_thread().name, np.geterr())), [0, 1])
    helpers = [found for name, found in settings if name == "minicaffe kernel"]
    assert helpers == [dict.fromkeys(("divide", "over", "under", "invalid"), "ignore")]
