"""What a user's file imports from its folder: found, hashed, run as it was read, and seen by nothing else."""

import hashlib
import importlib
import subprocess
import sys

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.plugins.user_code import PREFIX, read_code
from archselect.selectors.registry import get_selector, registry


@pytest.fixture
def folder(tmp_path):
    """`folder(name=text, …)` writes `name.py` (`a__b` is `a/b.py`) into a folder, and returns the path of `mine.py`."""

    def write(place="files", **texts):
        root = tmp_path / place
        for name, text in texts.items():
            path = root / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root / "mine.py"

    return write


def package(root, name, text=""):
    """Make a folder beside the user's file a package."""
    path = root.parent / name / "__init__.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def value(path):
    """The `value` of the module, which is loaded."""
    return read_code(path).load().value


@pytest.mark.parametrize(
    "text",
    [
        "import helpers\nvalue = helpers.number",
        "import helpers as other\nvalue = other.number",
        "from helpers import number as value",
        "from helpers import *\nvalue = number",
        "from .helpers import number as value",
        "from . import helpers\nvalue = helpers.number",
        "def late():\n    import helpers\n    return helpers.number\n\nvalue = late()",
        "try:\n    import helpers\nexcept ImportError:\n    value = None\nelse:\n    value = helpers.number",
        "import math, helpers, json\nvalue = helpers.number if math.pi and json.dumps else None",
    ],
)
def test_every_form_of_import(folder, text):
    path = folder(mine=text, helpers="number = 3")
    assert set(read_code(path).modules) == {"mine", "helpers"}
    assert value(path) == 3


@pytest.mark.parametrize(
    "text",
    [
        "import lib.part\nvalue = lib.part.number + lib.zero",
        "import lib.part as p\nvalue = p.number",
        "from lib.part import number as value",
        "from lib import part\nvalue = part.number",
        "from lib import *\nvalue = part.number",
        "from .lib.part import number as value",
    ],
)
def test_packages(folder, text):
    """Their modules import each other, one another's packages and the user's siblings, relatively or not."""
    path = folder(
        mine=text,
        lib__part="from . import base\nfrom .deep.leaf import one\nimport helpers\nnumber = base.two + one",
        lib__base="from lib.deep import leaf\ntwo = 2 * leaf.one",
        lib__deep__leaf="one = 1",
        helpers="pass",
        lib__unused="1 / 0" if "*" not in text else "",
    )
    package(path, "lib", "zero = 0\n__all__ = ['part']")
    package(path, "lib/deep")
    expected = {
        "mine",
        "lib",
        "lib.part",
        "lib.base",
        "lib.deep",
        "lib.deep.leaf",
        "helpers",
    }
    assert set(read_code(path).modules) - {"lib.unused"} == expected
    assert value(path) == 3


def test_a_folder_without_init(folder):
    path = folder(
        mine="import lib.part\nvalue = lib.part.number", lib__part="number = 3"
    )
    assert value(path) == 3


def test_a_sibling_that_imports_the_file_gets_it_and_not_a_second_one(folder):
    path = folder(
        mine="class Kind: pass\nimport helpers\nvalue = helpers.mine.Kind is Kind and helpers.Other is Kind",
        helpers="import mine\nfrom mine import Kind as Other",
    )
    assert value(path) is True
    assert set(read_code(path).modules) == {"mine", "helpers"}


def test_files_of_two_folders_may_each_have_a_sibling_of_one_name(folder):
    paths = [
        folder(
            place,
            mine="import helpers\ndef late():\n    import helpers\n    return helpers.number",
            helpers=text,
        )
        for place, text in (("a", "number = 1"), ("b", "number = 2"))
    ]
    modules = [read_code(path).load() for path in paths]
    assert [module.late() for module in modules] == [1, 2]
    assert modules[0].helpers is not modules[1].helpers


def test_names_of_siblings_leave_the_files_variables_alone(folder):
    path = folder(
        mine="number = 3\nimport lib.part\nfrom helpers import number as other\nvalue = (number, lib.part.x, other)",
        helpers="import number\nnumber = 4",
        number="",
        lib__part="x = 5",
    )
    assert value(path) == (3, 5, 4)


def test_a_file_with_a_dot_in_its_name(folder):
    path = folder(mine="", helpers="number = 3").with_name("my.own-file.py")
    path.write_text("from helpers import number as value")
    assert value(path) == 3


