"""The deploy that pyinfra runs: one operation a step, with the bare command."""

import os

from pyinfra.operations import server

for number, command in enumerate(os.environ["BENCH_COMMANDS"].split("\n"), 1):
    server.shell(name=f"step {number}", commands=[command])
