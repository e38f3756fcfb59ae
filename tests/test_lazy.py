"""One import reaches what users need, and pays for nothing else."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

FACES = ("seqpo", "seqpo.tasks.translation")


@pytest.mark.parametrize("package", FACES)
def test_every_public_name_can_be_had_and_is_known_to_type_checkers(package: str):
    face = importlib.import_module(package)
    assert all(getattr(face, name) is not None for name in face.__all__)
    tree = ast.parse(Path(str(face.__file__)).read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    names = [alias.asname for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(map(str, names)) == list(face.__all__)


@pytest.mark.parametrize("package", FACES)
def test_a_name_that_there_is_not_is_an_attribute_error(package: str):
    with pytest.raises(AttributeError, match=rf"module '{package}' has no attribute 'optimise'"):
        importlib.import_module(package).optimise  # noqa: B018


def test_objectives_and_advantages_need_torch_alone():
    heavy = ("transformers", "tokenizers", "sacrebleu", "rich", "tyro", "matplotlib")
    code = "import seqpo; seqpo.objectives.get('sspo'); seqpo.advantages.get('rloo')"
    asked = f"import sys; {code}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
