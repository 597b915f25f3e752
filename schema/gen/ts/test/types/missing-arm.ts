// expect: Argument of type 'AgentNode' is not assignable to parameter of type 'never'
import { assertNever } from "../../dist/index.js";
import type { KnownNode } from "../../dist/index.js";

export function title(node: KnownNode): string {
  switch (node.type) {
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
