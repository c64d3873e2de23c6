"""The version and the home, written down once, and the revision that a build left behind."""

import functools
from importlib import resources

VERSION = "1.0.0"
HOMEPAGE = "https://github.com/docspace-exporter/docspace-exporter"


@functools.cache
def revision() -> str:
    """The commit this was built from; "unknown" where the build did not say."""
    file = resources.files("exporter") / "REVISION"
    return file.read_text().strip() if file.is_file() else "unknown"
