"""The build of the page: when it runs, what it needs, what it leaves, and what it says when it cannot."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
UI = ROOT / "dashboard" / "ui"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``hatch_build`` with a page of its own below ``tmp_path``, and a ``run`` that writes down what it was asked for and builds one file."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ui, static = tmp_path / "ui", tmp_path / "static"
    (ui / "src").mkdir(parents=True)
    (ui / "src" / "main.ts").write_text("1")
    (ui / "package-lock.json").write_text("{}")
    monkeypatch.setattr(module, "UI", ui)
    monkeypatch.setattr(module, "STATIC", static)
    monkeypatch.setattr(module, "STAMP", static / ".sources-sha256")
    module.find_real_node = module.find_node
    monkeypatch.setattr(module, "find_node", lambda: Path("/somewhere/node"))
    module.ran = []

    def run(_node: Path, script: Path, *arguments: str) -> None:
        module.ran.append((script.name, *arguments))
        (ui / "node_modules").mkdir(exist_ok=True)
        if "--outDir" in arguments:
            target = Path(arguments[arguments.index("--outDir") + 1])
            target.mkdir()
            (target / "index.html").write_text("built")

    monkeypatch.setattr(module, "run", run)
    return module


def test_an_unchanged_page_is_not_built_again_and_a_changed_one_is(build: ModuleType) -> None:
    """The stamp covers every source; node_modules and the page's own tests are none."""
    assert build.build_page() is True
    assert [words[1] for words in build.ran] == ["ci", "build"]
    assert build.build_page() is False
    (build.UI / "node_modules" / "x").write_text("x")
    (build.UI / "tests").mkdir()
    (build.UI / "tests" / "a.test.ts").write_text("x")
    assert build.build_page() is False
    (build.UI / "src" / "main.ts").write_text("2")
    assert build.build_page() is True


def test_a_page_that_was_taken_away_is_built_again(build: ModuleType) -> None:
    """The stamp alone is no page."""
    build.build_page()
    (build.STATIC / "index.html").unlink()
    assert build.build_page() is True


def test_a_build_that_fails_leaves_the_old_page(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a page is worse than yesterday's."""
    build.build_page()
    (build.UI / "src" / "main.ts").write_text("broken")

    def fail(*_: object) -> None:
        raise build.PageBuildError("vite failed")

    monkeypatch.setattr(build, "run", fail)
    with pytest.raises(build.PageBuildError):
        build.build_page()
    assert (build.STATIC / "index.html").read_text() == "built"


def test_users_get_no_development_tools_and_developers_keep_theirs(build: ModuleType) -> None:
    """``npm ci --omit=dev`` once; what holds everything already holds enough."""
    node = Path("/somewhere/node")
    build.install_packages(node, development=False)
    build.install_packages(node, development=False)
    assert [words[1:] for words in build.ran] == [("ci", "--omit=dev")]
    build.install_packages(node, development=True)
    build.install_packages(node, development=False)
    assert [words[1:] for words in build.ran] == [("ci", "--omit=dev"), ("ci", "--include=dev")]


def test_it_may_be_skipped(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who only want the Python side."""
    monkeypatch.setenv("ARENA_SKIP_UI", "1")
    assert build.main([]) == 0
    assert build.ran == []


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for node")
@pytest.mark.parametrize(("said", "usable"), [("v20.19.0", True), ("v24.1.2", True), ("v20.18.3", False), ("v18.20.0", False), ("nonsense", False)])
def test_a_node_that_is_too_old_is_none(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, usable: bool) -> None:
    """Vite 8 asks for 20.19."""
    bin_dir = tmp_path / "bin"
    (tmp_path / "lib" / "node_modules" / "npm" / "bin").mkdir(parents=True)
    (tmp_path / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js").touch()
    bin_dir.mkdir()
    node = bin_dir / "node"
    node.write_text(f"#!/bin/sh\necho {said}\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_dir}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert (build.node_on_path() == node) is usable


def test_without_node_it_says_what_to_do(build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence with the way out, and a failed exit."""
    monkeypatch.setattr(build, "find_node", build.find_real_node)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(build, "node_of_wheel", lambda: None)
    assert build.main([]) == 1
    assert "requirements/node.txt" in capsys.readouterr().err


def test_the_lock_names_no_registry_and_has_a_hash_for_every_package() -> None:
    """Whatever registry a machine uses, the bytes are the same."""
    lock = json.loads((UI / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all("resolved" not in entry for entry in packages.values())
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())


def test_versions_are_exact_and_development_tools_stand_apart() -> None:
    """A range would be another page tomorrow; what only checks the page is not a user's download."""
    package = json.loads((UI / "package.json").read_text())
    for versions in (package["dependencies"], package["devDependencies"]):
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    assert {"vite", "preact", "@preact/signals", "lightweight-charts"} == set(package["dependencies"])
    assert package["private"] is True
