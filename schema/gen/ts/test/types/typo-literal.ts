// expect: 'nods' does not exist in type 'Spec'
import type { Spec } from "../../dist/index.js";

export const spec: Spec = { nods: [], nodes: [] };
