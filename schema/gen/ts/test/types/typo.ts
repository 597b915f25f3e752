// expect: Property 'nods' does not exist on type 'Spec'
import type { Spec } from "../../dist/index.js";

export function count(spec: Spec): number {
  return spec.nods.length;
}
