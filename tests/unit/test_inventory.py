"""Inventories in every format: what is read, and what is refused with its line and field."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.inventory.host_range import expand
from api.inventory.read import READERS, Found, read_inventory
from api.inventory.row import InventoryError
from api.schema.inventory import FORMATS
from dag.host import Host

CSV = """\
address,name,ssh_port,user,profile,zone,alias,credential_id,var.home,var.run_as,label.rack
10.0.0.1,web-1,2222,ops,systemd,east,front,7,/opt/agent,agent,r1
10.0.0.2,,,,,,,,,,
"""
JSON = [
    {
        "address": "10.0.0.1",
        "name": "web-1",
        "ssh_port": 2222,
        "user": "ops",
        "profile": "systemd",
        "zone": "east",
        "alias": "front",
        "credential_id": 7,
        "variables": {"home": "/opt/agent", "run_as": "agent"},
        "labels": {"rack": "r1"},
    },
    {"address": "10.0.0.2", "name": "", "user": None},
]
YAML = """\
- address: 10.0.0.1
  name: web-1
  ssh_port: 2222
  user: ops
  profile: systemd
  zone: east
  alias: front
  credential_id: 7
  variables: {home: /opt/agent, run_as: agent}
  labels: {rack: r1}
- address: 10.0.0.2
  name:
  user: ~
"""
FULL = Host(
    0,
    "10.0.0.1",
    "web-1",
    2222,
    "ops",
    "systemd",
    "east",
    {"home": "/opt/agent", "run_as": "agent"},
    {"rack": "r1"},
    "front",
    credential_id=7,
)


def read(content: Any, form: str, limit: int = 100, **defaults: str) -> Found:
    text = content if isinstance(content, str) else json.dumps(content)
    return read_inventory(text, form, defaults, limit=limit, fault_of=lambda host: "")


def faults(content: Any, form: str, limit: int = 100) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        read(content, form, limit)
    return [str(fault) for fault in caught.value.faults]


def test_every_format_has_its_reader() -> None:
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize(("form", "content"), [("csv", CSV), ("json", JSON), ("yaml", YAML)])
def test_lists_of_hosts(form: str, content: Any) -> None:
    assert read(content, form) == Found([FULL, Host(0, "10.0.0.2", "10.0.0.2")], [])


def test_csv_as_spreadsheets_write_it() -> None:
    [host] = read('\ufeffaddress, name,,\r\n10.0.0.1,"a, b",,\r\n', "csv").hosts
    assert (host.address, host.name) == ("10.0.0.1", "a, b")


def test_an_id_may_have_all_its_digits() -> None:
    [host] = read(f"address,credential_id\na,{2**63 - 1}\n", "csv").hosts
    assert host.credential_id == 2**63 - 1


def test_defaults_fill_what_a_host_does_not_name() -> None:
    found = read([{"address": "a", "zone": "east"}, {"address": "B"}], "json", zone="west", user="ops").hosts
    assert [(host.address, host.zone, host.user) for host in found] == [("a", "east", "ops"), ("b", "west", "ops")]


def test_a_plain_word_of_yaml_is_what_stands_there() -> None:
    [host] = read("- {address: web, name: 007, zone: no, variables: {port: 0x1F, on: yes}}", "yaml").hosts
    assert (host.name, host.zone, host.variables) == ("007", "no", {"port": "0x1F", "on": "yes"})


INI = """\
# The fleet
lonely.example.com:2200
[web]
web[01:03].example.com ansible_port=2222   # three of them
web02.example.com ansible_host=10.0.0.2 ansible_user="web ops"
[db]
db-[a:b] muster_var_home='/srv/my agent'
[2001:db8::7]:2022
[prod:children]
web
db
[prod:vars]
ansible_user=ops
muster_profile = systemd
muster_label_tier="gold"
http_port=80
[web:vars]
muster_zone=dmz
[all:vars]
muster_zone=core
ansible_python_interpreter=/usr/bin/python3
"""
GROUPS = """\
all:
  vars: {muster_zone: core, ansible_python_interpreter: /usr/bin/python3}
  hosts:
    lonely.example.com: {ansible_port: 2200}
  children:
    prod:
      vars: &shared
        ansible_user: ops
        muster_profile: systemd
        muster_label_tier: gold
        http_port: 80
        nested: [1, {a: 2}]
      children:
        web:
          vars: {muster_zone: dmz}
          hosts:
            web[01:03].example.com: {ansible_port: 2222}
            web02.example.com:
              ansible_host: 10.0.0.2
              ansible_user: web.ops
        db:
