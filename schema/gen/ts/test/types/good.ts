// Compiles as it stands; each file beside it has one fault and must not.
import { assertNever, isKnown } from "../../dist/index.js";
import type { KnownNode, Node, Spec, Workflow } from "../../dist/index.js";

export const workflow: Workflow = {
  apiVersion: "aob.dev/v1alpha1",
  kind: "Workflow",
  metadata: { name: "w" },
  spec: { nodes: [{ id: "a", type: "http", config: { url: "https://example.com" } }], edges: [] },
};

export function count(spec: Spec): number {
  return spec.nodes.length;
}

export function url(node: Node): string | undefined {
  return isKnown(node) && node.type === "http" ? node.config.url : undefined;
}

export function title(node: KnownNode): string {
  switch (node.type) {
    case "agent":
      return node.config.model;
    case "approval":
      return node.config.title;
    case "delay":
    case "exec":
    case "foreach":
    case "http":
    case "job":
    case "loop":
    case "noop":
    case "transform":
    case "workflow":
      return node.id;
    default:
      return assertNever(node);
  }
}
