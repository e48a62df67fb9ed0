"""Runs the program that this file is named after; `bin/` holds one copy of it per program."""

import os
import sys

MODULES = {
    "ocp_agentd": "guard",
    "ocp_mgragent": "service",
    "ocp_monagent": "service",
    "pos_proxy": "proxy",
    "ocp_agentctl": "control",
}


def main() -> int:
    """Load the program from the agent's own `lib/`, run it, return its exit code."""
    bin_directory, name = os.path.split(os.path.realpath(sys.argv[0]))
    home = os.path.dirname(bin_directory)
    sys.path.insert(0, os.path.join(home, "lib"))
    module = __import__(f"agent.{MODULES[name]}", fromlist=["main"])
    code: int = module.main(name, home, sys.argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())
