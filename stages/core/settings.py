"""Settings as typed classes, each stated once: stages take them, and workflow/params.py checks params.yaml by the same.

What a chapter's trainings read is in its `training_settings.py`, all else in its `settings.py`: a change there retrains nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

from stages.core.errors import UserError

try:
    from annotated_types import Ge, Gt, Le, Len, Lt, MultipleOf
except ImportError:  # a bare machine, where a bundle runs: its parameters were checked where it was made

    def _unchecked(*bounds: float) -> None: ...

    Ge = Gt = Le = Len = Lt = MultipleOf = _unchecked  # type: ignore[assignment,misc]

__all__ = ["Ge", "Gt", "Le", "Len", "Lt", "MultipleOf", "build", "field", "settings"]

Class = TypeVar("Class")

Count = Annotated[int, Gt(0)]
NotNegativeCount = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Momentum = Annotated[float, Ge(0), Lt(1)]
Name = Annotated[str, Len(1)]
Names = list[Name]
Seeds = Annotated[list[NotNegativeCount], Len(1)]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def settings(cls: type[Class]) -> type[Class]:
    """A frozen dataclass of settings; checked in params.yaml, it takes no unknown keys, converts nothing, and is finite."""
    made = dataclass(frozen=True)(cls)
    made.__pydantic_config__ = {"extra": "forbid", "strict": True, "allow_inf_nan": False}  # type: ignore[attr-defined]
    return made


@settings
class Inference:
    """Device auto, cpu or cuda; threads of the CPU kernels; precision fp32 or bf16 (autocast)."""

    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    precision: Literal["fp32", "bf16"]


@settings
class Runtime(Inference):
    """The same of what trains; fused: on a GPU its networks are compiled (`fused.Fused`)."""

    fused: bool = False


@settings
class Schedule:
    """Lengths in iterations; a checkpoint is written where the curve has a point."""

    iterations: Count
    log_every: Count
    checkpoint_every: Count

    def __post_init__(self) -> None:
        require_multiple("checkpoint_every", self.checkpoint_every, self.log_every)


@dataclass(frozen=True)
class Use:
    """That a chapter uses the data set, or weights, `name`.

    why : the rest of a sentence that begins with the chapter's name, as ".sets.train has cifar10". kinds : of sources.yaml that will do.
    """

    name: str
    why: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Context:
    """What a chapter's settings must agree with.

    origin : official or generated. miniatures : of each data set the arguments of its miniature writer, by workflow/sources.yaml.
    sections : all chapters' settings, by name.
    """

    protocol: str
    origin: str
    miniatures: Mapping[str, Mapping[str, Any]]
    sections: Mapping[str, Any] = field(default_factory=dict)


class Chapter:
    """What a chapter's `settings.Chapter`, the class of its whole section, has beside its fields.

    `sets` is its only switch: lists of data sets by the role they play. With all of them empty the chapter is off, whatever else is set.
    """

    sets: Any
    # Whether it has tables. What several chapters share has none, is no chapter by `chapters`, and is on where one that NEEDS it is.
    TABLES: ClassVar[bool] = True
    NEEDS: ClassVar[tuple[str, ...]] = ()
    # Settings, dotted, of which protocol `full` takes these values only: without them a run is not the thesis's.
    THESIS: ClassVar[Mapping[str, list[Any]]] = {}

    def used(self) -> Iterator[Use]:
        """The data sets and weights that the chapter uses."""
        yield from ()

    def conflicts(self, context: Context) -> Iterator[str]:
        """What is wrong with the settings under this protocol and these data sets, a sentence each."""
        yield from ()


def require_multiple(key: str, value: int, of: int, name: str = "log_every") -> None:
    """A ValueError where `value` is no multiple of `of`."""
    if value % of:
        raise ValueError(f"{key} must be a multiple of {name} ({of})")


def refuse_twins(key: str, values: list[Any]) -> None:
    """A ValueError where a list names something twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"{key} names one twice")


def build(kind: type[Class], values: Mapping[str, Any], key: str = "") -> Class:
    """`kind`, a class of settings, from plain values as params.yaml has them; a UserError where a value is missing or unknown."""
    hints = get_type_hints(kind)
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    where = f" of {key}" if key else ""
    if unknown := sorted(values.keys() - known.keys()):
        raise UserError(f"the parameters{where} have {unknown[0]}, which {kind.__name__} does not know")
    needed = [name for name, one in known.items() if one.default is MISSING and one.default_factory is MISSING]
    if missing := [name for name in needed if name not in values]:
        raise UserError(f"the parameters{where} lack {missing[0]}, or the stage does not declare it")
    return kind(**{name: _built(hints[name], value, f"{key}.{name}") for name, value in values.items()})


def _built(hint: Any, value: Any, key: str) -> Any:
    if value is not None and NoneType in get_args(hint):  # settings that may be absent
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    if is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, key)
    if get_origin(hint) is tuple:
        return tuple(value)
    if get_origin(hint) is dict and is_dataclass(get_args(hint)[1]):
        return {name: build(get_args(hint)[1], one, f"{key}.{name}") for name, one in value.items()}
    return value