db:
  vars: {<<: *shared}
  hosts:
    db-[a:b]: {muster_var_home: /srv/my agent}
    2001:db8::7: {ansible_port: 2022}
"""


def described(hosts: Sequence[Host]) -> dict[str, tuple[str, int, str, str, str]]:
    return {host.name: (host.address, host.ssh_port, host.user, host.profile, host.zone) for host in hosts}


@pytest.mark.parametrize(("form", "content"), [("ini", INI.replace('"web ops"', "web.ops")), ("yaml", GROUPS)])
def test_ansible(form: str, content: str) -> None:
    found = read(content, form)
    web, db = "systemd", "systemd"
    assert described(found.hosts) == {
        "lonely.example.com": ("lonely.example.com", 2200, "", "ocp_agentctl", "core"),
        "web01.example.com": ("web01.example.com", 2222, "ops", web, "dmz"),
        "web02.example.com": ("10.0.0.2", 2222, "web.ops", web, "dmz"),
        "web03.example.com": ("web03.example.com", 2222, "ops", web, "dmz"),
        "db-a": ("db-a", 22, "ops", db, "core"),
        "db-b": ("db-b", 22, "ops", db, "core"),
        "2001:db8::7": ("2001:db8::7", 2022, "ops", db, "core"),
    }
    hosts = {host.name: host for host in found.hosts}
    assert hosts["web01.example.com"].labels == {"prod": "true", "web": "true", "tier": "gold"}
    assert hosts["db-a"].labels == {"prod": "true", "db": "true", "tier": "gold"}
    assert hosts["lonely.example.com"].labels == {}
    assert hosts["db-b"].variables == {"home": "/srv/my agent"}
    assert set(found.ignored) - {"nested"} == {"ansible_python_interpreter", "http_port"}


def test_a_host_s_word_wins_over_its_group_s_and_a_child_s_over_its_parent_s() -> None:
    text = """
