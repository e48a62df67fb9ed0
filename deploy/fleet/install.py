"""Installs the demo agent into a directory: programs, their library, configuration."""

import py_compile
import shutil
import sys
from pathlib import Path

AGENT = Path(__file__).with_name("agent")
DEFAULT_VERSION = "4.3.1"
DEFAULT_PROXY_PORT = 62888
PROXY = "pos_proxy"
PROGRAMS = ("ocp_agentd", "ocp_mgragent", "ocp_monagent", PROXY, "ocp_agentctl")
FAULTS = ("refuse-start", "residual", "hang-stop", "slow-start", "no-proxy")


def install_agent(
    home: Path, *, address: str, proxy_port: int = DEFAULT_PROXY_PORT, version: str = DEFAULT_VERSION
) -> None:
    """Lay out an agent below `home`, over an earlier one if there is one; its faults are cleared.

    `address` and `proxy_port` are where its `pos_proxy` will listen. Raises OSError when the directory
    cannot be written.
    """
    for folder in ("bin", "conf/faults", "lib/agent/__pycache__", "log", "run"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    for fault in FAULTS:
        (home / "conf/faults" / fault).unlink(missing_ok=True)
    for program in PROGRAMS:
        install_program(home, program)
    for source in AGENT.glob("*.py"):
        copy = home / "lib/agent" / source.name
        shutil.copyfile(source, copy)
        # Compiled here once; otherwise four processes of each host would do it while they start.
        py_compile.compile(str(copy), doraise=True)
    (home / "conf/version").write_text(f"{version}\n", encoding="utf-8")
    (home / "conf/pos_proxy.conf").write_text(f"{address} {proxy_port}\n", encoding="utf-8")


def install_program(home: Path, name: str) -> None:
    """Write one program into `bin/`: the launcher behind the line that names this interpreter."""
    # -I and -S: the standard library is all it needs, and looking for more costs a third of its start.
    text = f"#!{sys.executable} -IS\n{(AGENT / 'launcher.py').read_text(encoding='utf-8')}"
    path = home / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
