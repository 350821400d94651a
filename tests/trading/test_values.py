"""What is made quickly is what the dataclass alone would have made."""

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace

import pytest

from trading.values import quickly_made


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    name: str
    count: int = 3

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"{self.name} has {self.count}")


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    name: str
    count: int = 3

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"{self.name} has {self.count}")
        with pytest.raises(FrozenInstanceError):
            self.name = ""  # type: ignore[misc]  # frozen: that is what is tried


def test_it_has_what_it_was_given_and_the_defaults() -> None:
    assert type(Quick(name="a")) is Quick
    assert asdict(Quick(name="a")) == asdict(Plain(name="a"))
    assert asdict(Quick(name="b", count=5)) == asdict(Plain(name="b", count=5))
    assert repr(Quick(name="a")) == repr(Plain(name="a")).replace("Plain", "Quick")
    assert [each.name for each in fields(Quick)] == ["name", "count"]


def test_it_is_frozen_and_has_nothing_else() -> None:
    value = Quick(name="a")
    with pytest.raises(FrozenInstanceError):
        value.name = "b"  # type: ignore[misc]  # frozen: that is what is tried
    with pytest.raises(FrozenInstanceError):
        del value.count
    with pytest.raises((AttributeError, TypeError)):
        value.other = 1  # type: ignore[attr-defined]  # likewise
    assert not hasattr(value, "__dict__")


def test_equal_values_are_equal_keys() -> None:
    assert Quick(name="a") == Quick(name="a", count=3)
    assert Quick(name="a") != Quick(name="b")
    assert len({Quick(name="a"), Quick(name="a"), Quick(name="b")}) == 2


def test_copies_are_checked_as_the_first_was() -> None:
    assert replace(Quick(name="a"), count=4) == Quick(name="a", count=4)
    assert copy.deepcopy(Quick(name="a")) == pickle.loads(pickle.dumps(Quick(name="a"))) == Quick(name="a")
    for make in (Plain, Quick):
        with pytest.raises(ValueError, match="a has -1"):
            make(name="a", count=-1)


@pytest.mark.parametrize("given", [{}, {"count": 1}, {"name": "a", "other": 1}], ids=str)
def test_what_is_missing_or_not_known_is_refused_alike(given: dict[str, object]) -> None:
    said = []
    for make in (Plain, Quick):
        with pytest.raises(TypeError) as caught:
            make(**given)  # type: ignore[arg-type]  # wrong on purpose
        said.append(str(caught.value).replace(make.__name__, "It"))
    assert said[0] == said[1]


def test_a_class_it_would_make_wrongly_is_refused() -> None:
    with pytest.raises(AssertionError):

        @quickly_made
        @dataclass(frozen=True, slots=True, kw_only=True)
        class _WithFactory:
            names: list[str] = field(default_factory=list)
