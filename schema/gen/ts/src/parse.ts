import * as validators from "../validators/index.js";
import { KNOWN_TYPES } from "./nodes.js";
import type { KnownNode, KnownType } from "./nodes.js";
import type { Event, Node, PatchRequest, Workflow } from "./types.js";

/** One fault of a document: where it is, as a JSON pointer, and what is wrong there. */
export interface Finding {
  pointer: string;
  message: string;
}

/** A document that was judged: its value if it is one, else all that is wrong with it. */
export type Judged<T> = { ok: true; value: T } | { ok: false; findings: Finding[] };

/** Judges a workflow: the document, then the config of every node of a built-in type. */
export function parseWorkflow(value: unknown): Judged<Workflow> {
  const judged = judge<Workflow>(validators.workflow, value);
  if (!judged.ok) return judged;
  const findings = judged.value.spec.nodes.flatMap((node, at) => configFindings(node, `/spec/nodes/${at}`));
  return findings.length === 0 ? judged : { ok: false, findings };
}

/** Judges a request to patch a run. */
export function parsePatchRequest(value: unknown): Judged<PatchRequest> {
  return judge(validators.patch, value);
}

/** Judges one event of a run. */
export function parseEvent(value: unknown): Judged<Event> {
  return judge(validators.event, value);
}

/** Whether a name is that of a built-in node type. */
export function isKnownType(name: string): name is KnownType {
  return (KNOWN_TYPES as readonly string[]).includes(name);
}

/**
 * Whether a node is of a built-in type with a config that its schema accepts. In the branch where
 * it is, `switch (node.type)` gives each config its own type.
 */
export function isKnown(node: Node | KnownNode): node is KnownNode {
  return isKnownType(node.type) && configFindings(node, "").length === 0;
}

/** What is wrong with the config of a node; nothing if its type is not built in. */
export function configFindings(node: Node | KnownNode, pointer = ""): Finding[] {
  if (!isKnownType(node.type)) return [];
  const validator = validators.configs[node.type];
  if (validator === undefined) return [];
  const judged = judge(validator, node.config ?? {});
  if (judged.ok) return [];
  return judged.findings.map((one) => ({ ...one, pointer: `${pointer}/config${one.pointer}` }));
}

/** The end of an exhaustive `switch`: a missing case does not compile. */
export function assertNever(value: never): never {
  throw new TypeError(`no case for ${JSON.stringify(value)}`);
}

function judge<T>(validator: validators.Validator, value: unknown): Judged<T> {
  if (validator(value)) return { ok: true, value: value as T };
  const findings = (validator.errors ?? []).map((error) => ({
    pointer: error.instancePath,
    message: message(error),
  }));
  return { ok: false, findings };
}

/** The validator's words, with the name of a field that is one too many or the values allowed. */
function message(error: validators.ValidatorError): string {
  const words = error.message ?? error.keyword;
  const { additionalProperty, allowedValues } = error.params;
  if (typeof additionalProperty === "string") return `${words}: ${additionalProperty}`;
  if (Array.isArray(allowedValues)) return `${words}: ${allowedValues.join(", ")}`;
  return words;
}
