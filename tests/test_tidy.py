"""House rules that no linter knows."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "kernel",
    "registry",
    "ingest_gateway",
    "rating_engine",
    "maintenance_tracker",
    "customer_app",
    "simulators",
    "suiden",
)
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 400
README_HEADINGS = ("Owns", "Does not own", "Words")

# Where SQL may be run besides `store` modules and the kernel, and why.
SQL_ELSEWHERE = {"suiden/embedded/postgres.py"}  # creates the database, before there is anything to own it

SQL_CLOCK = re.compile(r"\b(now\(\)|current_timestamp|current_date|clock_timestamp\(\))", re.IGNORECASE)
# Written in two halves, so that this file passes its own test.
REGISTRIES = re.compile("|".join(["pypi" + r"\.org", "python" + r"hosted\.org", "registry" + r"\.npmjs"]))
LOCAL_PATHS = re.compile(r"(?<![\w.-])/(?:" + "|".join(["ro" + "ot", "wo" + "rk", "ho" + r"me/\w+"]) + r")/")


@cache
def project_files() -> tuple[Path, ...]:
    """Every file that is or may be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    names = sorted({name for name in listed.stdout.decode().split("\0") if name})
    return tuple(Path(name) for name in names if (ROOT / name).is_file())


def sources() -> list[Path]:
    return [path for path in project_files() if path.suffix == ".py" and path.parts[0] in PACKAGES]


def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), filename=str(path))


def text_files() -> Iterator[tuple[Path, str]]:
    for path in project_files():
        try:
            yield path, (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize("path", [p for p in project_files() if p.suffix == ".py"], ids=str)
def test_functions_and_files_are_short(path: Path) -> None:
    tree = tree_of(path)
    lines = len((ROOT / path).read_text().splitlines())
    assert lines < MAX_FILE_LINES, f"{path} has {lines} lines: split it by concern"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length < MAX_FUNCTION_LINES, f"{path}:{node.lineno}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", sources(), ids=str)
def test_a_module_says_what_it_is(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree) or not tree.body, f"{path} has no docstring"


@pytest.mark.parametrize("path", sources(), ids=str)
def test_sql_is_run_in_stores(path: Path) -> None:
    if path.parts[0] == "kernel" or "store" in (*path.parts, path.stem) or str(path) in SQL_ELSEWHERE:
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in ("execute", "executemany"), f"{path}:{node.lineno}: SQL outside a store"


@pytest.mark.parametrize("path", [p for p in sources() if "store" in (*p.parts, p.stem)], ids=str)
def test_a_store_is_told_the_time(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = SQL_CLOCK.search(node.value)
            assert found is None, f"{path}:{node.lineno}: {found and found.group()}: utility time is handed in"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_owns(package: str) -> None:
    readme = ROOT / package / "README.md"
    assert readme.exists(), f"{package}/README.md is missing"
    headings = re.findall(r"(?m)^#+ +(.+?) *$", readme.read_text())
    missing = [heading for heading in README_HEADINGS if heading not in headings]
    assert not missing, f"{package}/README.md lacks the headings {missing}"


def test_every_setting_is_documented() -> None:
    documented = ROOT / "docs" / "configuration.md"
    assert documented.exists(), "docs/configuration.md is missing"
    text = documented.read_text()
    missing = [name for path in sources() for name in setting_names(tree_of(path)) if f"`{name}`" not in text]
    assert not missing, f"docs/configuration.md does not explain {missing}"


def setting_names(tree: ast.Module) -> Iterator[str]:
    """Yield the environment variables of the module's settings classes: by alias, or by the class's prefix and name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or not any("Settings" in ast.unparse(base) for base in node.bases):
            continue
        prefix = re.search(r"env_prefix=['\"](\w*)['\"]", ast.unparse(node))
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                alias = re.search(r"alias=['\"](\w+)['\"]", ast.unparse(field))
                name = f"{prefix.group(1) if prefix else ''}{field.target.id}".upper()
                yield alias.group(1) if alias else name


def test_the_names_of_settings_are_found() -> None:
    source = "class A(BaseSettings):\n model_config = C(env_prefix='P_')\n one: int = 1\n two: int = Field(alias='TWO')"
    assert list(setting_names(ast.parse(source))) == ["P_ONE", "TWO"]


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    found = [
        f"{path}: {match.group()}"
        for path, text in text_files()
        for match in [REGISTRIES.search(text) or LOCAL_PATHS.search(text)]
        if match is not None
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("target", ["requirements.lock"])
def test_the_lock_pins_every_package_with_hashes(target: str) -> None:
    blocks = re.split(r"(?m)^(?=[a-z0-9])", (ROOT / target).read_text())
    unpinned = [block.splitlines()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block]
    assert not unpinned
