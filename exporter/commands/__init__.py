"""The commands. Each is a module whose ``run`` takes the parsed flags and returns the exit code."""
