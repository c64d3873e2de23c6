"""Build the source distribution and the wheel: ``python -m release.build FOLDER``.

The same commit gives the same bytes, with any clock, umask and working directory. setuptools copies
times and modes of the files, so both are set first: times to SOURCE_DATE_EPOCH or the time of the
commit. Only files that git tracks are included. The wheel is built from the source distribution, so
a file that is missing there fails the build. It uses the setuptools of this environment.
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

#: The time without a commit, in Unix seconds: the earliest that a zip file can have.
EARLIEST = 315532800
#: Left out in a folder without git, such as an unpacked distribution.
IGNORED = (".venv*", ".tools", ".git", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")


def main() -> int:
    """Build into the folder of the command line, and print the paths of both files."""
    (folder,) = sys.argv[1:]
    for file in build(ROOT, Path(folder)):
        sys.stdout.write(f"{file}\n")
    return 0


def build(source: Path, folder: Path) -> tuple[Path, Path]:
    """Build a source tree into a folder; the source distribution and the wheel."""
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
    """Unix seconds of the commit; `EARLIEST` without one."""
    return int(git(source, "log", "-1", "--format=%ct") or EARLIEST)


def stage(source: Path, target: Path, epoch: int) -> None:
    """Copy the files of a release, all with one time and with the modes that git stores."""
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
    """The text with absolute links to the repository, for the page on the package index."""

    def absolute(match: re.Match[str]) -> str:
        mark, text, path = match.groups()
        return f"{mark}[{text}]({REPOSITORY}/{'raw' if mark else 'blob'}/main/{path})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)", absolute, markdown)


def run_build(what: str, source: Path, folder: Path, epoch: int) -> list[Path]:
    """Run ``python -m build``; the files that it built. Exits with its output if it fails."""
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
    """Write the archive again: sorted, without owners, with one time and no time in gzip."""
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
    """The output of git; "" if the folder is not a checkout or git is missing."""
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
