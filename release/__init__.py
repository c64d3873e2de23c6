"""How a release is built and tried; no part of the package."""
