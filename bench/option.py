"""How benchmarks read their command lines."""

import argparse


def count(text: str) -> int:
    """Return a number from 1; the parser's error names what was given instead."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not {text!r}")
    return int(text)
