"""Building and testing a release; not part of the package."""
