"""Finds the configuration: the named file, ``config.yaml``, or the built-in one."""

from collections.abc import Mapping
from pathlib import Path

from exporter.config.load import load
from exporter.config.settings import Settings
from exporter.yamlfile import ConfigError

#: The file that is read if no flag names one.
USUAL_FILE = Path("config.yaml")

#: The name of the package's own configuration in messages.
BUILT_IN = "built-in configuration"

#: The ``config.yaml`` of the repository: a link in a checkout, a file in an installed package.
_BUILT_IN_FILE = Path(__file__).with_name("default.yaml")


class Source:
    """The configuration of one process, which may be loaded several times.

    ``given`` is the file that the flag or its variable names. Without it, ``config.yaml`` in the
    working directory is read. If that does not exist, the built-in configuration is used, which has
    one portal from the environment. Once a file was found, its absence is an error: the built-in
    configuration is not used any more.
    """

    def __init__(self, given: Path | None, environ: Mapping[str, str]) -> None:
        self._file = given
        self._environ = environ

    def load(self) -> Settings:
        """The settings, with their source. Raises ConfigError."""
        if self._file is None and _may_be_there(USUAL_FILE):
            self._file = USUAL_FILE
        if self._file is not None:
            return load(self._file, self._environ)
        try:
            return load(_BUILT_IN_FILE, self._environ, BUILT_IN)
        except ConfigError as exc:
            raise ConfigError([*exc.problems, _ways_out()]) from None


def _may_be_there(file: Path) -> bool:
    """Whether to read the file: also if the system does not say whether it exists."""
    try:
        file.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        pass  # reading it fails with the reason
    return True


def _ways_out() -> str:
    """What to do if there is no file, and the variables are missing or not valid."""
    return (
        f"the {BUILT_IN} is used because {Path.cwd()} has no {USUAL_FILE}: set DOCSPACE_URL to the "
        "portal's address and DOCSPACE_API_KEY to a key of it, or name a configuration file with "
        "--config.file"
    )
