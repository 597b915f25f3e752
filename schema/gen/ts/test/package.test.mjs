import assert from "node:assert/strict";
import { test } from "node:test";
import { configFindings, isKnown, isKnownType, KNOWN_TYPES, parsePatchRequest, parseWorkflow } from "../dist/index.js";

const workflow = (...nodes) => ({
  apiVersion: "aob.dev/v1alpha1",
  kind: "Workflow",
  metadata: { name: "w" },
  spec: { nodes },
});

test("a valid document comes back as the same value", () => {
  const document = workflow({ id: "a", type: "http", config: { url: "https://example.com" } });
  const judged = parseWorkflow(document);
  assert.equal(judged.ok, true);
  assert.equal(judged.value, document);
});

test("findings name the place and the field", () => {
  const judged = parseWorkflow(workflow({ id: "a", type: "http", config: { uri: "x" } }));
  assert.equal(judged.ok, false);
  const found = judged.findings.map(({ pointer, message }) => `${pointer} ${message}`);
  assert.ok(found.some((text) => text.startsWith("/spec/nodes/0/config ") && text.includes("uri")), found.join("\n"));
  assert.ok(found.some((text) => text.includes("'url'")), found.join("\n"));
  assert.equal(parseWorkflow({ ...workflow(), nods: [] }).ok, false);
});

test("a type that is not built in is kept and not known", () => {
  const node = { id: "a", type: "acme.enrich", config: { any: "thing" } };
  assert.equal(parseWorkflow(workflow(node)).ok, true);
  assert.equal(isKnown(node), false);
  assert.deepEqual(configFindings(node), []);
});

test("a known type with a bad config is not known either", () => {
  assert.equal(isKnown({ id: "a", type: "http", config: {} }), false);
  assert.equal(isKnown({ id: "a", type: "noop" }), true);
  assert.equal(isKnownType("toString"), false);
  assert.deepEqual([...KNOWN_TYPES], [...KNOWN_TYPES].sort());
});

test("lengths count characters and not UTF-16 units", () => {
  const described = (length) => workflow({ id: "a", type: "noop", description: "\u{1F600}".repeat(length) });
  assert.equal(parseWorkflow(described(4096)).ok, true);
  assert.equal(parseWorkflow(described(4097)).ok, false);
});

test("a patch keeps null apart from absent", () => {
  const request = { operations: [{ op: "add", path: "/nodes/-", value: null }] };
  const judged = parsePatchRequest(request);
  assert.equal(judged.ok, true);
  assert.deepEqual(judged.value, request);
});
