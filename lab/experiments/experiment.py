"""One line of the registry of experiments: what it asks, where it stands, how large it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from engines.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel


_SIZES = {"smoke": "quick look", "full": "full"}  # what a panel calls them


@dataclass(frozen=True)
class Experiment:
    """One line of the registry.

    Attributes
    ----------
    name, question, summary
        What it is called, what it asks, and how it finds out.
    room
        The room of ``engines`` whose rivals it compares; "" if it compares none.
    where
        ``module:function``. The module also has ``estimate_seconds(parameters) -> float``.
    sizes
        What ``smoke`` (the tests) and ``full`` change of the defaults; the defaults suit a panel.
    telling
        What else is worth trying in a panel, by name: what it changes of the defaults.
    """

    name: str
    question: str
    summary: str
    room: str
    where: str
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    telling: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def presets(self) -> dict[str, Mapping[str, Any]]:
        """By name what each preset of a panel changes of the defaults."""
        by_size = {words: self.sizes[size] for size, words in _SIZES.items() if size in self.sizes}
        return {"defaults": {}, **by_size, **self.telling}

    def function(self) -> Callable[..., None]:
        """Return the experiment itself."""
        return getattr(self._module(), self.where.split(":")[1])

    def model(self) -> type[BaseModel]:
        """Return the pydantic model of its parameters."""
        from lab.experiments.parameters import model_of

        return model_of(self.function())

    def parameters(self, values: Mapping[str, Any], size: str | None = None) -> dict[str, Any]:
        """Return every parameter: the defaults, changed by ``size``, changed by ``values``.

        Raises
        ------
        InputError
            The size is unknown, or a value is wrong.
        """
        from lab.experiments.parameters import validated

        if size is not None and size not in self.sizes:
            raise InputError(f"size {size} is unknown; choose from {', '.join(self.sizes)}")
        return validated(self.model(), {**(self.sizes[size] if size else {}), **values})

    def estimate_seconds(self, parameters: Mapping[str, Any]) -> float:
        """Return about how long a run takes on the machine that the costs were measured on."""
        return self._module().estimate_seconds(self.parameters(parameters))

    def _module(self) -> ModuleType:
        return import_module(self.where.split(":")[0])
