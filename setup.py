"""Everything is in setup.cfg. This file is there for what an old Python says.

An old pip, such as 21.2 of RHEL 9, resolves the dependencies before it compares the version of
Python, and stops at the first one that has no release for it. This message comes before that, so
this file must run on every Python 3.
"""

import sys

from setuptools import setup

if sys.version_info < (3, 11):  # noqa: UP036, see above
    sys.exit(
        "docspace-exporter needs Python 3.11 or newer, and this is Python %d.%d. "  # noqa: UP031, see above
        "Install a newer one beside it and make the virtual environment with that, such as: "
        "dnf install python3.11 && python3.11 -m venv docspace" % sys.version_info[:2]
    )

setup()
