// The editor schemas in a real language server: completion, hover and findings in YAML.
// AOB_NODE_TOOLS names the folder whose node_modules has yaml-language-server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const program = join(process.env.AOB_NODE_TOOLS, "node_modules/yaml-language-server/bin/yaml-language-server");
const head = "apiVersion: aob.dev/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  nodes:\n";

/** A language server on standard input and output, by JSON-RPC. */
class Server {
  #child = spawn(process.execPath, [program, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
  #waiting = new Map();
  #buffer = Buffer.alloc(0);
  #next = 1;
  #settings;
  #asked;

  /** Resolves when the server has asked for its settings. */
  configured = new Promise((resolve) => (this.#asked = resolve));

  constructor(settings) {
    this.#settings = settings;
    this.#child.stdout.on("data", (chunk) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      for (let message = this.#take(); message; message = this.#take()) this.#receive(message);
    });
  }

  request(method, params) {
    const id = this.#next++;
    this.#send({ id, method, params });
    return this.#wait(id);
  }

  notify(method, params) {
    this.#send({ method, params });
  }

  /** Opens a document and gives what the server finds wrong in it. */
  open(name, text) {
    const uri = pathToFileURL(join(here, name)).href;
    const findings = this.#wait(uri);
    this.notify("textDocument/didOpen", { textDocument: { uri, languageId: "yaml", version: 1, text } });
    return findings.then((found) => ({ uri, findings: found.map((one) => one.message) }));
  }

  async stop() {
    await this.request("shutdown");
    this.notify("exit");
  }

  #wait(key) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no answer to ${key} within a minute`)), 60_000);
      this.#waiting.set(key, (value, error) => {
        clearTimeout(late);
        this.#waiting.delete(key);
        error ? reject(new Error(JSON.stringify(error))) : resolve(value);
      });
    });
  }

  #send(message) {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#child.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  #take() {
    const end = this.#buffer.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const length = Number(/Content-Length: (\d+)/i.exec(this.#buffer.toString("utf8", 0, end))[1]);
    if (this.#buffer.length < end + 4 + length) return undefined;
    const text = this.#buffer.toString("utf8", end + 4, end + 4 + length);
    this.#buffer = this.#buffer.subarray(end + 4 + length);
    return JSON.parse(text);
  }

  #receive(message) {
    if (message.method === "textDocument/publishDiagnostics") {
      this.#waiting.get(message.params.uri)?.(message.params.diagnostics);
    } else if (message.method === "workspace/configuration") {
      this.#send({ id: message.id, result: message.params.items.map(({ section }) => this.#settings[section] ?? {}) });
      this.#asked();
    } else if (message.method !== undefined && message.id !== undefined) {
      this.#send({ id: message.id, result: null });
    } else if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message.result, message.error);
    }
  }
}

const schemas = { [pathToFileURL(join(here, "workflow.schema.json")).href]: ["*.yaml"] };
const server = new Server({
  yaml: { schemas, validate: true, hover: true, completion: true, schemaStore: { enable: false } },
});

before(async () => {
  const capabilities = {
    textDocument: { hover: { contentFormat: ["markdown"] } },
    workspace: { configuration: true },
  };
  await server.request("initialize", { processId: process.pid, rootUri: pathToFileURL(here).href, capabilities });
  server.notify("initialized", {});
  await server.configured;
});

after(() => server.stop());

/** Opens text with a `|` in it, and asks at that place. */
async function at(name, marked, method) {
  const offset = marked.indexOf("|");
  const text = marked.slice(0, offset) + marked.slice(offset + 1);
  const lines = marked.slice(0, offset).split("\n");
  const position = { line: lines.length - 1, character: lines.at(-1).length };
  const { uri } = await server.open(name, text);
  return server.request(method, { textDocument: { uri }, position });
}

async function offered(name, marked) {
  const answer = await at(name, marked, "textDocument/completion");
  return answer.items.map((item) => item.label);
}

test("types are offered", async () => {
  const labels = await offered("types.yaml", `${head}    - id: a\n      type: |\n`);
  for (const type of ["http", "agent", "transform"]) assert.ok(labels.includes(type), labels.join(", "));
});

test("a type decides which fields its config offers", async () => {
  const http = await offered("http.yaml", `${head}    - id: a\n      type: http\n      config:\n        |\n`);
  assert.ok(http.includes("url") && http.includes("bearer"), http.join(", "));
  assert.ok(!http.includes("prompt"), http.join(", "));
  const agent = await offered("agent.yaml", `${head}    - id: a\n      type: agent\n      config:\n        |\n`);
  assert.ok(agent.includes("prompt") && !agent.includes("url"), agent.join(", "));
});

test("a new node is offered by type", async () => {
  const labels = await offered("node.yaml", `${head}    - |\n`);
  assert.ok(labels.includes("foreach"), labels.join(", "));
});

test("hover tells what a field is", async () => {
  const text = `${head}    - id: a\n      type: http\n      config:\n        u|rl: https://example.com\n`;
  const answer = await at("hover.yaml", text, "textDocument/hover");
  assert.match(JSON.stringify(answer.contents), /Where to send the request/);
  const node = await at("hover-node.yaml", `${head}    - id: a\n      ty|pe: http\n`, "textDocument/hover");
  assert.match(JSON.stringify(node.contents), /Type of the node/);
});

test("faults are found where they are", async () => {
  const { findings } = await server.open("fault.yaml", `${head}    - {id: a, type: http, config: {uri: x}}\n`);
  assert.ok(findings.some((text) => text.includes("uri")), findings.join("\n"));
  assert.ok(findings.some((text) => text.includes("url")), findings.join("\n"));
  const typo = await server.open("typo.yaml", `${head}    - {id: a, type: noop}\n  nods: []\n`);
  assert.ok(typo.findings.some((text) => text.includes("nods")), typo.findings.join("\n"));
});

test("a type of others is no fault", async () => {
  const { findings } = await server.open("other.yaml", `${head}    - {id: a, type: acme.enrich, config: {any: thing}}\n`);
  assert.deepEqual(findings, []);
});

test("no example has a fault", async () => {
  const folder = join(here, "../../../examples");
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  assert.ok(files.length > 5);
  for (const file of files) {
    const { findings } = await server.open(`example-${file}`, readFileSync(join(folder, file), "utf8"));
    assert.deepEqual(findings, [], file);
  }
});
