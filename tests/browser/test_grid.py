"""The grid's modules by themselves, in the browser: where cells are, and what events do to a task that is known."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

SETUP = """async () => {
  const base = document.querySelector("script[type=module]").src.replace(/main.js$/, "task/");
  const load = async (...names) => {
    const found = await Promise.all(names.map((name) => import(`${base}${name}.js`)));
    return Object.assign({}, ...found);
  };
  const stage = (name, firstId, statuses, waitNode = false) => ({ seriesId: 1, name, firstId, statuses, waitNode });
  const grid = (hosts) => ({
    eventId: "1000-5",
    stages: [
      stage("one", 11, "P".repeat(hosts)),
      stage("wait", 11 + hosts, "P", true),
      stage("two", 12 + hosts, "P".repeat(hosts)),
    ],
    hosts: {
      ids: Array.from({ length: hosts }, (_, at) => at + 1),
      names: Array.from({ length: hosts }, (_, at) => (at % 7 ? `web-${at}` : "")),
    },
  });
  window.tried = { load, grid };
}"""


@pytest.fixture
def tried(open_page: Callable[..., Page]) -> Callable[..., Any]:
    """Runs a function of JavaScript in a page, which loads modules by `load` and makes a task's grid by `grid`."""
    page = open_page("/console/", user=None)
    page.evaluate(SETUP)
    return page.evaluate


@pytest.mark.parametrize("width", [300, 1250])
def test_each_cell_is_found_where_it_is_drawn(tried: Callable[..., Any], width: int) -> None:
    wrong = tried(
        """async (width) => {
          const { GridModel, BandLayout, SIZES, RowLayout } = await tried.load("model", "bands", "rows");
          const wrong = [];
          for (const hosts of [1, 7, 1003]) {
            const { stages } = new GridModel(tried.grid(hosts));
            const bands = SIZES.map((size) => new BandLayout(stages, hosts, width, size));
            for (const layout of [new RowLayout(stages, hosts, width), ...bands]) {
              for (let cell = 0; cell < 2 * hosts; cell += 1) {
                const [stage, row] = [cell % 2 ? 2 : 0, cell >> 1];
                const box = layout.rectOf({ stage, row });
                const found = layout.cellAt(box.x + box.width / 2, box.y + box.height / 2);
                const [first, behind] = layout.rowsBetween(stage, box.y, box.y + box.height);
                const isIn = box.x >= 0 && box.x + box.width <= width && box.y + box.height <= layout.height;
                const isFound = found?.stage === stage && found.row === row && first <= row && row < behind;
                if (!isFound || !isIn) wrong.push([hosts, layout.size, stage, row]);
              }
            }
          }
          return wrong;
        }""",
        width,
    )
    assert wrong == []


def test_arrows_lead_to_neighbours_and_never_out_of_the_grid(tried: Callable[..., Any]) -> None:
    found = tried(
        """async () => {
          const { GridModel, BandLayout, RowLayout } = await tried.load("model", "bands", "rows");
          const { stages } = new GridModel(tried.grid(25));
          const bands = new BandLayout(stages, 25, 100, 10);
          const rows = new RowLayout(stages, 25, 600);
          const walk = (layout, ...keys) => {
            const end = keys.reduce((cell, key) => layout.moved(cell, `Arrow${key}`), { stage: 0, row: 12 });
            return [end.stage, end.row];
          };
          return [
            walk(bands, "Right"),
            walk(bands, "Down"),
            walk(bands, "Down", "Down", "Down"),
            walk(bands, "Up", "Up", "Up"),
            walk(rows, "Down"),
            walk(rows, "Right", "Right", "Right"),
            walk(rows, "Left", "Up"),
          ];
        }"""
    )
    assert found == [[0, 13], [0, 22], [2, 22], [0, 2], [0, 13], [2, 12], [0, 11]]


def test_an_event_that_is_older_than_what_is_known_undoes_nothing(tried: Callable[..., Any]) -> None:
    found = tried(
        """async () => {
          const { GridModel } = await tried.load("model");
          const model = new GridModel(tried.grid(3));
          const tell = (id, status, event) => model.apply(event, [{ id, status }]).length;
          const changed = [
            tell(11, "FAILED", "1000-5"),
            tell(11, "FAILED", "999-9"),
            tell(11, "RUNNING", "1000-6"),
            tell(11, "FAILED", "1001-0"),
            tell(11, "READY", "1000-7"),
            tell(99, "FAILED", "1002-0"),
            tell(14, "SUCCESSFUL", "1003-0.end"),
          ];
          const fit = model.hostsThatFit({ codes: new Set([4]), word: "" });
          return { changed, counts: model.counts, fit, name: model.hostNames[0] };
        }"""
    )
    assert found["changed"] == [0, 0, 1, 1, 0, 0, 1]
    assert found["counts"] == [5, 0, 0, 0, 1, 1]
    assert found["fit"] == [0]
    assert found["name"] == "host 1 (forgotten)"


def test_what_is_searched_in_a_log_is_marked_whatever_stands_before_it(tried: Callable[..., Any]) -> None:
    # Some letters are two in lower case.
    found = tried(
        """async () => {
          const { LogView } = await tried.load("log");
          const log = new LogView("a.log");
          log.add("İİİ İstanbul: (Error) [x] ERROR error", "");
          const [field] = log.element.querySelectorAll("input[type=search]");
          const marks = (word) => {
            field.value = word;
            field.dispatchEvent(new Event("input"));
            return [...log.element.querySelectorAll("mark")].map((one) => one.textContent);
          };
          return [marks("error"), marks("(error) ["), marks("no")];
        }"""
    )
    assert found == [["Error", "ERROR", "error"], ["(Error) ["], []]


def test_reasons_that_differ_by_their_host_alone_are_one(tried: Callable[..., Any]) -> None:
    refused = [f"10.0.0.{n} port 22 can't be reached: Connection refused" for n in (1, 2)]
    found = tried(
        "async (reasons) => (await tried.load('reasons')).grouped(reasons)",
        ["did not end within 60 s", *refused, "the disk is full", refused[1]],
    )
    assert found == [
        ["… port 22 can't be reached: Connection refused", 3],
        ["did not end within 60 s", 1],
        ["the disk is full", 1],
    ]
