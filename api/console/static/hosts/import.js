// Enrols the hosts of an inventory: first it is tried, and shown what would come of it.

import { openDialog } from "../confirm.js";
import { fill, h } from "../dom.js";
import { field } from "../form.js";
import { errorBlock, tell } from "../notice.js";
import { count } from "../pager.js";
import { button, glyph, table } from "../part.js";

const FORMATS = [["csv", "CSV"], ["json", "JSON"], ["yaml", "YAML, Ansible’s too"], ["ini", "Ansible’s INI"]];
const BY_SUFFIX = { csv: "csv", json: "json", yaml: "yaml", yml: "yaml", ini: "ini", cfg: "ini" };
const NAMES_SHOWN = 8;
const EXAMPLE = "address,name,user,profile,label.rack\n10.0.0.11,web-1,admin,ocp_agentctl,r1";

// Asks for an inventory. Returns true once its hosts are enrolled, false where it was cancelled.
export function askToImport(api) {
  const { promise, resolve } = Promise.withResolvers();
  // Else a browser says nothing where the same file, mended meanwhile, is chosen again.
  const click = () => (file.value = "");
  const file = h("input", { type: "file", accept: ".csv,.json,.yaml,.yml,.ini,.cfg,text/*", on: { click, change: read } });
  const format = h("select", { on: { change: forget } }, FORMATS.map(([value, text]) => h("option", { value }, text)));
  const looks = { rows: 7, placeholder: EXAMPLE, autocomplete: "off", spellcheck: "false", required: true };
  const content = h("textarea", { ...looks, on: { input: forget } });
  const found = h("div", { "aria-live": "polite" });
  const cancel = button("Cancel", "", () => dialog.close());
  const go = h("button", { type: "submit", class: "button primary" });
  const fields = [field("Inventory file", file), field("Format", format), field("Inventory", content, { isWhole: true })];
  let isTried = false;
  const dialog = openDialog(
    { title: "Import hosts", isWide: true },
    h("div", { class: "fields" }, fields.map((one) => one.element)),
    found,
    h("div", { class: "actions" }, cancel, go),
  );
  dialog.querySelector("form").addEventListener("submit", submit);
  dialog.addEventListener("close", () => resolve(false));
  forget();

  async function read() {
    if (!file.files.length) return;
    content.value = await file.files[0].text();
    // Ansible's own inventories often have no suffix.
    format.value = BY_SUFFIX[file.files[0].name.split(".").pop().toLowerCase()] ?? "ini";
    forget();
  }

  // What was tried is not what stands there now.
  function forget() {
    isTried = false;
    fill(found);
    fill(go, "Check");
  }

  async function submit(event) {
    event.preventDefault();
    go.disabled = true;
    try {
      const inventory = { format: format.value, content: content.value };
      const answer = await api.post("/compute/hosts/import", { ...inventory, dryRun: !isTried });
      if (isTried) end(answer);
      else show(answer);
    } catch (error) {
      fill(found, error.subErrors?.length ? refused(error) : errorBlock(error));
    }
    go.disabled = false;
  }

  function show(answer) {
    fill(found, outcome(answer));
    isTried = answer.contents.length > 0;
    fill(go, isTried ? `Import ${count(answer.contents.length)} ${answer.contents.length === 1 ? "host" : "hosts"}` : "Check");
  }

  function end({ contents }) {
    tell(contents.length === 1 ? "1 host is enrolled." : `${count(contents.length)} hosts are enrolled.`);
    resolve(true);
    dialog.close();
  }

  return promise;
}

function outcome({ contents, skipped, ignoredVariables }) {
  const isNew = contents.length > 0;
  const known = `${count(skipped.length)} enrolled already, and left as they are: ${names(skipped)}`;
  return [
    isNew
      ? h("p", { class: "notice tone-successful" }, glyph("✓"), `${count(contents.length)} new: ${names(contents)}`)
      : h("p", { class: "notice" }, "All of these hosts are enrolled already."),
    isNew && skipped.length > 0 && h("p", { class: "muted" }, known),
    ignoredVariables.length > 0 && h("p", { class: "muted" }, `Without a meaning here: ${ignoredVariables.join(", ")}`),
  ];
}

function names(hosts) {
  const shown = hosts.slice(0, NAMES_SHOWN).map((host) => host.name);
  return shown.join(", ") + (hosts.length > NAMES_SHOWN ? " …" : "");
}

// Each row that is refused: where it stands, what was there, and what is wrong.
function refused({ subErrors, traceId }) {
  const cells = (one) => [one.field || "–", h("code", {}, shownValue(one.rejectedValue)), one.message];
  const body = subErrors.map((one) => h("tr", {}, cells(one).map((cell) => h("td", {}, cell))));
  const trace = traceId && h("span", { class: "small" }, ` Trace id ${traceId}`);
  const text = "Nothing was enrolled: the inventory has faults.";
  return [
    h("p", { class: "notice tone-failed", role: "alert" }, glyph("✕"), text, trace),
    table({ caption: "Faults", kind: "faults", head: ["Where", "What is there", "What is wrong"], body }),
  ];
}

function shownValue(value) {
  return value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
}