def test_nothing_else_sees_what_was_loaded(folder):
    path_before, names_before = list(sys.path), set(sys.modules)
    code = read_code(
        folder(mine="import helpers", helpers="number = 1", unused="number = 2")
    )
    module = code.load()
    assert sys.path == path_before
    assert all(
        name.startswith(code.package) for name in set(sys.modules) - names_before
    )
    for name in ("helpers", "unused", f"{code.package}.unused"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
    assert module.helpers.number == 1 and code.load() is module


def test_a_file_alone_has_the_hash_of_its_content(folder):
    path = folder(mine="value = 3", helpers="number = 3")
    assert read_code(path).hash == hashlib.sha256(b"value = 3").hexdigest()[:16]


def test_the_hash_is_of_all_that_is_imported(folder):
    texts = {
        "mine": "import helpers",
        "helpers": "import deep",
        "deep": "x = 1",
        "unused": "x = 1",
    }
    path = folder(**texts)
    package(path, "lib")
    hashes = [read_code(path).hash]
    folder(unused="x = 2")
    assert read_code(path).hash == hashes[0]
    for change in (
        {"deep": "x = 2"},
        {"helpers": "import deep  # 2"},
        {"mine": "import helpers  # 2"},
    ):
        folder(**change)
        hashes.append(read_code(path).hash)
    assert len(set(hashes)) == 4
    folder(**texts)
    assert read_code(path).hash == hashes[0]
    # The same contents under exchanged names are other code.
    first = read_code(folder("c", mine="import a, b", a="x = 1", b="x = 2")).hash
    assert read_code(folder("c", a="x = 2", b="x = 1")).hash != first


def test_what_was_hashed_is_what_runs(folder):
    """Also if a sibling is edited in between, or so fast that compiled code on disk looks current."""
    path = folder(
        mine="def late():\n    import helpers\n    return helpers.number",
        helpers="number = 1",
    )
    code = read_code(path)
    module = code.load()
    folder(helpers="number = 2")
    assert module.late() == 1
    again = read_code(path)
    assert again.hash != code.hash and again.load().late() == 2
    assert not list(path.parent.rglob("__pycache__"))


@pytest.mark.parametrize(
    "name", ["torch", "selectors", "random", "archselect", "numpy"]
)
def test_a_sibling_with_the_name_of_another_module_is_refused(folder, name):
    path = folder(mine=f"def late():\n    import {name}", **{name: "number = 1"})
    with pytest.raises(UserError) as caught:
        read_code(path)
    message = str(caught.value)
    assert message.startswith(
        f"{path} imports {name}, which can be {path.parent / f'{name}.py'} or "
    )
    assert message.endswith(f": rename {path.parent / f'{name}.py'}")


@pytest.mark.parametrize(
    "text",
    ["value = 3", "import helpers\nvalue = helpers.number", "from .torch import value"],
)
def test_such_a_sibling_does_no_harm_where_it_is_not_named(folder, text):
    """What others import stays theirs: `subprocess` has the standard library's `selectors`."""
    path = folder(
        mine=f"{text}\nimport subprocess",
        helpers="import subprocess\nnumber = 3",
        selectors="1 / 0",
        torch="value = 3",
        numpy="1 / 0",
    )
    assert value(path) == 3


def test_a_file_with_the_name_of_a_module_still_gets_that_module(folder):
    path = folder(random="import random\nvalue = random.Random(0).random()").with_name(
        "random.py"
    )
    assert 0 < value(path) < 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\ny = x +\n", "helpers.py, line 2: SyntaxError: invalid syntax"),
        (
            "def f():\n    1 / 0\n\nf()\n",
            "helpers.py, line 2: ZeroDivisionError: division by zero",
        ),
        (
            "import nowhere_at_all\n",
            "helpers.py, line 1: ModuleNotFoundError: No module named 'nowhere_at_all'",
        ),
    ],
)
def test_an_error_in_a_sibling_names_the_sibling(folder, text, line):
    path = folder(mine="import helpers\n", helpers=text)
    with pytest.raises(UserError) as caught:
        get_selector(str(path))
    assert str(caught.value) == f"{path.parent}/{line}"
    assert not [
        name for name in sys.modules if name.startswith(read_code(path).package)
    ]


def test_an_import_from_above_the_folder_is_refused_in_one_line(folder):
    path = folder(mine="from .. import other\n")
    with pytest.raises(
        UserError,
        match=r"mine\.py, line 1: ImportError: attempted relative import beyond top-level",
    ):
        get_selector(str(path))


SELECTOR = """from typing import ClassVar

from archselect.selectors.base import Selector

from helpers import number


class Mine(Selector):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = f"number {number}"

    def select(self, task):
        return task.search().selection(task.space.sample(task.rng))
"""


def test_a_selector_and_its_source(folder):
    path = folder(mine=SELECTOR, helpers="number = 1")
    source = registry.source(f"{path}:Mine")
    assert source == f"file {read_code(path).hash}"
    assert get_selector(f"{path}:Mine").summary == "number 1"
    folder(helpers="number = 2")
    assert registry.source(f"{path}:Mine") != source
    assert get_selector(f"{path}:Mine").summary == "number 2"


def test_a_worker_loads_the_same(folder):
    path = folder(mine=SELECTOR, helpers="number = 7")
    code = (
        "import sys; from archselect.selectors.registry import get_selector, registry\n"
    )
    code += "print(get_selector(sys.argv[1]).summary, registry.source(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"number 7 {registry.source(str(path))}"
    assert get_selector(str(path)).__module__.startswith(PREFIX)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# é\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        ("# é\n".encode("utf-16-le"), "is UTF-16 or not text: save it as UTF-8"),
        ("x = 1\n# é\n".encode("latin-1"), "line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_files_of_other_encodings(folder, content, message):
    for name in ("mine", "helpers"):
        path = folder(mine="import helpers\n", helpers="")
        path.with_name(f"{name}.py").write_bytes(content)
        with pytest.raises(UserError) as caught:
            read_code(path)
        assert message in str(caught.value) and f"{name}.py" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfvalue = '\xc3\xa9'\r\n",
        b"# -*- coding: latin-1 -*-\nvalue = '\xe9'\n",
        b"\r\nvalue = (\r\n'\xc3\xa9')\r\n",
    ],
)
def test_python_files_with_a_mark_crlf_or_a_declared_encoding(folder, content):
    path = folder(mine="from helpers import value", helpers="")
    path.with_name("helpers.py").write_bytes(content)
    assert value(path) == "é"
