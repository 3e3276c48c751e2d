/** The API's documentation, rendered from its OpenAPI document. */

import { PREFIX } from "./address.js";
import { element, find } from "./dom.js";

const json = (value) => element("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));

/** Return the parts of a text, with those in backticks as code elements. */
function prose(text) {
  const parts = text.split(/`([^`]*)`/);
  return parts.map((part, number) => (number % 2 ? element("code", {}, part) : part));
}

/** Return the paragraphs of a text; lines that begin with a number become the items of a list. */
function paragraphs(text) {
  return text
    .trim()
    .split(/\n\n+/)
    .map((part) => {
      const items = part.split(/\n(?=\d+\. )/);
      return items[0].match(/^\d+\. /)
        ? element("ol", {}, ...items.map((item) => element("li", {}, ...prose(item.replace(/^\d+\. /, "")))))
        : element("p", {}, ...prose(part));
    });
}

/** Return the name of a schema's type, with links to the schemas that it refers to. */
function type(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1);
    return [element("a", { href: `#${name}` }, name)];
  }
  if (schema.anyOf) return schema.anyOf.flatMap((one, number) => [...(number ? [" or "] : []), ...type(one)]);
  if (schema.type === "array") return ["array of ", ...type(schema.items ?? {})];
  return [schema.type ?? "anything"];
}

/** Return the constraints of a schema (everything but its type and its texts) as text. */
function limits(schema) {
  const named = Object.entries(schema).filter(
    ([name, value]) => !["$ref", "anyOf", "type", "title", "description"].includes(name) && typeof value !== "object",
  );
  return named.map(([name, value]) => `${name}: ${value}`).join(", ");
}

function row(name, required, schema, description) {
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, element("code", {}, name), required ? " (required)" : null),
    element("td", {}, ...type(schema)),
    element("td", {}, ...prose(description ?? schema.description ?? ""), element("p", { class: "hint" }, limits(schema))),
  );
}

function table(caption, rows) {
  const heads = ["Name", "Type", "Meaning"].map((text) => element("th", { scope: "col" }, text));
  return element(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...rows),
    ),
  );
}

function fields(schema, caption) {
  const required = schema.required ?? [];
  return table(
    caption,
    Object.entries(schema.properties ?? {}).map(([name, field]) => row(name, required.includes(name), field)),
  );
}

/** Return the headers that can carry the token of a call, each of which is enough. */
function tokens(operation, schemes) {
  const accepted = (operation.security ?? []).flatMap(Object.keys).map((name) => schemes[name]);
  return accepted.map(({ type, name }) => (type === "apiKey" ? `${name}: $TOKEN` : "authorization: Bearer $TOKEN"));
}

/** Return a curl command that makes the call. */
function command(method, path, header, media, example) {
  const data = media === "application/json" ? `-d '${JSON.stringify(example)}'` : "--data-binary @FILE";
  const parts = [header ? `-H "${header}"` : null, media ? `-H "content-type: ${media}" ${data}` : null];
  return [`curl -X ${method} "${location.origin}${PREFIX}${path}"`, ...parts.filter(Boolean)].join(" \\\n  ");
}

function answer(status, { description, content = {} }) {
  const examples = Object.entries(content).map(([media, { example }]) =>
    media === "application/json" ? json(example) : element("pre", { tabindex: "0" }, example),
  );
  return element("li", {}, element("p", {}, element("strong", {}, status), " ", ...prose(description)), ...examples);
}

function call(method, path, operation, schemes) {
  const { parameters = [], requestBody, responses } = operation;
  // JSON, if it is taken, comes first.
  const [media, { schema: body } = {}] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const name = `${method.toUpperCase()} ${path}`;
  const id = operation.operationId;
  const needed = tokens(operation, schemes);
  find("#contents").append(element("li", {}, element("a", { href: `#${id}` }, element("code", {}, name))));
  return element(
    "section",
    { id, class: "call", "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title` }, element("code", {}, name), ` ${operation.summary}`),
    ...paragraphs(operation.description ?? ""),
    element("pre", { tabindex: "0" }, command(method.toUpperCase(), path, needed[0], media, body?.examples?.[0])),
    needed.length ? element("p", {}, "Token: ", ...prose(needed.map((header) => `\`${header}\``).join(" or "))) : null,
    parameters.length
      ? table(
          `Parameters of ${name}`,
          parameters.map((one) => row(`${one.name} in ${one.in}`, one.required, one.schema, one.description)),
        )
      : null,
    body?.properties ? fields(body, `Fields of the body of ${name}`) : null,
    body && !body.properties ? element("p", {}, "Body: ", ...type(body)) : null,
    element("h3", {}, "Answers"),
    element("ul", {}, ...Object.entries(responses).map(([status, response]) => answer(status, response))),
  );
}

function show(api) {
  find("#title").textContent = `${api.info.title} ${api.info.version}`;
  find("#introduction").append(...paragraphs(api.info.description));
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      find("#calls").append(call(method, path, operation, api.components.securitySchemes));
    }
  }
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    find("#schemas").append(
      element(
        "section",
        { id: name, class: "call", "aria-label": name },
        element("h3", {}, name),
        ...paragraphs(schema.description ?? ""),
        fields(schema, `Fields of ${name}`),
      ),
    );
  }
  find(location.hash || "body")?.scrollIntoView();
}

try {
  const response = await fetch(`${PREFIX}/openapi.json`);
  if (!response.ok) throw new Error(`status ${response.status}`);
  show(await response.json());
} catch (error) {
  find("#failure").textContent = `The document cannot be read: ${error.message}`;
}
