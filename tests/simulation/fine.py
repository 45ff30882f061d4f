"""The same worlds, with another thread's turn possible before every statement of the fleet.

    python -m tests.simulation.fine [the options of tests.simulation]

Real threads take turns anywhere. What they share without a lock shows here. Some four times as slow; a seed's
world is another one here than there.
"""

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType

_STEP = "_step_of_the_simulation"


class _Steps(ast.NodeTransformer):
    """A step before each statement of each function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        for inner in ast.walk(node):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(inner, field, None)
                if isinstance(block, list):
                    setattr(inner, field, [each for one in block for each in self._stepped(one)])
        return node

    def _stepped(self, statement: ast.stmt) -> list[ast.stmt]:
        if isinstance(statement, ast.Nonlocal | ast.Global | ast.ExceptHandler):
            return [statement]
        call = ast.Call(ast.Name(_STEP, ast.Load()), [], [])
        return [ast.copy_location(ast.Expr(call), statement), statement]


class _Loader(SourceFileLoader):
    def source_to_code(self, data: object, path: object, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        tree = ast.fix_missing_locations(_Steps().visit(ast.parse(data)))  # type: ignore[call-overload]
        return compile(tree, str(path), "exec", optimize=_optimize)

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)  # no cached code

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _STEP, step)
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # A thread that is made to die must not do so before the pool has seen it begin: none does.
        if not fullname.startswith("imagectl.fleet.") or fullname == "imagectl.fleet.pool":
            return None
        found = PathFinder.find_spec(fullname, path)
        if found is None or found.origin is None:
            return None
        return spec_from_file_location(fullname, found.origin, loader=_Loader(fullname, found.origin))


def step() -> None:
    from .scheduler import Scheduler

    if Scheduler.running:
        Scheduler.running.step()


if __name__ == "__main__":
    sys.meta_path.insert(0, _Finder())
    from .__main__ import main
    from .scheduler import Scheduler

    Scheduler.most_steps *= 20
    raise SystemExit(main())
