"""The house's own rules: which package may know which, what the core may not touch, what no file may say."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "lumina": ROOT / "sdk" / "lumina",
    "lumina_schemas": ROOT / "schemas" / "lumina_schemas",
    "lumina_streams": ROOT / "streams" / "lumina_streams",
    "lumina_api": ROOT / "api" / "lumina_api",
}
DISTRIBUTIONS = {
    "lumina-sdk": "sdk",
    "lumina-schemas": "schemas",
    "lumina-streams": "streams",
    "lumina-api": "api",
}
NEEDS: dict[str, set[str]] = {
    "lumina-sdk": set(),
    "lumina-schemas": set(),
    "lumina-streams": {"lumina-schemas"},
    "lumina-api": {"lumina-schemas", "lumina-streams"},
}
MAY_IMPORT = {
    "lumina": {"lumina"},
    "lumina_schemas": {"lumina_schemas"},
    "lumina_streams": {"lumina_streams", "lumina_schemas"},
    "lumina_api": {"lumina_api", "lumina_schemas", "lumina_streams.core"},
}
CORE = PACKAGES["lumina_streams"] / "core"

# The core decides; it neither waits, reads a clock, rolls dice nor talks.
IMPURE_MODULES = {
    *("faust", "mode", "aiokafka", "kafka", "duckdb", "grpc", "httpx", "aiohttp", "requests", "uvloop"),
    *("asyncio", "threading", "concurrent", "multiprocessing", "subprocess", "signal", "socket", "ssl"),
    *("random", "secrets", "time", "os", "io", "pathlib", "shutil", "tempfile", "urllib", "http", "logging"),
    "structlog",
}
IMPURE_CALLS = {"open", "input", "print", "hash"}
CLOCKS = {"now", "utcnow", "today"}
DICE = {"uuid1", "uuid4", "getrandom", "urandom"}

MAX_LINES = 500
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.Module) -> Iterator[str]:
    """Every imported name in full: `from a.b import c` gives `a.b.c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def unwanted_imports(package: str, tree: ast.Module) -> list[str]:
    """Imports of ours that this package may not make."""
    ours = [name for name in imports(tree) if name.split(".")[0] in PACKAGES]
    return [name for name in ours if not any(below(name, allowed) for allowed in MAY_IMPORT[package])]


def impurities(tree: ast.Module) -> list[str]:
    """What the core may not use: modules, built-ins and calls that make it depend on more than its input."""
    found = [name for name in imports(tree) if name.split(".")[0] in IMPURE_MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) if name in IMPURE_CALLS | DICE:
                    found.append(f"{name}() in line {node.lineno}")
                case ast.Attribute(attr=name) if name in CLOCKS | DICE:
                    found.append(f".{name}() in line {node.lineno}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_dependencies_point_one_way(package: str) -> None:
    files = modules(PACKAGES[package])
    assert files
    unwanted = {str(path): found for path in files if (found := unwanted_imports(package, parsed(path)))}
    assert not unwanted


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_packages_declare_what_they_may_import(distribution: str) -> None:
    project = tomllib.loads((ROOT / DISTRIBUTIONS[distribution] / "pyproject.toml").read_text())["project"]
    ours = {name for name in project["dependencies"] if name in DISTRIBUTIONS}
    assert ours == NEEDS[distribution]


def test_the_dependency_check_sees_what_it_must() -> None:
    inside = ast.parse("def f():\n    from lumina_streams.agents import detect\n    import lumina_api.cli")
    assert unwanted_imports("lumina_api", inside) == ["lumina_streams.agents.detect"]
    assert unwanted_imports("lumina_streams", inside) == ["lumina_api.cli"]
    assert unwanted_imports("lumina_api", ast.parse("from lumina_streams import core")) == []


def test_the_core_is_pure() -> None:
    files = modules(CORE)
    assert files
    assert not {str(path): found for path in files if (found := impurities(parsed(path)))}


@pytest.mark.parametrize(
    "code",
    [
        "import faust",
        "from asyncio import sleep",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.utcnow()",
        "import uuid\nuuid.uuid4()",
        "from uuid import uuid4\nuuid4()",
        "open('x')",
        "hash('x')",
        "def f():\n    import random",
    ],
)
def test_the_purity_check_sees_what_it_must(code: str) -> None:
    assert impurities(ast.parse(code))


def test_modules_are_small_and_named_by_nouns() -> None:
    for folder in PACKAGES.values():
        for path in modules(folder):
            assert path.stem not in VAGUE_NAMES, f"{path}: say what it holds"
            assert path.parent.name not in VAGUE_NAMES, f"{path}: say what it holds"
            lines = path.read_text(encoding="utf-8").count("\n")
            assert lines <= MAX_LINES, f"{path} has {lines} lines: split it by noun"


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_licence_is_declared(distribution: str) -> None:
    project = tomllib.loads((ROOT / DISTRIBUTIONS[distribution] / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert metadata(distribution)["License-Expression"] == "Apache-2.0"


def tracked() -> list[Path]:
    """Every file of the repository, those not yet committed included; ignored ones are none."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


# Each name is in two pieces, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    first + second
    for first, second in (
        *(("pypi", ".org"), ("python", "hosted.org"), ("registry.npm", "js.org"), ("npm", "mirror.com")),
        *(("registry.yarn", "pkg.com"), ("repo1.", "maven.org"), ("repo.maven.", "apache.org")),
        *(("crates", ".io"), ("docker", ".io"), ("quay", ".io"), ("jit", "pack.io")),
    )
]
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:home|Users|root|work)/\w")

# Captured from real applications, byte for byte: what they say is theirs.
CAPTURED = ROOT / "tests" / "corpus"


def unwanted_text(text: str) -> list[str]:
    """Names of registries and paths of somebody's machine in a text."""
    lower = text.lower()
    return [host for host in REGISTRY_HOSTS if host in lower] + MACHINE_PATHS.findall(text)


def test_no_file_names_a_registry_or_a_machine() -> None:
    files = [path for path in tracked() if CAPTURED not in path.parents]
    assert ROOT / "Makefile" in files
    found = {}
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
        if names := unwanted_text(text):
            found[str(path)] = names
    assert not found


def test_the_text_check_sees_what_it_must() -> None:
    assert unwanted_text("see https://PyPI" + ".org/simple")
    assert unwanted_text("cd /ho" + "me/someone/x")
    assert not unwanted_text("GET /api/v1/homes, ./wo" + "rk/x, a/ro" + "ot/b")


def test_no_lock_file_names_hosts() -> None:
    assert not [path for path in tracked() if path.name in {"uv.lock", "poetry.lock", "Pipfile.lock"}]


def test_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines}
    assert all("==" in line and "://" not in line for line in lines)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    names = {name for group in wanted.values() for name in group}
    for folder in DISTRIBUTIONS.values():
        names |= set(tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]["dependencies"])
    missing = {bare(name) for name in names} - pinned - set(DISTRIBUTIONS)
    assert not missing, "run `make constraints`"


def bare(requirement: str) -> str:
    """The normalised project name of a requirement."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@pytest.mark.parametrize("module", ["jsonschema", "reference"])
def test_generated_files_match_the_code(module: str) -> None:
    check = subprocess.run(
        [sys.executable, "-m", f"lumina_schemas.{module}", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert check.returncode == 0, check.stderr


def test_a_command_starts_without_the_engines_of_the_server() -> None:
    """They take a second to load, and DuckDB says at the end of a process what it leaves behind."""
    said = "import sys, lumina_api.cli; print(*({'duckdb', 'fastapi', 'pyarrow'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
    assert run.stderr == ""
