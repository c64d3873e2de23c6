"""Build and run the container image, on a base from debootstrap.

It uses Debian's buildah, podman and runc. They store everything in a folder of the test, and do not
change images or containers of the machine.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from support.tools import ROOT

#: Set by `make image-test`.
REQUIRED: Final = "IMAGE_REQUIRED"
PROGRAMS: Final = ("buildah", "debootstrap", "podman", "runc", "conmon")
SUITE: Final = "trixie"
MIRROR: Final = "http://deb.debian.org/debian"
PACKAGES: Final = ("ca-certificates", "python3", "python3-venv")
#: The tree of the base, kept between runs.
TREE: Final = ROOT / ".tools" / "image-base"
#: The machine's own settings for PyPI.
CERTIFICATES: Final = Path("/etc/ssl/certs")
PIP: Final = Path("/etc/pip.conf")
SHELLS: Final = ("sh", "dash", "bash", "rbash")


def available() -> None:
    """Skip the test outside of `make image-test`; fail without root or a program."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if not os.environ.get(REQUIRED):
        pytest.skip("`make image-test` builds the image")
    if os.geteuid() or missing:
        pytest.fail("building the image needs root, and " + ", ".join(missing or PROGRAMS))


class Engine:
    """Builds images and runs containers, with everything it stores below one folder.

    The path of the folder must be short: podman makes sockets in it.
    """

    def __init__(self, folder: Path) -> None:
        self._storage = [
            f"--root={folder / 'root'}",
            f"--runroot={folder / 'run'}",
            "--storage-driver=vfs",
        ]

    def base(self) -> str:
        """The name of an image of Debian with Python and no more."""
        if not TREE.exists():
            # An earlier attempt may have left an incomplete tree.
            unfinished = TREE.with_name("image-base.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            include = f"--include={','.join(PACKAGES)}"
            run("debootstrap", "--variant=minbase", include, SUITE, unfinished, MIRROR)
            unfinished.rename(TREE)
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, TREE, "/")
        return self._committed(container, "localhost/base:test")

    def build(self, base: str, revision: str) -> str:
        """Build the Dockerfile on a base; the name of the image."""
        name = "localhost/docspace-exporter:test"
        mounts = [f"--volume={path}:{path}:ro" for path in (CERTIFICATES, PIP) if path.exists()]
        arguments = [f"--build-arg=BASE={base}", f"--build-arg=REVISION={revision}"]
        options = ["--isolation=chroot", "--network=host", "--format=docker", f"--tag={name}"]
        self.buildah("build", *options, *mounts, *arguments, ROOT)
        return name

    def without_shells(self, image: str) -> str:
        """The name of the same image without any shell."""
        container = self.buildah("from", "--pull-never", image)
        tree = Path(self.buildah("mount", container))
        for shell in SHELLS:
            (tree / "usr" / "bin" / shell).unlink(missing_ok=True)
        self.buildah("umount", container)
        return self._committed(container, "localhost/docspace-exporter:no-shell")

    def _committed(self, container: str, name: str) -> str:
        self.buildah("commit", "--quiet", "--format=docker", "--rm", container, name)
        return name

    def configuration(self, image: str) -> Mapping[str, Any]:
        """The configuration of the image: user, command, labels and so on."""
        found: Mapping[str, Any] = json.loads(self.podman("inspect", "--type=image", image))[0]
        return found

    def start(self, image: str, *arguments: str, mounts: Mapping[Path, str] | None = None) -> str:
        """The name of a hardened container with its own loopback.

        The options are those of docs/getting-started/docker.md.
        """
        name = f"exporter-{os.urandom(4).hex()}"
        volumes = [f"--volume={path}:{target}:ro" for path, target in (mounts or {}).items()]
        hardened = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL"]
        options = ["--security-opt=no-new-privileges", "--network=none"]
        # The defaults may be higher than the machine allows.
        limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
        self.podman(
            "run", "--detach", f"--name={name}", "--pull=never",
            *hardened, *options, *limits, *volumes, image, *arguments,
        )  # fmt: skip
        return name

    def log(self, container: str) -> str:
        """The output of a container so far."""
        done = subprocess.run(
            self._podman("logs", container), capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def execute(self, container: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in a container that is running."""
        return subprocess.run(
            self._podman("exec", container, *command), capture_output=True, text=True, check=False
        )

    def state(self, container: str) -> Mapping[str, Any]:
        """The state of a container: its process, whether it runs, how it ended."""
        found = json.loads(self.podman("inspect", "--type=container", container))[0]
        state: Mapping[str, Any] = found["State"]
        return state

    def remove(self) -> None:
        """Stop all containers of this storage, and remove what is stored."""
        self.podman("rm", "--all", "--force", "--time=5")
        self.buildah("rm", "--all")
        self.podman("rmi", "--all", "--force")

    def buildah(self, *arguments: str | Path) -> str:
        """The output of buildah."""
        return run("buildah", *self._storage, *arguments)

    def podman(self, *arguments: str) -> str:
        """The output of podman."""
        return run(*self._podman(*arguments))

    def _podman(self, *arguments: str) -> list[str]:
        return ["podman", *self._storage, "--runtime=runc", "--cgroup-manager=cgroupfs", *arguments]


def run(*command: str | Path) -> str:
    """The output of a program, without its last line end; an AssertionError where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()
