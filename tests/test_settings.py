"""Settings as classes: what stages build of declared parameters, and how the check of params.yaml reads the same classes."""

import json
import subprocess
import sys

import pytest
from conftest import REPOSITORY
from pydantic import TypeAdapter, ValidationError

from stages.core.errors import UserError
from stages.core.settings import Count, Momentum, Names, Schedule, build, settings


@settings
class Layer:
    width: Count
    kernel: tuple[int, int] = (3, 3)


@settings
class Net:
    layers: dict[str, Layer]
    first: Layer
    names: Names
    momentum: Momentum
    last: Layer | None = None


VALUES = {"layers": {"a": {"width": 4}, "b": {"width": 2, "kernel": [1, 5]}}, "first": {"width": 7}, "names": ["x"], "momentum": 0.9}


def test_nested_values_become_nested_classes() -> None:
    net = build(Net, VALUES)
    assert net == Net({"a": Layer(4), "b": Layer(2, (1, 5))}, Layer(7), ["x"], 0.9)
    assert net.layers["b"].kernel == (1, 5)  # a list in YAML
    with pytest.raises(AttributeError):
        net.momentum = 0.5
    assert build(Net, VALUES | {"last": {"width": 3}}).last == Layer(3)
    assert build(Net, VALUES | {"last": None}) == net


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (VALUES | {"depth": 3}, "the parameters of net have depth, which Net does not know"),
        ({key: VALUES[key] for key in ("layers", "first", "names")}, "the parameters of net lack momentum, or the stage does"),
        (VALUES | {"layers": {"a": {}}}, "the parameters of net.layers.a lack width"),
        (VALUES | {"first": {"width": 1, "hight": 2}}, "the parameters of net.first have hight"),
    ],
)
def test_what_does_not_fit_is_one_sentence(values: dict, says: str) -> None:
    with pytest.raises(UserError) as error:
        build(Net, values, "net")
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"momentum": 1}, "less_than"),
        ({"momentum": float("inf")}, "finite_number"),
        ({"momentum": "0.5"}, "float_type"),
        ({"names": [""]}, "string_too_short"),
        ({"first": {"width": 0}}, "greater_than"),
        ({"first": {"width": True}}, "int_type"),
        ({"first": {"width": 2.0}}, "int_type"),
        ({"first": {"width": 2, "kernel": [1]}}, "missing"),
        ({"other": 1}, "unexpected_keyword_argument"),
    ],
    ids=str,
)
def test_the_schema_reads_bounds_without_converting(change: dict, kind: str) -> None:
    reads = TypeAdapter(Net).validate_json
    assert reads(json.dumps(VALUES)) == build(Net, VALUES)
    with pytest.raises(ValidationError) as error:
        reads(json.dumps(VALUES | change))
    assert [problem["type"] for problem in error.value.errors()] == [kind]


def test_a_checkpoint_has_a_point_of_the_curve() -> None:
    assert Schedule(10, 2, 4).checkpoint_every == 4
    with pytest.raises(ValueError, match=r"checkpoint_every must be a multiple of log_every \(2\)"):
        Schedule(10, 2, 5)


def test_settings_need_nothing_but_python() -> None:
    """Where a bundle runs there may be no pydantic, and nothing of what comes with it."""
    code = (
        "import sys; sys.modules['annotated_types'] = sys.modules['pydantic'] = None; from stages.core import settings; "
        "print(settings.build(settings.Schedule, {'iterations': 4, 'log_every': 1, 'checkpoint_every': 2}).iterations)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
