"""The Dockerfile, read as the script it is: what it promises, and (opt-in) that its steps work in a clean folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from recipes.boutique.export import write_folder

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Step:
    """One instruction, its lines joined."""

    word: str
    rest: str

    def json_command(self) -> list[str]:
        """The exec form behind a CMD, here or inside a HEALTHCHECK."""
        command: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return command

    def copied(self) -> tuple[list[str], str]:
        """What a COPY takes, and where to; flags left out."""
        *sources, target = [part for part in shlex.split(self.rest) if not part.startswith("--")]
        return sources, target


@dataclass
class Stage:
    """What lies between two FROMs: its name, the image or stage that it starts from, and its steps."""

    name: str
    base: str
    steps: list[Step]


def read_stages() -> dict[str, Stage]:
    written = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    joined = "\n".join(line for line in written if not line.startswith("#")).replace("\\\n", "")
    stages: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = Stage(name, base, [])
        else:
            [*_, stage] = stages.values()
            stage.steps.append(Step(word, rest.strip()))
    return stages


STAGES = read_stages()


def steps_of(target: str) -> list[Step]:
    """The steps of a stage after those of the stages that it starts from: what is run in the image."""
    steps: list[Step] = []
    while target in STAGES:
        steps = STAGES[target].steps + steps
        target = STAGES[target].base
    return steps


[*_, DEFAULT] = STAGES
IMAGE = steps_of(DEFAULT)


def sources_of(target: str) -> list[str]:
    """The stages from which an image's files are copied."""
    return [found[1] for step in steps_of(target) if (found := re.match(r"--from=(\S+)", step.rest))]


BUILD = [step for stage in sources_of(DEFAULT) for step in steps_of(stage)]


def repository_copies() -> list[str]:
    copies = [step for stage in STAGES.values() for step in stage.steps if step.word == "COPY"]
    return [source for step in copies if "--from=" not in step.rest for source in step.copied()[0]]


def last(word: str) -> Step:
    return [step for step in IMAGE if step.word == word][-1]


