"""The version, the home page, and the revision that the build has written."""

import functools
from pathlib import Path

VERSION = "1.0.0"
HOMEPAGE = "https://github.com/docspace-exporter/docspace-exporter"


@functools.cache
def revision() -> str:
    """The commit that this was built from; "unknown" if the build has not written it."""
    file = Path(__file__).with_name("REVISION")
    return file.read_text(encoding="ascii").strip() if file.is_file() else "unknown"
