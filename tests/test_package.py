from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import filmless
import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["cli", "demo", "engine", "kernels", "storage"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> list[str]:
    """Names of the files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    # Without isolation nothing is downloaded; that takes the build backend at hand.
    isolation = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.iterdir()
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_installs_nothing_but_filmless(wheel):
    tops = {name.partition("/")[0] for name in wheel}

    assert tops == {"filmless", f"filmless-{filmless.__version__}.dist-info"}


def test_the_wheel_holds_every_module_of_every_part(wheel):
    expected = {f"filmless/{path.relative_to(ROOT)}" for part in PARTS for path in (ROOT / part).rglob("*.py")}

    assert expected <= set(wheel)
    assert {"filmless/__init__.py", "filmless/errors.py", "filmless/py.typed"} <= set(wheel)


def test_the_wheel_holds_no_tests_caches_or_benchmarks(wheel):
    assert not [name for name in wheel if any(word in name for word in ("tests/", "bench", "__pycache__", ".venv"))]


def test_every_folder_of_python_files_is_a_part_that_the_wheel_names():
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert folders == set(PARTS)


def test_the_version_is_that_of_the_distribution():
    assert filmless.__version__ == importlib.metadata.version("filmless")


@pytest.mark.parametrize("name", filmless.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    public = getattr(filmless, name)

    if inspect.isclass(public) or inspect.isfunction(public):
        assert inspect.getdoc(public)


def test_every_public_name_is_listed_once():
    assert len(set(filmless.__all__)) == len(filmless.__all__)


@pytest.mark.parametrize("name", [n for n in filmless.__all__ if inspect.isclass(getattr(filmless, n))])
def test_every_public_method_of_a_public_class_has_a_docstring(name):
    methods = inspect.getmembers(getattr(filmless, name), lambda m: inspect.isfunction(m) or isinstance(m, property))

    undocumented = [method for method, value in methods if not method.startswith("_") and not inspect.getdoc(value)]
    assert undocumented == []


def test_every_module_imports_by_itself_and_has_a_docstring():
    modules = list(pkgutil.walk_packages(filmless.__path__, "filmless."))
    inside = [module for module in modules if module.name.split(".")[1] in {*PARTS, "errors"}]

    undocumented = [module.name for module in inside if not importlib.import_module(module.name).__doc__]

    assert len(inside) > 60
    assert undocumented == []


def test_importing_the_package_loads_no_heavy_library_it_does_not_need():
    code = "import sys, filmless; print([m for m in ('dask', 'zarr', 'tensorstore', 'blosc2') if m in sys.modules])"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"
