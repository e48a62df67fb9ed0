"""Would a worker on this machine get to the hosts: its key, their host keys, their profiles?"""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from cli.check.finding import Finding, fine, odd, wrong
from cli.table import some
from config.settings import Settings
from dag.host import Host, HostStatus
from workers.profile.profile import ProfileError, load_profile
from workers.remote.error import HostKeyUnknown, KeyFileError
from workers.remote.key_ring import KeyRing
from workers.remote.known_host import SSH_PORT, KnownHosts, host_name
from workers.remote.settings import SshOptions, ssh_options


def check_machine(settings: Settings, hosts: Sequence[Host]) -> Iterator[Finding]:
    """Yield whether the settings of this machine fit these hosts."""
    yield from check_profiles(settings, hosts)
    if not (settings.ssh.key_file or settings.ssh.key_dir or settings.ssh.use_agent):
        remedy = "Set ssh.key_file (MUSTER_SSH_KEY_FILE), ssh.key_dir or ssh.use_agent."
        yield wrong("private key", "none is set: no host lets this machine's workers in", remedy)
        return
    try:
        options = ssh_options(settings.ssh)
    except KeyFileError as error:
        yield wrong("private key", str(error), "Correct it where the worker is started.")
        return
    yield _check_keys(options, hosts)
    yield _check_host_keys(options, hosts)


def _check_keys(options: SshOptions, hosts: Sequence[Host]) -> Finding:
    ring, what = KeyRing(options), "private key"
    faults = []
    for host in hosts:
        try:
            ring.key_of(host)
        except KeyFileError as error:
            faults.append(str(error))
    if faults:
        return wrong(what, some(faults, 1), "Put the keys into ssh.key_dir, named by the ids of credentials.")
    return fine(what, f"there is one for each of {len(hosts)} hosts")


def _check_host_keys(options: SshOptions, hosts: Sequence[Host]) -> Finding:
    known, what = KnownHosts(options.known_hosts), "host keys"
    try:
        missing = [host for host in hosts if not known.keys_of(host_name(host.address, host.ssh_port))]
    except HostKeyUnknown as error:
        return wrong(what, str(error), "Make the file, with ssh-keyscan, and check the fingerprints.")
    if not missing:
        return fine(what, f"{options.known_hosts} has those of all {len(hosts)} hosts")
    names = some([host.name or host.address for host in missing])
    text = f"{options.known_hosts} has none of {names}"
    return wrong(what, text, f"Check their fingerprints, then enrol them: {_keyscan(missing[0], options.known_hosts)}")


def _keyscan(host: Host, file: Path) -> str:
    port = [] if host.ssh_port == SSH_PORT else ["-p", str(host.ssh_port)]
    return f"{shlex.join(['ssh-keyscan', *port, host.address])} >> {shlex.quote(str(file))}"


def check_profiles(settings: Settings, hosts: Sequence[Host]) -> Iterator[Finding]:
    """Yield whether each host's profile is there and its variables fit it."""
    folder, faults = Path(settings.worker.profile_dir) if settings.worker.profile_dir else None, []
    for host in hosts:
        try:
            load_profile(host.profile, folder).fill(host.variables)
        except ProfileError as error:
            faults.append(f"{host.name or host.address}: {error}")
    if faults:
        remedy = "Enrol them with what the profile needs, or see docs/profiles.md and worker.profile_dir."
        yield wrong("profiles here", some(faults), remedy)
    else:
        names = sorted({host.profile for host in hosts})
        yield fine("profiles here", f"fit all {len(hosts)} hosts: {some(names)}" if hosts else "no hosts to fit")


def check_reached(hosts: Sequence[Host]) -> Iterator[Finding]:
    """Yield which hosts could not be reached when they were last seen."""
    lost = [host.name or host.address for host in hosts if host.status is HostStatus.OFFLINE]
    if lost:
        text = f"{len(lost)} of {len(hosts)} could not be reached last: {some(lost)}"
        yield odd("hosts", text, f"See why: `muster hosts check {shlex.quote(lost[0])}`.")
    else:
        yield fine("hosts", f"{len(hosts)} are enrolled")
