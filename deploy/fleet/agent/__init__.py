"""The programs of the demo agent; this package is copied into `<home>/lib/agent` of every demo host.

The programs start in hundreds, so they import little: `argparse`, `subprocess` and `dataclasses` would
each add as much time as the interpreter itself needs to start.
"""
