// The page of any model: its fields come from /schema, its examples from /examples.
// Values of requests and answers are only ever set as text, never as markup.
"use strict";

const form = document.getElementById("form");
const fields = document.getElementById("fields");
const chooser = document.getElementById("example");
const button = document.getElementById("predict");
const answer = document.getElementById("answer");

let schema = { inputs: [] };
let examples = [];

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function words(name) {
  const text = name.replaceAll(/[_-]+/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function percent(share, digits = 1) {
  return `${(100 * share).toFixed(digits)} %`;
}

async function ask(path, options) {
  const response = await fetch(path, options);
  const document = await response.json().catch(() => ({}));
  if (response.ok) return document;
  const error = new Error(document.error || `The service answered ${response.status}.`);
  error.problems = document.problems || [];
  throw error;
}

function control(input, id) {
  if (input.kind === "boolean") {
    const options = [["", "missing"], ["true", "yes"], ["false", "no"]];
    const made = options.map(([value, text]) => element("option", { value, textContent: text }));
    return element("select", { id, name: input.name }, ...made);
  }
  const types = { datetime: "datetime-local", date: "date", time: "time" };
  const made = element("input", { id, name: input.name, type: types[input.kind] || "text" });
  made.autocomplete = "off";
  made.spellcheck = false;
  if (types[input.kind]) made.step = input.kind === "date" ? "1" : "any";
  if (input.kind === "integer") made.inputMode = "numeric";
  if (input.kind === "number") made.inputMode = "decimal";
  return made;
}

function field(input, index) {
  const id = `field-${index}`;
  const made = control(input, id);
  made.required = input.required;
  const label = element("label", { htmlFor: id, textContent: words(input.name) });
  const box = element("div", { className: "field" }, label, made);
  if (input.known) {
    const list = element("datalist", { id: `${id}-known` });
    list.append(...input.known.map((value) => element("option", { value })));
    made.setAttribute("list", list.id);
    box.append(list);
  }
  return box;
}

function fill(row) {
  for (const input of schema.inputs) {
    const value = row[input.name];
    form.elements.namedItem(input.name).value = value === null || value === undefined ? "" : value;
  }
}

function value(input) {
  const text = form.elements.namedItem(input.name).value;
  if (text === "") return null;
  if (input.kind === "boolean") return text === "true";
  // What is not a number is sent as it stands: the service says what is wrong with it.
  const isNumber = input.kind === "integer" || input.kind === "number";
  return isNumber && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function row() {
  return Object.fromEntries(schema.inputs.map((input) => [input.name, value(input)]));
}

function summary(example) {
  const shown = Object.values(example).filter((each) => each !== null).slice(0, 8);
  return shown.map((each) => String(each).replace(/(\d)T(\d\d:\d\d):00$/, "$1 $2")).join(" · ");
}

function effect(reason) {
  const points = 100 * reason.effect;
  const sign = points > 0 ? "+" : "−";
  const className = points > 0 ? "up" : "down";
  return element("td", { className, textContent: `${sign}${Math.abs(points).toFixed(1)} points` });
}

function shownValue(value) {
  if (value === null) return "missing";
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
}

function reasonsTable(reasons) {
  const heads = ["Feature", "Value", "Effect"].map((textContent) => element("th", { textContent, scope: "col" }));
  const rows = reasons.map((reason) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", textContent: words(reason.feature) }),
      element("td", { textContent: shownValue(reason.value) }),
      effect(reason),
    ),
  );
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  return element("div", { className: "scroll" }, table);
}

function note(className, title, lines) {
  const list = element("ul", {}, ...lines.map((textContent) => element("li", { textContent })));
  const made = element("div", { className: `note ${className}` }, element("strong", { textContent: title }));
  if (lines.length) made.append(list);
  return made;
}

function show(document_) {
  const prediction = document_.predictions[0];
  const version = document_.model;
  const bar = element("progress", { max: 1, value: prediction.probability });
  bar.setAttribute("aria-label", "Probability");
  answer.replaceChildren(
    element("p", { className: "probability", textContent: percent(prediction.probability) }),
    bar,
    element("p", { className: "quiet", id: "by", textContent: `Answered by ${version.name}, version ${version.version} (${version.alias}).` }),
  );
  document.getElementById("served").textContent = `Model version ${version.version}, alias ${version.alias}`;
  if (prediction.warnings.length) answer.append(note("warning", "Please note", prediction.warnings));
  if (prediction.reasons.length) {
    const intro = "How far the probability moves when a feature has this value instead of its typical one.";
    answer.append(
      element("h3", { textContent: "Main reasons" }),
      element("p", { className: "quiet", textContent: intro }),
      reasonsTable(prediction.reasons),
    );
  }
}

function showError(error) {
  const problems = error.problems || [];
  const lines = problems.map((problem) => (problem.field ? `${words(problem.field)}: ${problem.message}` : problem.message));
  const made = problems.length ? note("error", "The service cannot answer this", lines) : note("error", error.message, []);
  made.setAttribute("role", "alert");
  answer.replaceChildren(made);
  for (const problem of problems) {
    const wrong = problem.field && form.elements.namedItem(problem.field);
    if (wrong) wrong.setAttribute("aria-invalid", "true");
  }
}

async function predict(event) {
  event.preventDefault();
  button.disabled = true;
  for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
  try {
    const headers = { "content-type": "application/json" };
    show(await ask("/predict", { method: "POST", headers, body: JSON.stringify(row()) }));
  } catch (error) {
    showError(error);
  } finally {
    button.disabled = false;
    answer.parentElement.scrollIntoView({ block: "nearest" });
  }
}

async function start() {
  try {
    [schema, examples] = await Promise.all([ask("/schema"), ask("/examples")]);
  } catch (error) {
    document.getElementById("served").textContent = "No model answers yet.";
    showError(error);
    button.disabled = true;
    setTimeout(start, 3000);
    return;
  }
  const { name, version, alias } = schema.model;
  document.title = `${words(name)} · prediction`;
  document.getElementById("title").textContent = words(name);
  document.getElementById("served").textContent = `Model version ${version}, alias ${alias}`;
  fields.replaceChildren(...schema.inputs.map(field));
  chooser.replaceChildren(...examples.map((each, index) => element("option", { value: index, textContent: summary(each) })));
  button.disabled = false;
  if (examples.length) fill(examples[0]);
}

chooser.addEventListener("change", () => fill(examples[Number(chooser.value)]));
form.addEventListener("submit", predict);
start();
