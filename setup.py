"""All metadata is in setup.cfg. This file shows a useful error on an old Python.

An old pip, such as 21.2 of RHEL 9, resolves dependencies before it checks the version of Python,
and fails at the first dependency without a release for it. This message comes first, so this file
must run on every Python 3.
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
