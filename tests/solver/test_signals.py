"""Signals become requests; a second Ctrl-C ends at once."""

import os
import signal

import pytest

from minicaffe.solver import Action
from minicaffe.solver.signals import SignalHandler

STOP, SAVE, NONE = Action.STOP, Action.SNAPSHOT, Action.NONE


def send(number):
    os.kill(os.getpid(), number)


def test_each_signal_asks_for_its_action_once():
    with SignalHandler() as handler:
        assert handler.poll() is NONE
        send(signal.SIGHUP)
        assert [handler.poll(), handler.poll()] == [SAVE, NONE]
        send(signal.SIGINT)
        assert [handler.poll(), handler.poll()] == [STOP, NONE]


def test_sighup_comes_first():
    with SignalHandler(sigint=SAVE, sighup=STOP) as handler:
        send(signal.SIGINT)
        send(signal.SIGHUP)
        assert [handler.poll(), handler.poll(), handler.poll()] == [STOP, SAVE, NONE]


def test_a_polite_kill_stops_but_never_twice():
    with SignalHandler() as handler:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert [handler.poll(), handler.poll()] == [STOP, NONE]
        send(signal.SIGTERM)
        assert handler.poll() is STOP


def test_all_at_once():
    with SignalHandler(sigint=NONE, sighup=SAVE, sigterm=STOP) as handler:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            send(number)
        assert [handler.poll() for _ in range(4)] == [SAVE, STOP, NONE, NONE]


def test_several_of_one_kind_are_one_request():
    with SignalHandler(sighup=SAVE) as handler:
        send(signal.SIGHUP)
        send(signal.SIGHUP)
        assert [handler.poll(), handler.poll()] == [SAVE, NONE]


def test_none_means_that_nothing_happens():
    with SignalHandler(sigint=NONE, sighup=NONE) as handler:
        for _ in range(3):
            send(signal.SIGINT)
            send(signal.SIGHUP)
        assert handler.poll() is NONE


def test_a_second_ctrl_c_ends_at_once_whether_or_not_the_first_was_seen():
    for seen in (True, False):
        with SignalHandler() as handler:
            send(signal.SIGINT)
            if seen:
                assert handler.poll() is STOP
            with pytest.raises(KeyboardInterrupt):
                send(signal.SIGINT)


def test_ctrl_c_that_saves_may_be_pressed_often():
    with SignalHandler(sigint=SAVE) as handler:
        for _ in range(3):
            send(signal.SIGINT)
            assert handler.poll() is SAVE


def test_afterwards_all_is_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), SignalHandler():
        assert signal.getsignal(signal.SIGINT) != before[0]
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)] == before
