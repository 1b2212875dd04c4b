"""Follows modules that nobody named before: whatever module is called begins a tree, under the name of its class.

For functions and blocks of code, which hold their modules in ways that nobody can see.
"""

import weakref
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakIdKeyDictionary

from kaoprof.tape.entries import LayerFacts
from kaoprof.tape.modules import ModuleTrail, holders_of, type_name
from kaoprof.torch_internals import batch_norm_class, held_tensors

ANOTHER = " #{}"  # behind the name of a second module of one class


class OpenTrail(ModuleTrail):
    """Follows the calls of every module. One that no running module holds begins a tree, called by its class.

    Args:
        name: of the whole's kind, such as `function`.
        on_adopted: told of every module that begins a tree, before it runs.
    """

    def __init__(self, name: str, on_adopted: Callable[[nn.Module], None] | None = None) -> None:
        super().__init__(None)
        self.facts: dict[str, LayerFacts] = {"": LayerFacts(name, 0, norm=False, output_shape=None, called=True)}
        self.optimizers: set[str] = set()
        self._on_adopted = on_adopted
        self._roots: dict[str, weakref.ref[nn.Module]] = {}
        self._named: dict[int, str] = {}
        self._counted: Any = WeakIdKeyDictionary()  # parameters that stand under some name already

    def layers(self) -> dict[str, LayerFacts]:
        """Every module by its path, the whole first."""
        return {
            path: facts._replace(called=path in self.called or not path, output_shape=self.shapes.get(path))
            for path, facts in self.facts.items()
        }

    def roots(self) -> dict[str, nn.Module]:
        """By name, the modules that began a tree and are still there."""
        living = {name: reference() for name, reference in self._roots.items()}
        return {name: root for name, root in living.items() if root is not None}

    def enter_optimizer(self, optimizer: object) -> None:
        """From here on, what runs outside of modules is the optimizer's."""
        path = type(optimizer).__name__
        self.optimizers.add(path)
        self.facts.setdefault(path, LayerFacts("optimizer", 0, norm=False, output_shape=None, called=True))
        self.enter(path, id(optimizer))

    def leave_optimizer(self, optimizer: object) -> None:
        """It has made its step."""
        if self.frames[-1].identity == id(optimizer):
            self.leave(type(optimizer).__name__)

    def path_of(self, module: nn.Module) -> str | None:
        """The path of a module: of the tree that it is in, or of one that begins with it."""
        path = self._named.get(id(module)) or super().path_of(module) or self._held(module) or self._adopted(module)
        if path not in self.facts:
            self._describe(path, module)
        return path

    def _held(self, module: nn.Module) -> str | None:
        """The path by which a module that was called before holds this one, though it does not run now."""
        for name, reference in list(self._roots.items()):
            root = reference()
            if root is not None:
                for path, part in root.named_modules():
                    if part is module:
                        return f"{name}.{path}"
        return None

    def _adopted(self, module: nn.Module) -> str:
        """The module begins a tree."""
        name = self._free_name(type_name(module))
        self._roots[name] = weakref.ref(module, lambda _: self._forget(name))
        self._named[id(module)] = name
        self._known.clear()
        self._holders = self._all_holders()
        for path, part in module.named_modules():
            self._describe(f"{name}.{path}" if path else name, part)
        if self._on_adopted is not None:
            self._on_adopted(module)
        return name

    def _free_name(self, kind: str) -> str:
        """The name of a class, with a number if another one of it is there; of what is gone it is free again."""
        name, number = kind, 1
        while name in self._roots or name in self.optimizers:
            number += 1
            name = kind + ANOTHER.format(number)
        return name

    def _forget(self, name: str) -> None:
        """The module of that name is gone, and its identity may be another's."""
        del self._roots[name]
        self._named = {identity: other for identity, other in self._named.items() if other != name}
        self._known.clear()
        self._holders = {}  # known again when somebody asks

    def _all_holders(self) -> dict[int, list[tuple[int, str]]]:
        holders: dict[int, list[tuple[int, str]]] = {}
        for reference in list(self._roots.values()):
            for identity, places in holders_of(reference()).items():
                holders.setdefault(identity, []).extend(places)
        return holders

    def _describe(self, path: str, module: nn.Module) -> None:
        own = {id(weight): weight for weight in held_tensors(module)[0].values() if weight is not None}
        fresh = [weight for weight in own.values() if weight not in self._counted and not is_lazy(weight)]
        for weight in fresh:
            self._counted[weight] = True
        known = self.facts.get(path)
        self.facts[path] = LayerFacts(
            type=type_name(module),
            params=max(sum(weight.numel() for weight in fresh), known.params if known else 0),
            norm=isinstance(module, batch_norm_class()),
            output_shape=None,
            called=False,
        )
