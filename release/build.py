"""Build the source distribution and the wheel: ``python -m release.build FOLDER``.

The same commit gives the same bytes, whatever the clock, the umask and the working directory are.
setuptools takes times and modes from the files, so both are set first: times to SOURCE_DATE_EPOCH,
else to that of the commit. Only files that git tracks are in it. The wheel is built from the source
distribution, so that what is missing there fails here. It uses the setuptools of this environment.
"""

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

REPOSITORY = "https://github.com/docspace-exporter/docspace-exporter"

#: Where no commit is known: the earliest time that a zip file can hold.
EARLIEST = 315532800
#: Beside what git ignores; for a folder that is no checkout, such as an unpacked distribution.
IGNORED = (".venv*", ".tools", ".git", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")


def main() -> int:
    """Build into the folder that is named, and print what is there."""
    (folder,) = sys.argv[1:]
    for file in build(ROOT, Path(folder)):
        sys.stdout.write(f"{file}\n")
    return 0


def build(source: Path, folder: Path) -> tuple[Path, Path]:
    """The source distribution and the wheel of a source tree, made in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or commit_time(source))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        stage(source, work / "source", epoch)
        (made,) = run_build("--sdist", work / "source", work / "made", epoch)
        distribution = folder / made.name
        repack(made, distribution, epoch)
        with tarfile.open(distribution) as archive:
            archive.extractall(work / "unpacked", filter="data")
        (unpacked,) = (work / "unpacked").iterdir()
        (made,) = run_build("--wheel", unpacked, work / "wheel", epoch)
        wheel = folder / made.name
        shutil.copyfile(made, wheel)
    return distribution, wheel


def commit_time(source: Path) -> int:
    """Unix seconds of the commit; `EARLIEST` where there is none."""
    return int(git(source, "log", "-1", "--format=%ct") or EARLIEST)


def stage(source: Path, target: Path, epoch: int) -> None:
    """Copy what belongs to a release, with one time and the modes that git knows."""
    tracked = git(source, "ls-files", "-z").split("\0")[:-1]
    if tracked:
        for path in tracked:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, target / path)
            shutil.copymode(source / path, target / path)
        revision = git(source, "rev-parse", "--short", "HEAD")
        (target / "exporter" / "REVISION").write_text(revision, encoding="ascii")
    else:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*IGNORED))
    readme = target / "README.md"
    readme.write_text(with_absolute_links(readme.read_text(encoding="utf-8")), encoding="utf-8")
    for each in target.rglob("*"):
        is_program = each.is_dir() or each.stat().st_mode & 0o100
        each.chmod(0o755 if is_program else 0o644)
        os.utime(each, (epoch, epoch))


def with_absolute_links(markdown: str) -> str:
    """A text whose links lead from anywhere, as the package index shows it, to the repository."""

    def absolute(match: re.Match[str]) -> str:
        mark, text, path = match.groups()
        return f"{mark}[{text}]({REPOSITORY}/{'raw' if mark else 'blob'}/main/{path})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)", absolute, markdown)


def run_build(what: str, source: Path, folder: Path, epoch: int) -> list[Path]:
    """The files that the builder of the Python Packaging Authority makes."""
    command = [sys.executable, "-m", "build", what, "--no-isolation"]
    command += ["--outdir", str(folder), str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    made = subprocess.run(
        command, env=environment, umask=0o022, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise SystemExit(made.stdout + made.stderr)
    return list(folder.iterdir())


def repack(made: Path, target: Path, epoch: int) -> None:
    """Write the archive again: in order, of nobody, with one time and without gzip's own."""
    with (
        tarfile.open(made) as archive,
        target.open("wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as again,
    ):
        for member in sorted(archive.getmembers(), key=lambda each: each.name):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = epoch
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            again.addfile(member, archive.extractfile(member) if member.isfile() else None)


def git(source: Path, *arguments: str) -> str:
    """What git prints; "" where the folder is no checkout of its own, or there is no git."""
    if not (source / ".git").exists():
        return ""
    try:
        ran = subprocess.run(
            ["git", *arguments], cwd=source, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return ran.stdout


if __name__ == "__main__":
    raise SystemExit(main())
