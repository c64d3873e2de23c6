"""The version, written down once."""

VERSION = "1.0.0"
