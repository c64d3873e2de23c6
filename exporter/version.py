"""The version and the home, written down once, and the revision that a build left behind."""

import functools
from pathlib import Path

VERSION = "1.0.0"
HOMEPAGE = "https://github.com/docspace-exporter/docspace-exporter"


@functools.cache
def revision() -> str:
    """The commit this was built from; "unknown" where the build did not say."""
    file = Path(__file__).with_name("REVISION")
    return file.read_text(encoding="ascii").strip() if file.is_file() else "unknown"
