"""Write the bill of materials of a wheel: ``python -m release.sbom WHEEL FILE``.

The format is CycloneDX JSON. It lists the packages of a new environment with the wheel and
requirements.lock: versions, licences and dependencies.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAME = "docspace-exporter"


def main() -> int:
    """Install into a new environment, run cyclonedx-py on it, and set the subject of the file."""
    wheel, file = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as name:
        # The pip of this environment installs, so that the new one has none.
        venv.create(name, with_pip=False)
        python = f"{name}/bin/python"
        install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        locked = ["--require-hashes", "-r", f"{ROOT}/requirements.lock"]
        # By name: a path would be in the file.
        own = ["--no-deps", "--no-index", "--find-links", str(wheel.parent), NAME]
        for arguments in (locked, own):
            subprocess.run([*install, "--disable-pip-version-check", *arguments], check=True)
        command = str(Path(sys.executable).with_name("cyclonedx-py"))
        # No serial number and no time: the same wheel and lock give the same bytes.
        options = ["--output-reproducible", "--output-file", str(file)]
        subprocess.run([command, "environment", *options, python], check=True)
    file.write_text(json.dumps(about(json.loads(file.read_text())), indent=2) + "\n")
    return 0


def about(bill: dict[str, Any]) -> dict[str, Any]:
    """The bill with the exporter as its subject instead of as one of the components."""
    (own,) = (each for each in bill["components"] if each["name"] == NAME)
    bill["components"].remove(own)
    purl = f"pkg:pypi/{NAME}@{own['version']}"
    bill["metadata"]["component"] = {**own, "type": "application", "purl": purl}
    return bill


if __name__ == "__main__":
    raise SystemExit(main())