[far:children]
near
[near:children]
own
[own]
a
b muster_zone=host
[other]
c
[near:vars]
muster_zone=near
[far:vars]
muster_zone=far
muster_alias=far
[other:vars]
muster_zone=x
"""
    found = {host.name: (host.zone, host.alias) for host in read(text, "ini").hosts}
    assert found == {"a": ("near", "far"), "b": ("host", "far"), "c": ("x", "")}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web", ["web"]),
        ("web[8:10]", ["web8", "web9", "web10"]),
        ("web[08:10]", ["web08", "web09", "web10"]),
        ("w[1:7:3]x", ["w1x", "w4x", "w7x"]),
        ("[a:c]", ["a", "b", "c"]),
        ("r[1:2]-n[a:b]", ["r1-na", "r1-nb", "r2-na", "r2-nb"]),
        ("[2001:db8::1]", ["[2001:db8::1]"]),
        ("w[5:5]", ["w5"]),
    ],
)
def test_ranges(pattern: str, names: list[str]) -> None:
    assert expand(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("w[3:1]", "backwards"),
        ("w[c:a]", "backwards"),
        ("w[a:C]", "backwards"),
        ("w[1:c]", "no sense"),
        ("w[1:3:0]", "no sense"),
        ("w[01:100]", "differ in width"),
        ("w[1:99999999]", "more than 100000"),
        ("w[1:1000]x[1:1000]", "more than 100000"),
        ("w[1:" + "9" * 5000 + "]", "digits"),
    ],
)
def test_ranges_that_make_no_sense(pattern: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        expand(pattern)


BAD = [
    ("json", [{"name": "x"}], "entry 1, address: is required"),
    ("json", [{"address": "a"}, {"address": "10.0.0.300"}], "entry 2, address: must be an IPv4 or IPv6 address"),
    ("json", [{"address": "a", "ssh_port": 0}], "entry 1, ssh_port: must be positive"),
    ("json", [{"address": "a", "ssh_port": "22"}], "entry 1, ssh_port: must be an integer"),
    ("json", [{"address": "a", "user": "a b"}], "entry 1, user: must match"),
    ("json", [{"address": "a", "profile": "../etc"}], "entry 1, profile: must match"),
    ("json", [{"address": "a", "variables": {"home": 1}}], "entry 1, variables.home: must be a string"),
    ("json", [{"address": "a", "variables": ["home"]}], "entry 1, variables: must be an object"),
    ("json", [{"address": "a", "colour": "red"}], "entry 1, colour: is no field of a host; there are address, name"),
    ("json", [{"address": "a"}, {"address": "A"}], "entry 2, address: a port 22 is named before, at entry 1"),
    ("ini", "w[1:2] ansible_host=a\n", "line 1, address: a port 22 is named before, at line 1"),
    ("json", ["a"], "entry 1: must be an object"),
    ("json", {"address": "a"}, "must be a list of hosts"),
    ("json", [], "names no hosts"),
    ("json", "{", "is no JSON"),
    ("json", '[{"address": "a", "address": "b"}]', "is no JSON: a name is given twice"),
    ("json", "[" * 100_000, "is no JSON"),
    ("csv", "address,name\n10.0.0.1,a\n10.0.0.2\n", "line 3: has another number of columns"),
    ("csv", "address,name\n10.0.0.1,a,b\n", "line 2: has another number of columns"),
    ("csv", "address,ssh_port\n10.0.0.1,ssh\n", "line 2, ssh_port: must be an integer"),
    ("csv", "address,ssh_port\n10.0.0.1,99999\n", "line 2, ssh_port: must be at most 65535"),
    ("csv", "address,ssh_port\n10.0.0.1," + "9" * 5000, "line 2, ssh_port: must be an integer"),
    ("csv", "address,ssh_port\n10.0.0.1,-1", "line 2, ssh_port: must be positive"),
    ("csv", f"address,credential_id\n10.0.0.1,{2**63}", f"line 2, credential_id: must be at most {2**63 - 1}"),
    (
        "csv",
        "address,home\n10.0.0.1,/opt\n10.0.0.2,/opt\n",
        "line 1, home: is no column of an inventory; there are address",
    ),
    ("csv", "labels.rack,address\nr1,10.0.0.1\n", "credential_id, var.NAME, label.NAME"),
    ("csv", "address,address\na,b\n", "line 1, address: is the name of two columns"),
    ("csv", "address,,\n10.0.0.1,x,\n", "line 2, column 2: is no field of a host"),
    ("csv", "name\nweb\n", "line 2, address: is required"),
    ("csv", 'address\n"10.0.0.1\n', "unexpected end of data"),
    ("csv", "address\n", "names no hosts"),
    ("csv", "", "names no hosts"),
    ("yaml", "- address: a\n- address: b\n  ssh_port: x\n", "line 3, ssh_port: must be an integer"),
    ("yaml", "- address: a\n  colour: red\n", "line 2, colour: is no field of a host"),
    ("yaml", "- address: a\n  address: b\n", "line 2, address: stands there twice"),
    ("yaml", "- address: [a]\n", "line 1, address: must be a plain value"),
    ("yaml", "- web\n", "line 1: must be a host with at least an address"),
    ("yaml", "a: b: c", "line 1: is no YAML: mapping values are not allowed"),
    ("yaml", "- a: *x", "line 1: is no YAML: found undefined alias"),
    ("yaml", "- {address: !vault secret-4711}", "line 1, address: has the tag !vault"),
    ("yaml", "web", "must be a list of hosts, or the groups"),
    ("yaml", "", "must be a list of hosts, or the groups"),
    ("yaml", "a: 1\n---\nb: 2", "is no YAML: but found another document"),
    ("yaml", "[" * 100_000, "line 1: is nested deeper than 64 levels"),
    ("yaml", "\x00", "is no YAML"),
    ("yaml", "all:\n  host:\n    a:\n", "line 2, host: is no part of a group; there are hosts, vars and children"),
    ("yaml", "all:\n  hosts:\n    web[3:1]:\n", "line 3, web[3:1]: has a range that runs backwards"),
    ("yaml", "all:\n  hosts: {a: }\n  vars:\n    ansible_port: x\n", "line 4, ssh_port: must be an integer"),
    ("yaml", "a: &a\n  children: {b: {children: {a: }}}\n  hosts: {x: }", "is a group above or below itself"),
    ("yaml", "a: &a\n  children: {b: *a}\n", "is nested deeper than"),
    ("ini", "[web]\na ansible_port=70000\n", "line 2, ssh_port: must be at most 65535"),
    ("ini", "a:99999\n", "line 1, ssh_port: must be at most 65535"),
    ("ini", "[web:vars]\nansible_port=x\n[web]\na\n", "line 2, ssh_port: must be an integer"),
    ("ini", "a b\n", "line 1, b: must be name=value"),
    ("ini", "a x='\n", "line 1: No closing quotation"),
    ("ini", "[web:var]\n", "line 1, web: there is no section :var"),
    ("ini", "[a:children]\nb\n[c]\nx\n", "line 2, b: is a group that is defined nowhere"),
    ("ini", "[a:children]\nb\n[b:children]\na\n[a]\nx\n", "is a group above or below itself"),
    ("ini", "[a:vars]\nnonsense\n", "line 2, nonsense: must be name=value"),
    ("ini", "{{ host }} ansible_user=x\n", "line 1, host: must be name=value"),
    ("ini", "a ansible_host='{{ x }}'\n", "line 1, address: must be an IPv4 or IPv6 address"),
    ("ini", "[w[1:3]]\na\n", "line 1"),
    ("ini", "# nothing\n", "names no hosts"),
]


def test_a_column_that_there_is_not_is_one_fault_however_many_hosts_there_are() -> None:
    text = "address,sshPort,home,empty\n" + "".join(f"10.0.0.{n},22,/opt,\n" for n in range(1, 200))
    assert [fault.partition(":")[0] for fault in faults(text, "csv")] == ["line 1, sshPort", "line 1, home"]


@pytest.mark.parametrize(("form", "content", "fault"), BAD)
def test_what_makes_no_sense_is_named_with_its_place(form: str, content: Any, fault: str) -> None:
    assert fault in faults(content, form)[0]


def test_all_faults_are_told_and_secrets_are_not() -> None:
    with pytest.raises(InventoryError) as caught:
        read([{"address": 1}, {"address": "b", "variables": {"key": "hunter2\n"}, "zone": "a b"}], "json")
    found = [(fault.where, fault.field, fault.value) for fault in caught.value.faults]
    assert found == [
        ("entry 1", "address", 1),
        ("entry 2", "zone", "a b"),
        ("entry 2", "variables.key", None),
    ]
    assert str(caught.value).endswith(" (3 faults)")
    assert "hunter2" not in str(caught.value)


def test_there_are_at_most_so_many() -> None:
    assert faults("web[1:101]", "ini") == ["names 101 hosts; one import may name at most 100"]
    assert len(read("web[1:100]", "ini").hosts) == 100


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["x0: &x0 {vars: {a: b}}"]
    lines += [
        f"x{n}: &x{n} {{children: {{{', '.join(f'c{n}{m}: *x{n - 1}' for m in range(9))}}}}}" for n in range(1, 9)
    ]
    assert "more than an inventory may hold" in faults("\n".join(lines), "yaml", 10**9)[0]


@given(st.sampled_from(FORMATS), st.text(alphabet="ab1[]:{}-=&*!<,.\"'# \n", max_size=60))
def test_any_text_is_read_or_refused(form: str, text: str) -> None:
    try:
        found = read(text, form)
    except InventoryError:
        return
    assert found.hosts
