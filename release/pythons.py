"""Install a wheel on each supported Python of this machine: ``python -m release.pythons WHEEL``.

Dependencies are those of requirements.lock, with hashes. On each Python, the commands run once,
against a port without a portal. Pythons are python3.11 to python3.14 in PATH and in pyenv. The exit
code is 1 if something fails, or if there are fewer than two Pythons.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

#: Commands, and the exit code of each if the portal cannot be reached.
TRIED = (
    (["--version"], 0),
    (["serve", "--config.check"], 0),
    (["check"], 1),
    (["textfile", "--output=docspace.prom"], 0),
)


def main() -> int:
    """Test the wheel on each Python, and print one line for each version."""
    (wheel,) = sys.argv[1:]
    found = {version: python for version in VERSIONS if (python := find(version)) is not None}
    for version in VERSIONS:
        if version in found:
            try_on(found[version], Path(wheel).resolve())
        sys.stdout.write(f"Python {version}: {'works' if version in found else 'not here'}\n")
        sys.stdout.flush()
    if len(found) < 2:
        raise SystemExit(f"expected two or more of Python {', '.join(VERSIONS)} on this machine")
    return 0


def find(version: str) -> Path | None:
    """A Python of this version that runs; None without one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    named = shutil.which(f"python{version}")
    candidates = [*([Path(named)] if named else []), *pyenv.glob(f"{version}.*/bin/python")]
    for python in candidates:
        # pyenv has shims also for versions that are not selected; these fail.
        if subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0:
            return python
    return None


def try_on(python: Path, wheel: Path) -> None:
    """Install the wheel into a new environment and run its commands. Exits if one fails."""
    with tempfile.TemporaryDirectory() as name:
        environment = Path(name) / "environment"
        run([python, "-m", "venv", environment], 0)
        pip = str(environment / "bin" / "pip")
        install = [pip, "install", "--quiet", "--disable-pip-version-check"]
        run([*install, "--require-hashes", "-r", f"{ROOT}/requirements.lock"], 0)
        run([*install, "--no-deps", str(wheel)], 0)
        for arguments, code in TRIED:
            run([environment / "bin" / "docspace-exporter", *arguments], code, Path(name))
        if 'docspace_up{portal="docspace"} 0.0' not in (Path(name) / "docspace.prom").read_text():
            raise SystemExit(f"{python}: no docspace_up in the file of `textfile`")
        if not (environment / "share" / "docspace-exporter" / "config.yaml").is_file():
            raise SystemExit(f"{python}: no share/docspace-exporter in the environment")


def run(command: Sequence[str | Path], code: int, folder: Path = ROOT) -> None:
    """Run a command. Exits with its output if it has another exit code."""
    variables = {"DOCSPACE_URL": "http://127.0.0.1:1", "DOCSPACE_API_KEY": "sk-0"}
    environ = {**os.environ, **variables}
    ran = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if ran.returncode != code:
        line = " ".join(map(str, command))
        raise SystemExit(f"{line}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    raise SystemExit(main())
