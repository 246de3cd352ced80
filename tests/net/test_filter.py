"""Include and exclude rules: against their definition, and what the log says about them."""

import pytest
from hypothesis import given, strategies as st
from net_kit import inputs, layer, make_net, refused

from minicaffe.errors import Origin, ParamError
from minicaffe.net.filter import filter_layers
from minicaffe.net.spec import LayerSpec
from minicaffe.proto import caffe_pb2

TRAIN, TEST = 0, 1
stages = st.lists(st.sampled_from("abc"), max_size=2)
levels = st.integers(-2, 2)


def message(kind, draw_from):
    """A strategy for messages of which each field is set or not."""

    def make(values):
        return kind(**{name: value for name, value in values.items() if value is not None})

    return st.fixed_dictionaries({}, optional=draw_from).map(make)


rules = message(
    caffe_pb2.NetStateRule,
    {
        "phase": st.sampled_from([TRAIN, TEST]),
        "min_level": levels,
        "max_level": levels,
        "stage": stages,
        "not_stage": stages,
    },
)
states = message(caffe_pb2.NetState, {"phase": st.sampled_from([TRAIN, TEST]), "level": levels, "stage": stages})


def is_met(rule, state):
    """All that the rule gives holds."""
    return all(
        (
            not rule.HasField("phase") or rule.phase == state.phase,
            not rule.HasField("min_level") or rule.min_level <= state.level,
            not rule.HasField("max_level") or rule.max_level >= state.level,
            set(rule.stage) <= set(state.stage),
            not set(rule.not_stage) & set(state.stage),
        )
    )


@given(st.lists(rules, max_size=3), st.booleans(), states)
def test_rules_by_their_definition(given_rules, including, state):
    field = "include" if including else "exclude"
    spec = LayerSpec(caffe_pb2.LayerParameter(name="l", **{field: given_rules}), Origin())
    met = [is_met(rule, state) for rule in given_rules]
    wanted = any(met) if including and given_rules else not any(met)
    assert filter_layers([spec], state) == ([spec] if wanted else [])


def test_an_empty_rule_is_always_met():
    rule = caffe_pb2.NetStateRule()
    for field, stays in (("include", True), ("exclude", False)):
        spec = LayerSpec(caffe_pb2.LayerParameter(**{field: [rule]}), Origin())
        assert bool(filter_layers([spec], caffe_pb2.NetState())) is stays


def test_the_layers_that_stay_keep_their_order():
    names = ["a", "b", "c", "d"]
    specs = [LayerSpec(caffe_pb2.LayerParameter(name=name), Origin()) for name in names]
    specs[1].param.include.add(phase=TRAIN)
    left = filter_layers(specs, caffe_pb2.NetState(phase=TEST))
    assert [spec.name for spec in left] == ["a", "c", "d"]


def test_rules_of_both_kinds_are_refused():
    text = inputs("x") + layer("p", "ReLU", "x", "y", "exclude { stage: 's' }\n include { phase: TEST }")
    error = refused(ParamError, text, 'net.prototxt:3: layer "p" (ReLU): include stands beside exclude', "keep one")
    assert (error.field, error.line) == ("include", 3)


@pytest.mark.parametrize(
    "rule, state, line",
    [
        ("phase: TRAIN", {}, "The NetState phase (1) differed from the phase (0) specified by a rule in layer p"),
        (
            "min_level: 3",
            {"level": 2},
            "The NetState level (2) is below the min_level (3) specified by a rule in layer p",
        ),
        (
            "max_level: -1",
            {"level": 2},
            "The NetState level (2) is above the max_level (-1) specified by a rule in layer p",
        ),
        (
            "stage: 'a' stage: 'b'",
            {"stages": ["a"]},
            "The NetState did not contain stage 'b' specified by a rule in layer p",
        ),
        (
            "not_stage: 'a'",
            {"stages": ["a"]},
            "The NetState contained a not_stage 'a' specified by a rule in layer p",
        ),
    ],
)
def test_the_rule_that_is_not_met_is_logged(logged, rule, state, line):
    net = make_net(inputs("x") + layer("p", "ReLU", "x", "y", f"include {{ {rule} }}"), TEST, **state)
    assert net.layer_names == ["x"]
    assert line in logged()


def test_a_rule_that_is_met_is_not_logged(logged):
    make_net(inputs("x") + layer("p", "ReLU", "x", "y", "include { phase: TEST }"), TEST)
    assert not any("NetState" in line for line in logged())


def test_layers_of_another_phase_may_be_of_unknown_type():
    net = make_net(inputs("x") + layer("p", "NoSuchThing", "x", "y", "include { phase: TRAIN }"), TEST)
    assert net.layer_names == ["x"]
