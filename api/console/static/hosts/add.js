// Adds hosts by hand: their addresses, and how all of them are reached.

import { openDialog } from "../confirm.js";
import { fill, h } from "../dom.js";
import { field, pairsOf, showFaults } from "../form.js";
import { errorBlock, tell } from "../notice.js";
import { count } from "../pager.js";
import { button } from "../part.js";

// Asks for the hosts. Returns true once they are enrolled, false where it was cancelled.
export function askToAdd(api) {
  const { promise, resolve } = Promise.withResolvers();
  const fields = makeFields();
  const fault = h("div", {});
  const cancel = button("Cancel", "", () => dialog.close());
  const go = h("button", { type: "submit", class: "button primary" }, "Add");
  const dialog = openDialog(
    { title: "Add hosts", isWide: true },
    h("div", { class: "fields" }, Object.values(fields).map((one) => one.element)),
    fault,
    h("div", { class: "actions" }, cancel, go),
  );
  dialog.querySelector("form").addEventListener("submit", submit);
  dialog.addEventListener("close", () => resolve(false));
  fields.hostBasicDataList.control.focus();

  async function submit(event) {
    event.preventDefault();
    go.disabled = true;
    fill(fault);
    try {
      const { contents } = await api.post("/compute/hosts/batchCreate", bodyOf(fields));
      tell(contents.length === 1 ? `${contents[0].name} is enrolled.` : `${count(contents.length)} hosts are enrolled.`);
      resolve(true);
      dialog.close();
    } catch (error) {
      const lines = hostLines(fields).map((line) => line.number);
      const rest = showFaults(error, fields).map((one) => named(one, lines));
      const isElsewhere = rest.length > 0 || !error.subErrors?.length;
      if (isElsewhere) fill(fault, errorBlock({ ...error, message: inShort(error, rest), subErrors: rest }));
    }
    go.disabled = false;
  }

  return promise;
}

function makeFields() {
  const line = (options = {}) => h("input", { autocomplete: "off", spellcheck: "false", ...options });
  const lines = (options) => h("textarea", { rows: 2, autocomplete: "off", spellcheck: "false", ...options });
  return {
    hostBasicDataList: field("Addresses", lines({ rows: 3, required: true }), {
      isWhole: true,
      hint: "One host a line: its address, and its name if it has one, such as “10.0.0.21 web-21”. The rest holds for all.",
    }),
    sshPort: field("SSH port", line({ type: "number", min: 1, max: 65535, value: "22" })),
    user: field("SSH login", line(), { hint: "Empty: the workers’ default." }),
    profile: field("Agent’s profile", line(), { hint: "Empty: ocp_agentctl." }),
    zone: field("Zone", line(), { hint: "Empty: default." }),
    labels: field("Labels", lines(), { hint: "One NAME=VALUE a line." }),
    variables: field("Variables", lines(), { hint: "The same; for the profile’s placeholders, and never shown again." }),
    credentialId: field("Credential", line({ type: "number", min: 0 }), { hint: "A key in the workers’ ssh.key_dir." }),
    description: field("Description", line()),
  };
}

function bodyOf(fields) {
  const text = (name) => fields[name].control.value.trim();
  const hosts = hostLines(fields).map((line) => hostOf(line.text));
  const body = { hostBasicDataList: hosts, sshPort: Number(text("sshPort") || 22) };
  for (const name of ["user", "profile", "zone", "description"]) if (text(name)) body[name] = text(name);
  if (text("credentialId")) body.credentialId = Number(text("credentialId"));
  for (const name of ["labels", "variables"]) if (text(name)) body[name] = pairsOf(text(name));
  return body;
}

// What stands in the lines that are not empty, each with its number.
function hostLines({ hostBasicDataList }) {
  const lines = hostBasicDataList.control.value.split("\n").map((line, at) => ({ number: at + 1, text: line.trim() }));
  return lines.filter((line) => line.text);
}

function hostOf(line) {
  const [address, ...rest] = line.split(/[\s,]+/);
  return { innerIpAddress: address, ...(rest.length ? { name: rest.join(" ") } : {}) };
}

function inShort(error, rest) {
  if (rest.length === 1) return `${rest[0].field}: ${rest[0].message}`;
  return rest.length ? `${count(rest.length)} faults:` : error.message;
}

// "hostBasicDataList[2].innerIpAddress" as "Line 3", and so another entry that its message is about. `lines` are the
// numbers of the lines of the entries.
function named(fault, lines) {
  const found = /^hostBasicDataList\[(\d+)\]/.exec(fault.field);
  if (!found) return fault;
  const message = fault.message.replace(/the entry at (\d+)$/, (_, at) => `line ${lines[at]}`);
  return { ...fault, field: `Line ${lines[found[1]]}`, message };
}
