"use strict";
const doc = JSON.parse(document.getElementById("document").textContent);
const main = document.getElementById("main");
const token = document.getElementById("token");

/** An element with attributes and children; text is never read as markup. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  Object.assign(element, attributes);
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
}

/** What a reference points to; anything else is itself. */
function resolve(value) {
  if (!value || !value.$ref) return value;
  return value.$ref.slice(2).split("/").reduce((at, key) => at[key], doc);
}

const nameOf = (schema) => (schema.$ref ? schema.$ref.split("/").pop() : "");

/** A schema in a few words. */
function words(schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.allOf) return schema.allOf.map(words).join(" and ");
  if (schema.type === "array") return `list of ${words(schema.items)}`;
  return [schema.type, schema.format].filter(Boolean).join(", ");
}

/** The schemas that a schema is made of, itself first, each once. */
function parts(schema, seen = new Map()) {
  if (Array.isArray(schema)) schema.forEach((part) => parts(part, seen));
  else if (schema && typeof schema === "object") {
    const name = nameOf(schema);
    if (name && seen.has(name)) return seen;
    if (name) seen.set(name, resolve(schema));
    const inner = name ? { ...resolve(schema), example: undefined } : schema;
    Object.values(inner).forEach((value) => parts(value, seen));
  }
  return seen;
}

function describe(schema) {
  const box = make("details", {}, make("summary", {}, `Shape: ${words(schema)}`));
  for (const [name, part] of parts(schema)) {
    box.append(make("h3", {}, name), make("p", { className: "hint" }, part.description || ""));
    const known = part["x-extensible-enum"] || part.enum;
    if (known) box.append(make("p", {}, make("code", {}, known.join("  "))));
    if (!part.properties) continue;
    const needed = new Set(part.required || []);
    const rows = Object.entries(part.properties).map(([field, value]) =>
      make("tr", {}, make("td", {}, make("code", {}, field)), make("td", {}, words(value)),
        make("td", {}, needed.has(field) ? "always" : ""), make("td", {}, value.description || "")));
    box.append(make("table", {}, ...rows));
  }
  return box;
}

/** Sends what the form says and shows what comes back. */
async function send(method, path, operation, form, output) {
  const headers = {};
  const query = new URLSearchParams();
  let url = path;
  for (const { parameter, input } of form.parameters) {
    if (input.value === "") continue;
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    if (parameter.in === "query") query.set(parameter.name, input.value);
    if (parameter.in === "header") headers[parameter.name] = input.value;
  }
  if (token.value && !(operation.security && operation.security.length === 0)) {
    headers.Authorization = `Bearer ${token.value}`;
  }
  const request = { method: method.toUpperCase(), headers };
  if (form.body && form.body.value.trim() !== "") {
    headers["Content-Type"] = "application/json";
    request.body = form.body.value;
  }
  output.textContent = "…";
  try {
    const answer = await fetch(query.size ? `${url}?${query}` : url, request);
    const text = await answer.text();
    const shown = ["etag", "location", "content-language", "retry-after", "x-request-id"]
      .filter((name) => answer.headers.has(name))
      .map((name) => `${name}: ${answer.headers.get(name)}`);
    let body = text;
    if ((answer.headers.get("content-type") || "").includes("json")) {
      const value = JSON.parse(text);
      if (value.tokens) token.value = value.tokens.access_token;
      body = JSON.stringify(value, null, 2);
    }
    output.textContent = [`${answer.status} ${answer.statusText}`, ...shown, "", body].join("\n");
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function section(method, path, operation) {
  const box = make("details", { id: operation.operationId },
    make("summary", {}, make("span", { className: "method" }, method.toUpperCase()), make("code", {}, path), ` ${operation.summary}`),
    make("p", {}, operation.description || ""));
  const fill = () => {
    const form = { parameters: [] };
    for (const parameter of (operation.parameters || []).map(resolve)) {
      const input = make("input", { placeholder: String(parameter.example ?? "") });
      form.parameters.push({ parameter, input });
      box.append(make("label", {}, make("code", {}, parameter.name), ` ${parameter.in}. ${parameter.description}`, input));
    }
    const wanted = operation.requestBody && operation.requestBody.content["application/json"].schema;
    if (wanted) {
      form.body = make("textarea", { value: JSON.stringify(resolve(wanted).example, null, 2), spellcheck: false });
      box.append(make("label", {}, "Body", form.body), describe(wanted));
    }
    const rows = Object.entries(operation.responses).map(([status, response]) => {
      const { description, content } = resolve(response);
      const schema = content && Object.values(content)[0].schema;
      return make("tr", {}, make("td", {}, status), make("td", {}, schema ? words(schema) : ""), make("td", {}, description));
    });
    const output = make("pre", {}, "");
    const button = make("button", { type: "button" }, "Send");
    button.addEventListener("click", () => send(method, path, operation, form, output));
    box.append(make("p", {}, button), output, make("table", {}, ...rows));
    for (const [status, response] of Object.entries(operation.responses)) {
      const content = resolve(response).content;
      if (status.startsWith("2") && content) box.append(describe(Object.values(content)[0].schema));
    }
  };
  box.addEventListener("toggle", fill, { once: true });
  return box;
}

function show() {
  document.getElementById("version").textContent = doc.info.version;
  main.replaceChildren(make("pre", {}, doc.info.description));
  const operations = Object.entries(doc.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })));
  for (const tag of doc.tags) {
    const own = operations.filter(({ operation }) => operation.tags.includes(tag.name));
    const id = `tag-${tag.name.toLowerCase()}`;
    main.append(make("section", {}, make("h2", { id }, tag.name), make("p", {}, tag.description),
      ...own.map(({ method, path, operation }) => section(method, path, operation))));
    document.getElementById("contents").append(make("a", { href: `#${id}` }, tag.name));
  }
}

document.getElementById("find").addEventListener("input", (event) => {
  const sought = event.target.value.toLowerCase();
  for (const box of main.querySelectorAll("section > details")) {
    box.hidden = !box.querySelector("summary").textContent.toLowerCase().includes(sought);
  }
});

show();