def test_hadolint_finds_nothing() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "hadolint"
    program = str(linter) if linter.exists() else shutil.which("hadolint")
    assert program, "pip install 'vitrina[dev]' brings hadolint"
    linted = subprocess.run([program, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout


def test_the_default_target_has_no_pytorch_and_the_other_has() -> None:
    assert DEFAULT == "cpu"
    assert sources_of("cpu") == ["build"]
    assert sources_of("cuda") == ["build-cuda"]
    installs = {name: " ".join(step.rest for step in steps_of(name) if step.word == "RUN") for name in STAGES}
    assert "models" not in installs["build"]
    assert re.search(r"\.\[[^]]*models.*uninstall --yes faiss-cpu.*\.\[gpu\]", installs["build-cuda"])


def test_it_starts_from_a_slim_python_that_the_project_supports() -> None:
    [base] = {stage.base for stage in STAGES.values()} - set(STAGES)  # one: the venv of one stage runs in the others
    version = re.fullmatch(r"python:3\.(\d+)-slim", base)
    assert version, base
    assert int(version[1]) >= 11


def test_it_runs_as_a_user_without_rights() -> None:
    user = last("USER").rest
    assert int(user) >= 10_000  # Kubernetes' runAsNonRoot reads numbers only
    assert any(step.word == "RUN" and f"useradd --uid {user} " in step.rest for step in IMAGE)
    words = [step.word for step in IMAGE]
    assert words.index("USER") < words.index("CMD")
    assert "RUN" not in words[words.index("USER") :]


def test_it_keeps_its_data_in_a_volume() -> None:
    assert last("VOLUME").rest == "/data"
    assert "VITRINA_STORE=/data" in last("ENV").rest.split()


def test_it_asks_its_own_health() -> None:
    assert any("/healthz" in part for part in last("HEALTHCHECK").json_command())


def test_nothing_but_the_volume_need_be_written() -> None:
    environment = dict(part.split("=", 1) for step in IMAGE if step.word == "ENV" for part in step.rest.split())
    assert environment["HF_HOME"].startswith("/data/.")  # hidden, so that no backup has it
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_everything_copied_is_in_the_repository_and_not_ignored() -> None:
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = list(repository_copies())
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in kept, source


def test_every_package_is_copied() -> None:
    folders = re.search(r"FOLDERS = \((.*)\)", (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert folders
    assert {"vitrina", *re.findall(r'"(\w+)"', folders[1])} == {
        source for source in repository_copies() if (ROOT / source).is_dir()
    }


def test_dependencies_are_installed_before_the_source_is_copied() -> None:
    installs = next(n for n, step in enumerate(BUILD) if step.word == "RUN" and "--constraint" in step.rest)
    copies = next(n for n, step in enumerate(BUILD) if step.word == "COPY" and step.copied()[0] == ["search"])
    assert installs < copies


def test_command_is_an_entry_point_that_exists() -> None:
    program, subcommand, *_ = last("CMD").json_command()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, function = project["scripts"][program].split(":")
    assert callable(getattr(import_module(module), function))
    assert subcommand == "serve"
    assert "0.0.0.0" in last("CMD").json_command()


class CleanFolder:
    """A folder that stands for the image: the Dockerfile's absolute paths lie below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "stubs"
        self.bin.mkdir()
        (self.bin / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        for name in ("useradd", "chown"):  # no accounts are made on the machine that tests
            (self.bin / name).write_text("#!/bin/sh\n")
        for stub in self.bin.iterdir():
            stub.chmod(0o755)

    def moved(self, text: str) -> str:
        return re.sub(r"(?<![\w./])/(?=(opt/vitrina|src|data)\b)", f"{self.folder}/", text)

    def script(self) -> str:
        """The Dockerfile's steps as one shell script."""
        return "\n".join(["set -eu", *(self.moved(line) for step in [*BUILD, *IMAGE] for line in self.lines(step))])

    def lines(self, step: Step) -> Iterator[str]:
        match step.word:
            case "WORKDIR":
                yield f"mkdir -p {step.rest} && cd {step.rest}"
            case "ENV":
                yield from (f'export {name}="{value}"' for name, _, value in assignments(step.rest))
            case "ARG":
                name, _, value = step.rest.partition("=")
                yield f'{name}="${{{name}:-{value}}}"'
            case "COPY" if "--from=" not in step.rest:
                sources, target = step.copied()
                yield from (f"cp -r {shlex.quote(str(ROOT / source))} {target}" for source in sources)
            case "RUN":
                yield f"( {step.rest} )"

    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))}
        return {**kept, "PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.folder)}

    def run(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a command as the finished image would."""
        exports = "\n".join(self.moved(line) for step in IMAGE if step.word == "ENV" for line in self.lines(step))
        script = f'{exports}\ncd {self.folder / "data"}\nexec "$@"'
        return subprocess.Popen(["/bin/sh", "-c", script, "sh", *command], env=self.environment())


def assignments(rest: str) -> list[tuple[str, str, str]]:
    return [part.partition("=") for part in rest.split()]


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_steps_make_a_service_that_answers(tmp_path: Path) -> None:
    image, shop = CleanFolder(tmp_path), write_folder(tmp_path / "shop", 8, size=96)
    subprocess.run(["/bin/sh", "-c", image.script()], env=image.environment(), cwd=tmp_path, check=True)
    assert image.run(["vitrina", "index", str(shop)]).wait() == 0
    port = free_port()
    service = image.run([part.replace("8000", port) for part in last("CMD").json_command()])
    try:
        check = [part.replace("8000", port) for part in last("HEALTHCHECK").json_command()]
        healthy = False
        for _ in range(30):
            if healthy := image.run(check).wait() == 0:
                break
            time.sleep(2)
        assert healthy
        page = "import urllib.request, sys; print(urllib.request.urlopen(sys.argv[1]).status)"
        assert image.run(["python", "-c", page, f"http://127.0.0.1:{port}/page/page.js"]).wait() == 0
    finally:
        service.terminate()
        service.wait(timeout=30)
        shutil.rmtree(tmp_path / "opt")  # gigabytes, where PyTorch came with CUDA
